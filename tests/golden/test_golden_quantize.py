"""Conversion to blocks: vectorised against scalar over the whole parameter range, and against other formats' casts."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from golden_support import ROUNDINGS, SCALE_RULES, blocks, floats, formats, msfp, patterns
from hypothesis import given
from hypothesis import strategies as st

import golden
from golden import reference
from golden.catalog import bfp


def assert_equals_scalar(data, fmt, rounding, scale_rule):
    rows = [data.draw(blocks(fmt.block)) for _ in range(data.draw(st.integers(1, 3)))]
    words, random = [None] * len(rows), {}
    if rounding == "sr":
        dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64]))
        width = np.dtype(dtype).itemsize * 8
        width = data.draw(st.one_of(st.just(width), st.integers(1, width)))
        word = st.one_of(st.integers(0, (1 << width) - 1), st.just((1 << width) - 1))
        words = [data.draw(st.lists(word, min_size=fmt.block, max_size=fmt.block)) for _ in rows]
        random = {"random": np.array(words, dtype), "random_bits": width}
    q = golden.quantize(floats(rows), fmt, rounding=rounding, scale_rule=scale_rule, **random)
    for i, row in enumerate(rows):
        block = reference.quantize(row, fmt, rounding, scale_rule, words[i], random.get("random_bits", 0))
        assert (q.scales[i, 0], q.codes[i, 0].tolist()) == (block.scale, block.codes)
        assert patterns(q.dequantize()[i]) == reference.dequantize(block)
        packed = reference.pack(block)
        assert int.from_bytes(q.to_bits()[i, 0].tobytes(), "little") == packed
        assert reference.unpack(packed, fmt) == block


@given(st.data(), formats(), ROUNDINGS, SCALE_RULES)
def test_equals_scalar(data, fmt, rounding, scale_rule):
    assert_equals_scalar(data, fmt, rounding, scale_rule)


@given(st.data(), st.builds(bfp, st.integers(2, 16), st.integers(1, 8), st.integers(5, 10)), ROUNDINGS)
def test_emulator_equals_scalar(data, fmt, rounding):
    assert_equals_scalar(data, fmt, rounding, "emulator")


@pytest.mark.parametrize("block", [1, 3, 64, 576, 1024])
def test_equals_scalar_on_long_blocks(block):
    rng = np.random.default_rng(block)
    x = (rng.standard_normal((3, block)) * 2.0 ** rng.integers(-8, 9, (3, block))).astype(np.float32)
    for mantissa in (2, 4, 16):
        fmt = bfp(mantissa, block)
        q = golden.quantize(x, fmt)
        expected = [reference.quantize(patterns(row), fmt) for row in x]
        assert q.scales[:, 0].tolist() == [block.scale for block in expected]
        assert q.codes[:, 0].tolist() == [block.codes for block in expected]


def value(pattern):
    """The exact value of a finite pattern, by NumPy and the standard library."""
    return Fraction(float(floats([pattern])[0]))


@given(st.data(), formats(max_block=8), SCALE_RULES)
def test_nearest_by_definition(data, fmt, scale_rule):
    """No stored value is nearer to an element than the one chosen; among two equally near ones it is the even one."""
    row = data.draw(blocks(fmt.block, finite=True))
    q = golden.quantize(floats(row), fmt, scale_rule=scale_rule)
    unit = Fraction(2) ** int(q.exponents[0] + fmt.element.lsb_exponent)
    limit = fmt.element.max_integer
    for pattern, mantissa in zip(row, q.mantissas[0].tolist(), strict=True):
        error = abs(value(pattern) / unit - mantissa)
        for other in {max(mantissa - 1, -limit), min(mantissa + 1, limit)} - {mantissa}:
            distance = abs(value(pattern) / unit - other)
            assert error < distance or (error == distance and mantissa % 2 == 0)


@given(st.data(), formats(max_block=8))
def test_scale_rules_by_definition(data, fmt):
    """Within the exponent range `floor` is the largest magnitude's binade and `ceil` the least that clips nothing."""
    row = data.draw(blocks(fmt.block, finite=True))
    largest = max(abs(value(pattern)) for pattern in row)
    floor, ceil = (int(golden.quantize(floats(row), fmt, scale_rule=rule).exponents[0]) for rule in ("floor", "ceil"))
    if largest == 0:
        assert floor == ceil == fmt.scale.lowest
        return
    if fmt.scale.lowest < floor < fmt.scale.highest:
        assert 1 <= largest / Fraction(2) ** (floor + fmt.element.emax) < 2
    if fmt.scale.lowest < floor and ceil < fmt.scale.highest:
        unit = Fraction(2) ** (ceil + fmt.element.lsb_exponent)
        assert fmt.element.max_integer * unit >= largest
        assert ceil == floor or fmt.element.max_integer * unit / 2 < largest


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [(np.float16, 11), (ml_dtypes.bfloat16, 8), (ml_dtypes.float8_e4m3fn, 4), (ml_dtypes.float8_e5m2, 3)],
)
def test_single_values_round_like_narrow_floats(dtype, bits):
    """A block of one under `even` is an RNE to `bits` significand bits, which is the cast to a float of as many."""
    rng = np.random.default_rng(bits)
    exact = np.arange(1 << bits - 1, 1 << bits) / (1 << bits - 1)
    ties = exact + 2.0**-bits
    x = np.concatenate([exact, ties, np.nextafter(ties, 0), np.nextafter(ties, 2), rng.uniform(1, 2, 2000)])
    x = np.concatenate([x, -x / 8]).astype(np.float32)
    q = golden.quantize(x[:, np.newaxis], bfp(bits + 1, 1), scale_rule="even")
    assert np.array_equal(q.dequantize()[:, 0], x.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("m", range(1, 16))
@pytest.mark.parametrize("place", [0, -133])  # the second among FP32 subnormals
def test_scale_rules_at_their_thresholds(m, place):
    """`even` and `ceil` on both sides of the last value that rounds, or fits, into the binade (formats.md 0.7)."""
    halfway, largest = 2 - 2.0**-m, 2 - 2.0 ** (1 - m)
    step = 2.0**-16
    x = np.array([halfway - step, halfway, largest, largest + step]) * 2.0**place
    even, ceil = (
        golden.quantize(x[:, None], bfp(m + 1, 1), scale_rule=rule).exponents[:, 0] for rule in ("even", "ceil")
    )
    assert (even - place - 1).tolist() == [0, 1, 0, 0]
    assert (ceil - place - 1).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("fmt", [bfp(2, 8), bfp(4, 8), bfp(16, 8), msfp(3, 8)], ids=lambda fmt: fmt.name)
def test_default_conversion_is_idempotent(fmt):
    x = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    once = golden.quantize(x, fmt)
    twice = golden.quantize(once.dequantize(), fmt)
    nonzero = once.mantissas.any(axis=-1)
    assert np.array_equal(once.dequantize(), twice.dequantize())
    assert np.array_equal(once.scales[nonzero], twice.scales[nonzero])


def test_floor_conversions_dequantize_exactly():
    """formats.md 0.6: what the default converter makes from FP32 is always an FP32."""
    for top in range(255):
        row = floats([top << 23 | 0x7FFFFF, 0x80000000 | top << 23, max(top - 3, 0) << 23 | 0x155555, 1])
        q = golden.quantize(row, bfp(16, 4))
        exact = [Fraction(m) * Fraction(2) ** int(q.exponents[0] - 15) for m in q.mantissas[0].tolist()]
        assert [Fraction(float(y)) for y in q.dequantize()] == exact


def test_input_types_agree():
    x = np.array([[1.5, -0.25, 3.0, 0.0], [2.0**-14, 1.0, -5.5, 0.125]])
    expected = golden.quantize(x.astype(np.float32), "bfp6x3").to_bits().tolist()
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float64, ">f4", ">f8"):
        assert golden.quantize(x.astype(dtype), "bfp6x3").to_bits().tolist() == expected
    assert golden.quantize(x.tolist(), "bfp6x3").to_bits().tolist() == expected


