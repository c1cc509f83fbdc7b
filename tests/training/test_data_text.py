"""Text as tokens, and sentence pairs."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.data import IGNORED, DataError, load
from golden.data.help_pages import align, paragraphs
from golden.data.text import translation
from golden.data.tokens import BEGIN, END, PAD, SPECIALS, UNKNOWN, Characters, Subwords, learn_merges

PROSE = "the cat sat on the mat. the rat sat on the cat. that is that.\n" * 40


def spelt(symbols, numbers):
    return "".join(symbols[number] for number in numbers)


def naive_merges(words, count):
    """Byte-pair encoding by recounting everything after each merge."""
    pieces, merges = {word: list(word) for word in words}, []
    while len(merges) < count:
        frequency = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                frequency[pair] += words[word]
        if not frequency or max(frequency.values()) < 2:
            break
        best = min(frequency, key=lambda pair: (-frequency[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined = []
            while parts:
                taken = 2 if tuple(parts[:2]) == best else 1
                joined.append("".join(parts[:taken]))
                parts = parts[taken:]
            pieces[word] = joined
    return merges


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=9), st.integers(1, 5), min_size=1, max_size=12))
def test_merges_are_those_of_the_plain_algorithm(words):
    assert learn_merges(Counter(words), 12) == naive_merges(Counter(words), 12)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("abc \n."), max_size=60))
def test_subwords_spell_the_text_again(text):
    tokens = Subwords(PROSE + "abc", 60)
    assert spelt(tokens.symbols, tokens.encode(text)) == text
    assert len(tokens.symbols) <= 60


def test_subwords_are_fewer_than_characters_and_unknown_ones_are_marked():
    tokens = Subwords(PROSE, 60)
    assert len(tokens.encode(PROSE)) < len(PROSE) / 2
    assert tokens.encode("z") == [UNKNOWN]
    with pytest.raises(DataError, match=r"vocabulary 10: \d+ or more"):
        Subwords(PROSE, 10)


def test_characters():
    tokens = Characters("banana")
    assert tokens.symbols == (*SPECIALS, "a", "b", "n")
    assert spelt(tokens.symbols, tokens.encode("nab")) == "nab"
    assert tokens.encode("x") == [UNKNOWN]


@pytest.mark.parametrize("kind", ["chars", "subwords"])
def test_text_from_a_file_is_cut_in_order(kind, tmp_path):
    text = "".join(f"line {n} of a long story, told once;\n" for n in range(400))
    (tmp_path / "story.txt").write_text(text)
    data = load(f"{kind}:{tmp_path / 'story.txt'}", context=16)
    assert (data.kind, data.input_shape, data.classes) == ("text", (16,), len(data.symbols))
    parts = [spelt(data.symbols, part.x.reshape(-1)) for part in (data.train, data.validation, data.test)]
    at = 0
    for part in parts:
        at = text.index(part, at) + len(part)
    assert sum(map(len, parts)) > 0.95 * len(text)
    for part in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(part.y[:, :-1], part.x[:, 1:])
        np.testing.assert_array_equal(part.y[:-1, -1], part.x[1:, 0])


def test_topics_come_with_python():
    data = load("topics")
    assert len(data.train) * 64 > 300_000
    assert "lambda" in spelt(data.symbols, data.train.x.reshape(-1))


@pytest.mark.parametrize("context", [7, 1025])
def test_context_out_of_range(context):
    with pytest.raises(DataError, match=rf"context {context}: 8\.\.1024"):
        load("topics", context=context)


WHO = ("Hund", "Baum", "Esel", "Wal", "Aal", "Bach", "Wind", "Tag", "Hut", "Uhu")
WHOM = ("Fisch", "Stein", "Turm", "Berg", "Ball", "Wald")
PAIRS = [(f"der {a} mag den {b}", f"the {a} likes the {b} {'very ' * (len(a) - 2)}much") for a in WHO for b in WHOM]


def test_pairs_are_framed_and_padded():
    data = translation("small", PAIRS * 2 + [("zu kurz", "too short"), ("a " * 17, "b " * 17)], subwords=80)
    parts = [data.train, data.validation, data.test]
    found = set()
    for part in parts:
        for x, y in zip(part.x, part.y, strict=True):
            source, target = x[: data.source_length], x[data.source_length :]
            end = source.tolist().index(END)
            length = y.tolist().index(END) + 1
            assert (source[end + 1 :] == PAD).all()
            assert target[0] == BEGIN
            assert (target[1:length] == y[: length - 1]).all()
            assert (target[length:] == PAD).all()
            assert (y[length:] == IGNORED).all()
            found.add((spelt(data.symbols, source[:end]), spelt(data.symbols, y[: length - 1])))
    assert found == set(PAIRS), "every pair of 3 to 16 words, once"
    assert sum(map(len, parts)) == len(PAIRS)


def test_translations_of_one_sentence_stay_in_one_part():
    pairs = [(f"satz nummer {n} hier", f"sentence {n} in {way}") for n in range(60) for way in ("full", "short")]
    data = translation("twins", pairs, subwords=80)
    sources = [
        {row[: data.source_length].tobytes() for row in part.x} for part in (data.train, data.validation, data.test)
    ]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 60


def test_pairs_from_two_files(tmp_path):
    for name, side in (("de", 0), ("en", 1)):
        (tmp_path / name).write_text("\n".join(pair[side] for pair in PAIRS))
    (tmp_path / "short").write_text("one line")
    with pytest.raises(DataError, match="0 pairs of 3 to 16 words, 50 or more"):
        load(f"pairs:{tmp_path / 'short'},{tmp_path / 'short'}")
    data = load(f"pairs:{tmp_path / 'de'},{tmp_path / 'en'}")
    assert data.kind == "pairs"
    with pytest.raises(DataError, match="60 and 1 lines; two files of as many lines each"):
        load(f"pairs:{tmp_path / 'de'},{tmp_path / 'short'}")
    with pytest.raises(DataError, match="No such file"):
        load(f"pairs:{tmp_path / 'de'},{tmp_path / 'gone'}")


def test_help_pages_are_aligned_by_paragraph():
    german = '<p id="a">Die <b>Katze</b>\n schläft</p><div><h1 id="b">Titel</h1></div><p>ohne</p><p id="c">SUM</p>'
    english = '<h1 id="b">Title</h1><p id="a">The cat sleeps</p><p id="c">SUM</p><p id="d">only here</p>'
    assert paragraphs(german) == {"a": "Die Katze schläft", "b": "Titel", "c": "SUM"}
    pairs = list(align({"x": german, "y": german}, {"x": english}))
    assert pairs == [("Die Katze schläft", "The cat sleeps"), ("Titel", "Title")]
