"""What the golden tests share: bit patterns, hypothesis strategies, the worked vectors."""

import json
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from golden.catalog import bfp
from golden.formats import BlockFormat, ElementEncoding, ElementFormat, Rounding, ScaleEncoding, ScaleFormat, ScaleRule

DATA = Path(__file__).parent.parent / "data"
VECTORS = json.loads((DATA / "vectors.json").read_text())

NAN = 0x7FC00000
CORNERS = [
    *(0x00000000, 0x00000001, 0x00000003, 0x00400000, 0x007FFFFF, 0x00800000, 0x00FFFFFF, 0x34000000, 0x3F7FFFFF),
    *(0x3F800000, 0x3F800001, 0x3FC00000, 0x40490FDB, 0x4B7FFFFF, 0x4B800000, 0x7E800000, 0x7F000000, 0x7F7FFFFF),
    *(0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF),
]

settings.register_profile("golden", max_examples=150, deadline=None, database=None)
settings.load_profile("golden")


def floats(patterns):
    return np.array(patterns, np.uint32).view(np.float32)


def patterns(values):
    return np.ravel(np.asarray(values, np.float32)).view(np.uint32).tolist()


def tensor(entry):
    """A worked vector's input: the name of a list, the first eight of it, or the patterns themselves."""
    if isinstance(entry, str):
        name, _, part = entry.partition("[")
        entry = VECTORS[name][:8] if part else VECTORS[name]
    return floats([int(x, 16) for x in entry])


def msfp(m, block=16):
    """Another integer-mantissa format, with a biased exponent and the binary point elsewhere (formats.md 5)."""
    element = ElementFormat(encoding=ElementEncoding.SIGN_MAGNITUDE, mantissa_bits=m, fraction_bits=m - 1)
    scale = ScaleFormat(encoding=ScaleEncoding.BIASED, bits=8, bias=127)
    return BlockFormat(name=f"msfp{m + 9}", element=element, scale=scale, block=block)


@st.composite
def formats(draw, max_block=20):
    block = draw(st.integers(1, max_block))
    if draw(st.integers(0, 4)) == 0:
        return msfp(draw(st.integers(1, 15)), block)
    return bfp(draw(st.integers(2, 16)), block, draw(st.integers(5, 10)))


@st.composite
def blocks(draw, length, finite=False):
    """FP32 patterns that meet in one block: magnitudes around a common exponent, ties, corners, anything."""
    top = draw(st.integers(0, 254))
    near = st.builds(
        lambda sign, down, fraction: sign << 31 | max(top - down, 0) << 23 | fraction,
        st.integers(0, 1),
        st.integers(0, 20),
        st.one_of(
            st.integers(0, (1 << 23) - 1),
            st.builds(lambda high, place: (high << place) & 0x7FFFFF, st.integers(0, 31), st.integers(10, 22)),
            st.integers(0x7FFFF0, 0x7FFFFF),
        ),
    )
    corner = st.builds(lambda x, sign: x | sign << 31, st.sampled_from(CORNERS), st.integers(0, 1))
    kinds = [st.one_of(near, st.just(0)), st.one_of(near, near, near, corner), st.integers(0, (1 << 32) - 1)]
    values = draw(st.lists(draw(st.sampled_from(kinds)), min_size=length, max_size=length))
    return [0 if finite and x & 0x7FFFFFFF >= 0x7F800000 else x for x in values]


ROUNDINGS = st.sampled_from(list(Rounding))
SCALE_RULES = st.sampled_from(list(ScaleRule))