def test_float64_is_rounded_to_fp32_first():
    """What lies just above a tie becomes the tie in FP32 and then goes to even; rounded at once it would go up."""
    above_tie = 0.25 + 2.0**-50  # FP32 0.25, half of the last place of a bfp3 block of maximum 1
    assert golden.quantize([1.0, above_tie], bfp(3, 2)).mantissas.tolist() == [[2, 0]]
    assert golden.quantize([1.0, 0.25 + 2.0**-25], bfp(3, 2)).mantissas.tolist() == [[2, 1]]
    assert golden.quantize([1e300, 1.0], bfp(3, 2)).poison.tolist() == [True]


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_poison_stays_in_its_block(special):
    x = np.ones(12, np.float32)
    x[5] = special
    q = golden.quantize(x, "bfp4x4")
    assert q.poison.tolist() == [False, True, False]
    assert q.scales.tolist() == [1, 0x1FF, 1]
    assert q.codes[1].tolist() == [0, 0, 0, 0]
    assert patterns(q.dequantize()) == [0x3F800000] * 4 + [0x7FC00000] * 4 + [0x3F800000] * 4


def test_zero_has_no_sign():
    q = golden.quantize([-0.0, -0.01, 1.0], "bfp4x3")
    assert q.codes.tolist() == [[0, 0, 4]]
    assert patterns(q.dequantize()) == [0, 0, 0x3F800000]
    assert golden.quantize([-0.0, 0.0], "bfp4x2").scales.tolist() == [0x200]


@pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.complex64, object, "U1"])
def test_other_dtypes_are_errors(dtype):
    with pytest.raises(TypeError, match="float16, bfloat16, float32, float64 wanted"):
        golden.quantize(np.zeros(4, dtype), "bfp4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.float32(1)}, "at least one axis"),
        ({"x": np.zeros((3, 0), np.float32)}, "at least one axis and one element"),
        ({"axis": 2}, r"axis 2: -2\.\.1"),
        ({"axis": -3}, r"axis -3: -2\.\.1"),
        ({"fmt": "bfp4x65x2"}, "unknown format"),
        ({"rounding": "up"}, "up"),
        ({"scale_rule": "middle"}, "middle"),
        ({"rounding": "sr"}, "needs random"),
        ({"rounding": "sr", "random": np.zeros((4, 4), np.uint8)}, "shape"),
        ({"rounding": "sr", "random": np.zeros((2, 4), np.uint8), "random_bits": 9}, r"1\.\.8"),
        ({"rounding": "sr", "random": np.full((2, 4), 16, np.uint8), "random_bits": 4}, "must fit"),
        ({"fmt": msfp(3), "scale_rule": "emulator"}, "for bfp formats"),
    ],
)
def test_bad_arguments(arguments, message):
    defaults = {"x": np.zeros((2, 4), np.float32), "fmt": "bfp4"}
    with pytest.raises(ValueError, match=message) as error:
        golden.quantize(**defaults | arguments)
    assert "\n" not in str(error.value)


def test_random_words_are_unsigned():
    with pytest.raises(TypeError, match="unsigned words"):
        golden.quantize(np.zeros(4, np.float32), "bfp4", rounding="sr", random=np.zeros(4, np.int8))
