"""Rounding and FP32: vectorised against scalar, and both against NumPy's own IEEE arithmetic."""

import decimal
import itertools

import numpy as np
import pytest
from golden_support import CORNERS, NAN, ROUNDINGS, floats, patterns
from hypothesis import example, given
from hypothesis import strategies as st

from golden import emulator, reference
from golden.formats import Rounding
from golden.rounding import canonical_nan, power_of_two, round_magnitude, to_fp32, unpack_fp32

SIGNED_CORNERS = [x | sign for x in CORNERS for sign in (0, 1 << 31)]


@given(
    st.integers(0, (1 << 24) - 1), st.integers(-400, 38), ROUNDINGS, st.sampled_from([1, 5, 8, 16, 32, 64]), st.data()
)
def test_round_magnitude_equals_scalar(magnitude, shift, rounding, word_bits, data):
    if data.draw(st.booleans()):
        shift = data.draw(st.integers(-30, 2))
    word = data.draw(st.integers(0, (1 << word_bits) - 1))
    vector = round_magnitude(np.array([magnitude]), np.array([shift]), rounding, np.array([word], np.uint64), word_bits)
    assert vector.tolist() == [reference.round_magnitude(magnitude, shift, rounding, word, word_bits)]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        # quarters 0, 0.25, ... 3.5: the ties are 0.5, 1.5, 2.5 and 3.5
        (Rounding.RNE, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4]),
        (Rounding.RNA, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4]),
        (Rounding.RTZ, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]),
    ],
)
def test_modes_on_quarters(rounding, expected):
    quarters = np.arange(15)
    assert round_magnitude(quarters, np.full(15, -2), rounding).tolist() == expected
    assert [reference.round_magnitude(q, -2, rounding) for q in range(15)] == expected


@pytest.mark.parametrize("shift", [-1, -3, -8, -9, -11])
def test_stochastic_rounding_goes_up_as_often_as_the_fraction_says(shift):
    """Over all 256 words a magnitude goes up floor(fraction * 256) times: exactly, and without a word never."""
    words = np.arange(256, dtype=np.uint8)
    for magnitude in (0, 1, 2, 5, 7, 255, 256, 1023, 2047, 4095):
        rounded = round_magnitude(np.full(256, magnitude), np.full(256, shift), Rounding.SR, words, 8)
        whole, fraction = divmod(magnitude, 1 << -shift)
        assert (rounded - whole).sum() == fraction * 256 >> -shift
        assert rounded[0] == whole


def test_stochastic_rounding_without_words_is_an_error():
    with pytest.raises(ValueError, match="random words"):
        round_magnitude(np.array([1]), np.array([0]), Rounding.SR)


def test_unpack_is_exact():
    finite = [x for x in SIGNED_CORNERS if x & 0x7FFFFFFF < 0x7F800000]
    sign, significand, exponent = unpack_fp32(np.array(finite, np.uint32))
    values = np.where(sign, -significand, significand) * power_of_two(exponent)
    assert values.tolist() == floats(finite).astype(np.float64).tolist()
    assert sign.tolist() == np.signbit(floats(finite)).tolist()


@given(st.integers(-(1 << 62), 1 << 62), st.integers(-1100, 1100), st.integers(0, 62))
@example(1, -150, 0)  # half the least subnormal, a tie to zero
@example(-3, -150, 0)
@example((1 << 25) - 1, 104, 0)  # rounds up into overflow
@example((1 << 25) - 2, 103, 0)  # FLT_MAX
@example((1 << 54) + (1 << 30) + 1, 0, 0)  # a tie but for its last bit, beyond 53 bits
@example(-(1 << 54) - (1 << 30), 0, 0)
def test_to_fp32_equals_scalar(integer, exponent, narrower):
    integer = integer >> narrower if integer >= 0 else -(-integer >> narrower)
    assert patterns(to_fp32(integer, exponent)) == [reference.to_fp32(integer, exponent)]


@given(st.integers(-(1 << 53), 1 << 53), st.integers(-220, 120))
def test_scalar_to_fp32_equals_the_cast_of_numpy(integer, exponent):
    with np.errstate(over="ignore"):
        expected = np.float32(np.ldexp(np.float64(integer), exponent))  # exact in float64, then one rounding
    assert [reference.to_fp32(integer, exponent)] == patterns(expected)


def numpy_add(x, y):
    with np.errstate(over="ignore", invalid="ignore"):
        total = floats(x) + floats(y)
    return np.where(np.isnan(total), np.uint32(NAN), total.view(np.uint32)).tolist()


def test_scalar_add_equals_numpy_on_corners():
    x, y = zip(*itertools.product(SIGNED_CORNERS, repeat=2), strict=True)
    assert [reference.fp32_add(*pair) for pair in zip(x, y, strict=True)] == numpy_add(x, y)


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.integers(-30, 30))
def test_scalar_add_equals_numpy(x, y, distance):
    near = (x & 0x7F800000) + (distance << 23)  # two random patterns seldom have exponents that meet
    for other in (y, (y & 0x807FFFFF) | min(max(near, 0), 0x7F800000), x ^ 1 << 31):
        assert [reference.fp32_add(x, other)] == numpy_add([x], [other])


def test_every_nan_becomes_the_one():
    assert patterns(canonical_nan(floats([0xFFC00000, 0x7F800001, 0x80000000, 0xFF800000]))) == [
        *(NAN, NAN),
        *(0x80000000, 0xFF800000),
    ]


@pytest.mark.parametrize("k", emulator.EXPONENTS)
def test_emulator_limits_follow_from_the_logarithm(k):
    """The limit is the last fraction whose log2, rounded to FP32, is k itself (with 60 decimal digits)."""
    decimal.getcontext().prec = 60
    two = decimal.Decimal(2)

    def rounded_to_k(j):
        logarithm = k + (1 + decimal.Decimal(j) / (1 << 23)).ln() / two.ln()
        scaled = int((logarithm * (two**200)).to_integral_value())
        return reference.to_fp32(scaled, -200) == reference.to_fp32(k, 0)

    limit = emulator.fraction_limit(k)
    assert rounded_to_k(limit)
    assert not rounded_to_k(limit + 1)
