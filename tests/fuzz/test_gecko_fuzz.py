"""The fuzzing targets in the ordinary tests: the corpus, and hypothesis with inputs bent from it."""

from pathlib import Path

import pytest
from gecko_targets import any_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source
from golden.gecko.file import read

CORPUS = sorted((Path(__file__).parents[1] / "data" / "gecko_corpus").iterdir())
SEEDS = [path.read_bytes() for path in CORPUS]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_corpus(path):
    any_bytes(path.read_bytes())


def test_corpus_holds_good_files():
    """Files of every mode that must stay readable: the format of version 1 does not change."""
    good = [path for path in CORPUS if path.suffix == ".gck"]
    ways = {(d.source, d.mode, d.zero_mask) for d in (read(path.read_bytes()).container.descriptor for path in good)}
    assert ways >= {(s, m, z) for s in Source for m in Mode for z in (False, True) if m is not Mode.RAW or not z}


@st.composite
def bent(draw):
    """A seed with some bytes replaced, cut or repeated, or a legal-looking descriptor with anything behind it."""
    if draw(st.booleans()):
        data = bytearray(draw(st.sampled_from(SEEDS)))
        for _ in range(draw(st.integers(0, 4))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])
    facts = {
        "source": draw(st.sampled_from(Source)),
        "mode": draw(st.sampled_from(Mode)),
        "length": draw(st.integers(0, 140)),
        "exponent_bits": draw(st.integers(1, 8)),
        "mantissa_bits": draw(st.integers(0, 7)),
        "bias": draw(st.integers(0, 255)),
        "zero_mask": draw(st.booleans()),
    }
    try:
        head = Descriptor(**facts).to_bytes()
    except GeckoError:
        head = bytes(32)
    return head + draw(st.binary(max_size=300))


@settings(max_examples=250, deadline=None)
@given(bent() | st.binary(max_size=80))
def test_any_bytes(data):
    any_bytes(data)
