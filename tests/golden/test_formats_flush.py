"""Subnormals flushed (formats.md 0.5, FTZ_IN): blocks made by hand, and the scalar reference beside them."""

import ml_dtypes
import numpy as np
import pytest
from formats_support import scalars
from golden_support import ROUNDINGS, SCALE_RULES, floats, patterns
from hypothesis import given
from hypothesis import strategies as st

import golden
from golden import reference
from golden.catalog import get_format

LEAST, LARGEST, NORMAL, MINUS = 0x00000001, 0x007FFFFF, 0x00800000, 0x80000000  # NORMAL is 2^-126
INFINITY, NAN = 0x7F800000, 0x7F800001


def flushed(values, fmt, **options):
    """(stored scale, codes) of one block; `values` are patterns, or an array of another type."""
    x = floats(values) if isinstance(values, list) else values
    q = golden.quantize(x, fmt, flush_subnormals=True, **options)
    return int(q.scales[0]), q.codes[0].tolist()


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "emulator"])
def test_a_block_of_subnormals_is_a_block_of_zeros(rule):
    values = [LARGEST, MINUS | LEAST, LARGEST, MINUS | LARGEST]
    assert flushed(values, "bfp4x4", scale_rule=rule) == flushed([0, 0, 0, 0], "bfp4x4", scale_rule=rule)
    assert golden.quantize(floats(values), "bfp4x4").codes.tolist() == [[7, 0, 7, 15]]  # else they count


def test_beside_a_number_they_are_zeros_too():
    values = [NORMAL, LARGEST, MINUS | LARGEST, LEAST]
    code = -125 & 0x3FF  # E1 of a maximum of 2^-126; a unit is 2^-128
    assert flushed(values, "bfp4x4") == (code, [4, 0, 0, 0])
    kept = golden.quantize(floats(values), "bfp4x4")
    assert (kept.scales.tolist(), kept.codes.tolist()) == ([code], [[4, 4, 12, 0]])


def test_minifloats_keep_their_sign_and_integers_have_one_zero():
    values = [NORMAL, MINUS | LARGEST, MINUS | LEAST, LARGEST]
    assert flushed(values, "mxfp4x4") == (0, [0b0100, 0b1000, 0b1000, 0])  # 2^-126 is 2 under 2^-127
    assert flushed([MINUS | LARGEST] * 4, "mxfp4x4") == (0, [0b1000] * 4)
    assert flushed(values, "mxint8x4") == (1, [64, 0, 0, 0])
    assert flushed([MINUS | LARGEST] * 4, "mxint8x4") == (0, [0, 0, 0, 0])


def test_a_pair_of_subnormals_is_a_zero_pair():
    values = floats([NORMAL, LARGEST, LARGEST, LARGEST] + [0] * 12)
    q = golden.quantize(values, "mx9", scale_rule="even", flush_subnormals=True)
    assert (q.scales.tolist(), q.codes[0, :4].tolist()) == ([1], [64, 0, 0, 0])
    assert q.microexponents[0, :2].tolist() == [0, 1]
    kept = golden.quantize(values, "mx9", scale_rule="even")  # LARGEST asks for the binade of 2^-126
    assert (kept.codes[0, :4].tolist(), kept.microexponents[0, :2].tolist()) == ([64, 64, 64, 64], [0, 0])


@pytest.mark.parametrize("special", [INFINITY, MINUS | INFINITY, NAN, MINUS | 0x7FC00000])
@pytest.mark.parametrize("fmt", ["bfp4x4", "mxfp4x4", "mxint8x4"])
def test_poison_is_poison(special, fmt):
    assert flushed([LARGEST, special, MINUS | LEAST, NORMAL], fmt) == (get_format(fmt).scale.poison_code, [0] * 4)


def test_source_types_are_flushed_as_fp32():
    bf16 = np.array([0x0080, 0x007F, 0x807F, 0x0001], np.uint16).view(ml_dtypes.bfloat16)
    assert flushed(bf16, "mxfp4x4") == (0, [4, 0, 8, 0])
    # float64 is rounded first: the second value to 2^-126, the third to the largest subnormal.
    wide = np.array([2.0**-126, 2.0**-126 - 2.0**-151, 2.0**-149 - 2.0**-126, 2.0**-126 - 2.0**-149])
    assert flushed(wide, "mxfp4x4") == (0, [4, 4, 8, 0])
    # float16's subnormals are normal numbers of FP32.
    half = np.array([0x0001, 0x03FF, 0x8001, 0x0200], np.uint16).view(np.float16)
    kept = golden.quantize(half, "bfp8x4")
    assert flushed(half, "bfp8x4") == (int(kept.scales[0]), kept.codes[0].tolist())
    assert kept.codes.any()


def test_the_scale_of_a_tensor_is_not_made_of_subnormals():
    rows = [[MINUS | LARGEST] * 16, [LEAST] * 16]
    q = golden.quantize(floats(rows), "nvfp4", flush_subnormals=True)
    tensor = rows[0] + rows[1]
    assert scalars(q) == [reference.quantize(r, q.format, tensor=tensor, flush_subnormals=True) for r in rows]
    assert q.tensor_scale == 1
    assert (q.scales.tolist(), q.codes.tolist()) == ([[0], [0]], [[[8] * 16], [[0] * 16]])


FORMATS = ["bfp4x4", "bfp6x3e5", "mx_m3_k4_2_d6_2", "mxfp8_e5m2x3", "mxfp4x4", "mxint8x3", "bm_e4m3x2", "nvfp4"]
NEAR = st.builds(
    lambda code, sign: code | sign << 31,
    st.one_of(
        st.sampled_from([0, LEAST, LARGEST, NORMAL, NORMAL + 1, INFINITY, 0x3F800000]),
        st.integers(0, 4 * NORMAL),
    ),
    st.integers(0, 1),
)


@given(st.data(), st.sampled_from(FORMATS), ROUNDINGS, SCALE_RULES)
def test_equals_scalar_and_zeros_in_their_place(data, name, rounding, rule):
    fmt = get_format(name)
    rule = "floor" if fmt.tensor_scale else rule
    rows = [data.draw(st.lists(NEAR, min_size=fmt.block, max_size=fmt.block)) for _ in range(2)]
    words = np.array([data.draw(st.lists(st.integers(0, 255), min_size=fmt.block, max_size=fmt.block)) for _ in rows])
    options = {"rounding": rounding, "scale_rule": rule}
    options |= {"random": words.astype(np.uint8)} if rounding == "sr" else {}
    x = floats(rows)
    made = golden.quantize(x, fmt, flush_subnormals=True, **options)
    zeros = np.where(np.abs(x) < np.float32(2.0**-126), np.copysign(np.float32(0), x), x)
    assert scalars(made) == scalars(golden.quantize(zeros, fmt, **options))
    for row, drawn, block in zip(rows, words.tolist(), scalars(made), strict=True):
        wanted = reference.quantize(row, fmt, rounding, rule, drawn, 8, patterns(x), flush_subnormals=True)
        assert block == wanted
