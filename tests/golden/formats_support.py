"""What the tests of block formats share: names, strategies over the whole family, scalar beside vectorised blocks."""

import numpy as np
from golden_support import VECTORS, blocks, floats, formats, patterns, tensor
from hypothesis import strategies as st

import golden
from golden import reference
from golden.blocks import BlockArray
from golden.catalog import block_minifloat, get_format, microexponents, msfp, mx, nvfp4

OCP = {"E5M2": "mxfp8_e5m2", "E4M3": "mxfp8_e4m3", "E3M2": "mxfp6_e3m2", "E2M3": "mxfp6_e2m3", "E2M1": "mxfp4"}
OCP |= {"INT8": "mxint8"}
BLOCK_FORMATS = [name for name in golden.list_formats() if not name.startswith("bfp")]
NVFP4 = [int(x, 16) for x in VECTORS["A"] + VECTORS["B"]]


def named(name):
    """The format that a worked vector means: `MX9`, `E4M3` (of OCP MX), `MSFP12`, `BM(2,5)`, `NVFP4`."""
    if name.startswith("BM"):
        return block_minifloat(*map(int, name[3:-1].split(",")), block=16)
    return get_format(OCP.get(name, name.lower()))


def vector_input(entry):
    """A worked vector's tensor, filled up to its block."""
    x = tensor(entry["input"])
    return np.pad(x, (0, entry.get("pad", len(x)) - len(x)))


def scalars(q):
    """The blocks of a block array as the scalar reference holds them."""
    fmt = q.format
    shifts = [[]] * q.scales.size if q.microexponents is None else q.microexponents.reshape(q.scales.size, -1).tolist()
    scale = reference.ONE if q.tensor_scale is None else patterns(q.tensor_scale)[0]
    rows = zip(q.scales.ravel().tolist(), q.codes.reshape(-1, fmt.block).tolist(), shifts, strict=True)
    return [reference.Block(fmt, code, codes, shift, scale) for code, codes, shift in rows]


# Small blocks of every family: any element, any microexponents.
_SIZES = st.integers(1, 9)
BLOCKS = st.one_of(
    st.builds(mx, st.sampled_from(["e5m2", "e4m3", "e3m2", "e2m3", "e2m1", "int8"]), _SIZES),
    st.builds(
        lambda m, pairs, k2, d1, d2: microexponents(m, pairs * k2, k2, d1, d2),
        st.integers(1, 15),
        st.integers(1, 5),
        st.integers(1, 4),
        st.sampled_from([8, 8, 8, 5, 10]),
        st.integers(1, 3),
    ),
    st.builds(msfp, st.integers(11, 16), _SIZES),
    st.builds(lambda e, m, n: block_minifloat(e, min(m, 7 - e), n), st.integers(1, 5), st.integers(0, 6), _SIZES),
    st.just(nvfp4()),
    formats(max_block=8),
)


@st.composite
def stored(draw, fmt, count):
    """A block array of `count` blocks: of converted values, or of any codes whatever; and its scalar twin."""
    if draw(st.booleans()):
        finite = draw(st.booleans())
        values = [x for _ in range(count) for x in draw(blocks(fmt.block, finite=finite))]
        q = golden.quantize(floats(values), fmt)
        return q, scalars(q)

    # Codes come from a generator: lists of them would take hypothesis longer than all the arithmetic under test.
    rng, element, scale = np.random.default_rng(draw(st.integers(0, 1 << 32))), fmt.element, fmt.scale
    codes = rng.integers(0, 1 << element.bits, (count, fmt.block))
    if draw(st.booleans()):  # no specials
        sign = 1 << element.bits - 1
        codes = np.minimum(codes % sign, element.max_code) | codes & sign
    usual = scale.encode(draw(st.integers(-6, 6))) % scale.poison_code
    scales = np.where(rng.random(count) < draw(st.sampled_from([0, 0.3, 1])), rng.integers(0, 1 << scale.bits), usual)
    q = BlockArray.from_codes(
        fmt,
        codes * (rng.random(codes.shape) < draw(st.sampled_from([1, 1, 0.3]))),
        scales,
        microexponents=rng.integers(0, 1 << fmt.microexponent_bits, (count, fmt.microexponents))
        if fmt.microexponents
        else None,
        tensor_scale=draw(st.sampled_from([1.0, 2.0**-126, 0.0012345, 3e38])) if fmt.tensor_scale else None,
    )
    return q, scalars(q)
