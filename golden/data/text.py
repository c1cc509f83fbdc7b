"""Text for language models and sentence pairs for translation, as arrays of tokens."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from golden.data.sets import IGNORED, DataError, DataSet, Split
from golden.data.tokens import BEGIN, END, PAD, Characters, Subwords
from golden.words import counter_words

__all__ = ["CONTEXTS", "language", "translation"]

CONTEXTS = range(8, 1025)
_WORDS = range(3, 17)  # of a sentence that is kept
_FEWEST = 50  # pairs: below, a part might be empty
_PIECES = 40  # tokens of a sentence that is kept, after subword splitting


def language(name: str, text: str, *, subwords: int | None, context: int) -> DataSet:
    """Predict the next token of a text: windows of `context` tokens, side by side.

    The first 80 % of the characters are for training, the next 10 % for validation, the last 10 % for testing. Tokens
    are characters, or with `subwords` that many pieces at most, learnt on the training part.
    """
    if context not in CONTEXTS:
        raise DataError(f"context {context}: {CONTEXTS[0]}..{CONTEXTS[-1]}")
    cuts = [0, len(text) * 8 // 10, len(text) * 9 // 10, len(text)]
    parts = [text[start:end] for start, end in pairwise(cuts)]
    tokens = Characters(parts[0]) if subwords is None else Subwords(parts[0], subwords)
    splits = []
    for part in parts:
        numbers = np.array(tokens.encode(part), dtype=np.int64)
        windows = (len(numbers) - 1) // context
        if windows < 1:
            raise DataError(f"{name}: {len(text)} characters, each of its parts needs {context + 1} tokens or more")
        kept = windows * context
        splits.append(Split(numbers[:kept].reshape(-1, context), numbers[1 : kept + 1].reshape(-1, context)))
    return DataSet(
        name=name,
        kind="text",
        classes=len(tokens.symbols),
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        symbols=tokens.symbols,
    )


def translation(name: str, pairs: Sequence[tuple[str, str]], *, subwords: int) -> DataSet:
    """Translate first sentences into second ones: pairs of 3 to 16 words each, every pair once.

    One in ten source sentences is for testing, one in ten for validation, by the counter-based words of its number; its
    translations stay together. Both languages share the pieces, learnt on training pairs. Sentences end with `END`,
    targets begin with `BEGIN`; what is longer than 40 pieces is left out.
    """
    kept = [pair for pair in dict.fromkeys(pairs) if all(len(side.split()) in _WORDS for side in pair)]
    if len(kept) < _FEWEST:
        raise DataError(f"{name}: {len(kept)} pairs of 3 to 16 words, {_FEWEST} or more are needed")
    number = {source: i for i, source in enumerate(dict.fromkeys(source for source, _ in kept))}
    draw = counter_words(f"split/{name}", 0, np.array([number[source] for source, _ in kept])) % np.uint32(10)
    part_of = np.select([draw == 0, draw == 1], [2, 1], 0)  # 2: test, 1: validation, 0: training
    training = [pair for pair, part in zip(kept, part_of, strict=True) if part == 0]
    tokens = Subwords("\n".join("\n".join(pair) for pair in training), subwords)
    coded = [(part, *map(tokens.encode, pair)) for pair, part in zip(kept, part_of, strict=True)]
    coded = [row for row in coded if max(len(row[1]), len(row[2])) <= _PIECES]
    parts = [_pad([row[1:] for row in coded if row[0] == part]) for part in range(3)]
    return DataSet(
        name=name,
        kind="pairs",
        classes=len(tokens.symbols),
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        symbols=tokens.symbols,
        source_length=_PIECES + 1,
    )


def _pad(rows: Sequence[tuple[list[int], list[int]]]) -> Split:
    """Source + END | BEGIN + target as x, target + END as labels; PAD fills x, IGNORED the labels."""
    width = _PIECES + 1
    x = np.full((len(rows), 2 * width), PAD, dtype=np.int64)
    y = np.full((len(rows), width), IGNORED, dtype=np.int64)
    for i, (source, target) in enumerate(rows):
        x[i, : len(source) + 1] = [*source, END]
        x[i, width : width + len(target) + 1] = [BEGIN, *target]
        y[i, : len(target) + 1] = [*target, END]
    return Split(x, y)
