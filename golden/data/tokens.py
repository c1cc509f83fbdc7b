"""Text as token numbers: characters, or subwords by byte-pair encoding (Sennrich et al., arXiv 1508.07909).

Both learn from training text only. The first four tokens are padding, begin, end and unknown.
"""

import re
from collections import Counter, defaultdict
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise

from golden.data.sets import DataError

__all__ = ["BEGIN", "END", "PAD", "SPECIALS", "UNKNOWN", "Characters", "Subwords", "learn_merges"]

PAD, BEGIN, END, UNKNOWN = range(4)
SPECIALS = ("<pad>", "<begin>", "<end>", "<unknown>")
_WORD = re.compile(r"\s?\S+|\s")  # a word takes the blank before it along, so that the pieces spell the text again
Pair = tuple[str, str]


class Characters:
    """One token per character that the training text has."""

    def __init__(self, text: str) -> None:
        self.symbols = (*SPECIALS, *sorted(set(text)))
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols)}

    def encode(self, text: str) -> list[int]:
        """Numbers of the characters."""
        return [self._numbers.get(character, UNKNOWN) for character in text]


class Subwords:
    """Byte-pair encoding with `vocabulary` tokens at most, specials and single characters included."""

    def __init__(self, text: str, vocabulary: int) -> None:
        words = Counter(_WORD.findall(text))
        characters = sorted({character for word in words for character in word})
        room = vocabulary - len(SPECIALS) - len(characters)
        if room < 0:
            raise DataError(f"vocabulary {vocabulary}: {vocabulary - room} or more for {len(characters)} characters")
        merges = learn_merges(words, room)
        # Two merges may spell the same piece in two ways; it is one token.
        self.symbols = tuple(dict.fromkeys((*SPECIALS, *characters, *map("".join, merges))))
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._pieces = cache(self._split)

    def encode(self, text: str) -> list[int]:
        """Numbers of the pieces; each word is merged in the order in which the merges were learnt."""
        return [self._numbers.get(piece, UNKNOWN) for word in _WORD.findall(text) for piece in self._pieces(word)]

    def _split(self, word: str) -> tuple[str, ...]:
        pieces = tuple(word)
        while len(pieces) > 1:
            best = min(pairwise(pieces), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            pieces = _merge(pieces, best)
        return pieces


def _merge(pieces: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """`pieces` with every occurrence of the pair joined, from the left."""
    joined, at = [], 0
    while at < len(pieces):
        if pieces[at : at + 2] == pair:
            joined.append(pair[0] + pair[1])
            at += 2
        else:
            joined.append(pieces[at])
            at += 1
    return tuple(joined)


def learn_merges(words: Counter[str], count: int) -> list[Pair]:
    """Up to `count` merges: each joins the most frequent pair of neighbours, the alphabetically first among equals."""
    pieces = {word: tuple(word) for word in words}
    frequency: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[str]] = defaultdict(set)
    for word in words:
        for pair in pairwise(pieces[word]):
            frequency[pair] += words[word]
            where[pair].add(word)
    queue = [(-times, pair) for pair, times in frequency.items()]  # stale entries stay in; the count tells them
    heapify(queue)
    merges: list[Pair] = []
    while len(merges) < count and queue:
        times, best = heappop(queue)
        if frequency[best] != -times or times > -2:
            continue
        merges.append(best)
        changes: Counter[Pair] = Counter()
        for word in where.pop(best):  # some may have lost the pair to another merge: then nothing changes
            old, pieces[word] = pieces[word], _merge(pieces[word], best)
            for pair in pairwise(old):
                changes[pair] -= words[word]
            for pair in pairwise(pieces[word]):
                changes[pair] += words[word]
                where[pair].add(word)
        where.pop(best, None)
        for pair, change in changes.items():
            if change:
                frequency[pair] += change
                heappush(queue, (-frequency[pair], pair))
    return merges
