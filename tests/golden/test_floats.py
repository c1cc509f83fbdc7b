"""Float arithmetic on codes against NumPy (FP32, FP16), ml_dtypes (BF16, FP8) and exact fractions."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from golden.catalog import get_float
from golden.floats import accumulate, add, dot, dot_fused, float_dtype, fma, multiply, round_fraction, value

TYPES = {
    "fp32": np.dtype(np.float32),
    "fp16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
}
RNG = np.random.default_rng(20)


def pairs(fmt, count=100_000):
    """Random codes, half of them with exponents near each other's, and all pairs of corners."""
    a = RNG.integers(1 << fmt.bits, size=count)
    b = RNG.integers(1 << fmt.bits, size=count)
    near = a + (RNG.integers(-30, 30, count) << fmt.fraction_bits) & (1 << fmt.bits) - 1
    b = np.where(np.arange(count) % 2, near ^ RNG.integers(4, size=count), b)
    one = fmt.bias << fmt.fraction_bits
    corners = [0, 1, 2, 3, (1 << fmt.fraction_bits) - 1, 1 << fmt.fraction_bits, one - 1, one, one + 1]
    corners += [fmt.infinity - 1, fmt.infinity, fmt.nan]
    corners = np.array([c | s for c in corners for s in (0, fmt.sign)])
    x, y = (grid.ravel() for grid in np.meshgrid(corners, corners))
    return np.concatenate([a, x]).astype(float_dtype(fmt)), np.concatenate([b, y]).astype(float_dtype(fmt))


def canonical(values, fmt):
    codes = values.view(float_dtype(fmt))
    return np.where(np.isnan(values.astype(np.float64)), np.array(fmt.nan, float_dtype(fmt)), codes)


@pytest.mark.parametrize("name", TYPES)
def test_sums_and_products_are_those_of_the_libraries(name):
    fmt = get_float(name)
    if fmt.bits == 8:
        a, b = (grid.ravel().astype(np.uint8) for grid in np.meshgrid(np.arange(256), np.arange(256)))
    else:
        a, b = pairs(fmt)
    x, y = a.view(TYPES[name]), b.view(TYPES[name])
    with np.errstate(all="ignore"):
        assert np.array_equal(multiply(a, b, fmt), canonical(x * y, fmt))
        assert np.array_equal(add(a, b, fmt), canonical(x + y, fmt))


def by_fractions(a, b, c, fmt):
    """a * b + c of numbers by definition."""
    exact = value(a, fmt) * value(b, fmt) + value(c, fmt)
    if exact == 0:
        return fmt.sign if a & fmt.sign ^ b & fmt.sign and c & fmt.sign and not value(c, fmt) else 0
    return round_fraction(exact, fmt)


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16", "e4m3", "e5m2", "e3m4", "e2m1", "e6m9"])
def test_fused_multiply_add_is_that_of_fractions(name):
    fmt = get_float(name)
    a, b = pairs(fmt, 300)
    # c near the product, so that much cancels, or anything
    near = multiply(a, b, fmt) ^ fmt.sign ^ RNG.integers(4, size=len(a)).astype(float_dtype(fmt))
    c = np.where(RNG.integers(2, size=len(a)), near, RNG.integers(1 << fmt.bits, size=len(a)).astype(float_dtype(fmt)))
    numbers = np.ones(len(a), bool)
    for codes in (a, b, c):
        numbers &= (codes & (fmt.sign - 1)) < fmt.infinity
    got = fma(a, b, c, fmt)
    for k in np.flatnonzero(numbers):
        zero = value(int(a[k]), fmt) * value(int(b[k]), fmt)
        wanted = by_fractions(int(a[k]), int(b[k]), int(c[k]), fmt)
        if zero or value(int(c[k]), fmt):  # signs of sums of zeros: tested below
            assert got[k] == wanted, [hex(int(x[k])) for x in (a, b, c)]


def test_signs_of_zeros_and_invalid_operations():
    fmt = get_float("fp32")
    zero, minus, one, infinity = 0, fmt.sign, 0x3F800000, fmt.infinity
    a, b, c, result = np.array(
        [
            (minus, one, minus, minus),
            (minus, one, zero, zero),
            (zero, one, minus, zero),
            (one, one, one | fmt.sign, zero),
            (infinity, zero, one, fmt.nan),
            (infinity, one, infinity | fmt.sign, fmt.nan),
            (infinity, one, infinity, infinity),
            (one, one, infinity | fmt.sign, infinity | fmt.sign),
            (infinity, zero, fmt.nan, fmt.nan),
        ],
        np.uint32,
    ).T
    assert np.array_equal(fma(a, b, c, fmt), result)


def test_dot_products_round_every_step_or_once():
    fmt = get_float("fp16")
    a, b = pairs(fmt, 5 * 400)
    a, b = a[: 5 * 400].reshape(400, 5), b[: 5 * 400].reshape(400, 5)
    x, y = a.view(np.float16), b.view(np.float16)
    with np.errstate(all="ignore"):
        p = x * y
        tree = ((p[:, 0] + p[:, 1]) + (p[:, 2] + p[:, 3])) + p[:, 4]
    assert np.array_equal(dot(a, b, fmt), canonical(tree, fmt))
    numbers = (np.isfinite(x) & np.isfinite(y)).all(axis=1)
    fused = dot_fused(a, b, fmt)
    for k in np.flatnonzero(numbers):
        exact = sum(Fraction(float(s)) * Fraction(float(t)) for s, t in zip(x[k], y[k], strict=True))
        assert fused[k] == round_fraction(exact, fmt) or exact == 0
    assert np.any(fused != dot(a, b, fmt))


def test_running_sums_start_from_plus_zero():
    fmt = get_float("fp32")
    values = np.array([-0.0, 1.5, 2.0**-24, 2.0**24, -0.0, 3.0], np.float32)
    first = np.array([1, 0, 0, 0, 1, 0])
    sums = accumulate(values.view(np.uint32), first, fmt).view(np.float32)
    x = np.float32
    assert np.array_equal(sums, [x(0), x(1.5), x(1.5) + x(2.0**-24), (x(1.5) + x(2.0**-24)) + x(2.0**24), 0, 3])
    assert not np.signbit(sums[0])


@pytest.mark.parametrize("name", ["fp8", "e1m3", "e9m3", "e4m0", "e4m24"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="one of fp32"):
        get_float(name)
