"""Gecko tensors for tests: the worked vectors of gecko.md 9, and a strategy for (bit patterns, legal descriptor)."""

import json
import re
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from golden.gecko import reference
from golden.gecko.container import Container
from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.values import DTYPES

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
LENGTHS = (0, 1, 7, 8, 9, 63, 64, 65)


def vector_id(vector):
    mask = "-mask" if vector["zero_mask"] else ""
    return f"{vector['input']}-{vector['mode']}-ne{vector['ne']}-wm{vector['wm']}{mask}"


def vector_case(vector):
    """A worked vector as (bit patterns, descriptor)."""
    name, start, stop = re.fullmatch(r"(G\d)(?:\[(\d+):(\d+)\])?", vector["input"]).groups()
    part = slice(int(start), int(stop)) if stop else slice(None)
    values = [int(x, 16) for x in VECTORS[f"{name}_{vector['src']}"][part]]
    uses_bias = vector["mode"] == "fixed" or vector["zero_mask"]
    d = Descriptor(
        source=Source[vector["src"].upper()],
        length=len(values),
        mode=Mode[vector["mode"].upper()],
        exponent_bits=vector["ne"],
        mantissa_bits=vector["wm"],
        bias=vector["bias"] if uses_bias else 0,  # where it plays no part the vectors state 127, illegal below ne = 7
        offset=vector["off"],
        sign_elided=bool(vector["sign_elided"]),
        zero_mask=bool(vector["zero_mask"]),
    )
    return values, d


def cut(values, d):
    """What a container gives back for these values."""
    return [reference.join(*reference.split(v, d), d) for v in values]


def container_of(lanes, lane_bits, fields, d):
    """The scalar reference's lanes and metadata fields as the container that the hardware would write."""
    word = d.source.bits
    beats = -(-lane_bits // word)
    data = [[lane >> word * k & (1 << word) - 1 for lane in lanes] for k in range(beats)]
    words = [sum(f << 3 * r for r, f in enumerate(fields[g : g + 8])) for g in range(0, len(fields), 8)]
    metadata = b"".join(w.to_bytes(3, "little") for w in words)
    return Container(d, np.array(data, DTYPES[d.source]).reshape(beats, 8), metadata)


def lanes_of(container):
    """Beats as eight integers."""
    word = container.descriptor.source.bits
    return [sum(int(w) << word * k for k, w in enumerate(container.data[:, c])) for c in range(8)]


def fields_of(container):
    """Metadata bytes as a list of 3-bit fields."""
    words = (int.from_bytes(container.metadata[i : i + 3], "little") for i in range(0, len(container.metadata), 3))
    return [word >> 3 * r & 7 for word in words for r in range(8)]


@st.composite
def descriptors(draw):
    """Any legal descriptor."""
    source = draw(st.sampled_from(Source))
    ne = draw(st.integers(1, 8))
    mode = draw(st.sampled_from(Mode if ne > 1 else [Mode.RAW]))
    return Descriptor(
        source=source,
        length=draw(st.sampled_from(LENGTHS) | st.integers(0, 200)),
        mode=mode,
        exponent_bits=ne,
        mantissa_bits=draw(st.integers(0, source.mantissa_bits)),
        bias=draw(st.integers(0, (1 << ne) - 1)),
        offset=draw(st.integers(0, 255 if ne < 8 else 0)),
        sign_elided=draw(st.booleans()),
        zero_mask=mode is not Mode.RAW and draw(st.booleans()),
    )


@st.composite
def tensors(draw):
    """(bit patterns, descriptor) that the descriptor can hold: narrow or wild exponents, some or no zeros, NaNs."""
    d = draw(descriptors())
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    size, m = 1 << d.exponent_bits, d.source.mantissa_bits
    spread = draw(st.sampled_from([1, 2, 5, size]))  # 1: all equal; size: anything, with the extremes likely
    codes = (draw(st.integers(0, size - 1)) + rng.integers(0, min(spread, size), d.length)) % size
    if draw(st.booleans()):
        edges = rng.choice([0, 1, size >> 1, size - 1], d.length) % size
        codes = np.where(rng.random(d.length) < draw(st.sampled_from([0.02, 0.5])), edges, codes)
    field = codes if d.exponent_bits == 8 else np.where(codes == 0, 0, (codes + d.offset) % 256)
    fraction = rng.integers(0, 1 << m, d.length) * (rng.random(d.length) < 0.8)
    if d.mantissa_bits == 0:
        fraction[field == 255] = 0
    sign = 0 if d.sign_elided else rng.integers(0, 2, d.length)
    return (sign << m + 8 | field << m | fraction).astype(DTYPES[d.source]), d
