"""The multiplier of floats in Amaranth's simulator, against NumPy's IEEE arithmetic and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.float.multiply import MultiplyFloat, MultiplyRaw
from hdl.layouts import FloatLayout

# signs of zero, subnormals, 1 and its neighbours, factors of the least normal number, FLT_MAX, infinities and NaN
CORNERS = [
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x00000003, 0x007FFFFF, 0x807FFFFF, 0x00400000, 0x00800000,
    0x80800001, 0x00FFFFFF, 0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001, 0x3FFFFFFF, 0x3F000000, 0xBF000000,
    0x33800000, 0x34000000, 0x1FFFFFFF, 0x20000000, 0x20000001, 0x5F800000, 0x5F7FFFFF, 0x7F7FFFFF, 0xFF7FFFFF,
    0x7F000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF,
]  # fmt: skip


def products(dut, pairs):
    got = []

    async def bench(ctx):
        for a, b in pairs:
            ctx.set(dut.a.as_value(), int(a))
            ctx.set(dut.b.as_value(), int(b))
            got.append(ctx.get(dut.value.as_value()))

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    return got


def test_fp32_products_are_those_of_ieee():
    rng = np.random.default_rng(4)
    wide = rng.integers(1 << 32, size=(600, 2), dtype=np.uint64)
    # products around the subnormals: exponent fields that add up to a little more or less than the bias
    field = rng.integers(0, 160, 800)
    fields = np.stack([field, np.clip(127 - field + rng.integers(-28, 6, 800), 0, 254)], axis=1)
    low = fields << 23 | rng.integers(0, 1 << 23, (800, 2)) | rng.integers(0, 2, (800, 2)) << 31
    # short significands, whose products are exact or ties
    short = rng.integers(1, 1 << 13, (400, 2)) << rng.integers(0, 11, (400, 2)) & 0x7FFFFF | fields[:400] << 23
    pairs = np.array([(a, b) for a in CORNERS for b in CORNERS], np.uint64)
    pairs = np.concatenate([pairs, wide, low.astype(np.uint64), short.astype(np.uint64)]).astype(np.uint32)
    with np.errstate(all="ignore"):
        product = pairs[:, 0].view(np.float32) * pairs[:, 1].view(np.float32)
    expected = np.where(np.isnan(product), np.uint32(0x7FC00000), product.view(np.uint32))
    got = np.array(products(MultiplyFloat(), pairs), np.uint32)
    assert np.array_equal(got, expected), [hex(x) for x in pairs[np.argmax(got != expected)]]


def value(layout, code):
    """A finite code as a Fraction."""
    field, fraction = divmod(code % (1 << layout.size - 1), 1 << layout.fraction_bits)
    significand = fraction + (bool(field) << layout.fraction_bits)
    return significand * Fraction(2) ** (max(field, 1) - layout.bias - layout.fraction_bits)


def nearest(layout, exact):
    """Code of a magnitude, ties to even: among all codes in order, the even one of two equally near."""
    codes = range(layout.infinity + 1)  # infinity stands one step above the largest number
    return min(codes, key=lambda c: (abs(value(layout, c) - exact), c & 1))


def multiplied(layout, a, b):
    """The product by definition."""
    sign = (a ^ b) >> layout.size - 1 << layout.size - 1
    a, b = (x % (1 << layout.size - 1) for x in (a, b))
    if max(a, b) > layout.infinity or (max(a, b) == layout.infinity and 0 in (a, b)):
        return layout.nan
    return sign | (
        layout.infinity if max(a, b) == layout.infinity else nearest(layout, value(layout, a) * value(layout, b))
    )


def test_every_pair_of_a_small_float():
    layout = FloatLayout("e4m2", 4, 2)
    magnitudes = range(1 << layout.size - 1)
    pairs = [(a | (a & 1) << layout.size - 1, b) for a in magnitudes for b in magnitudes]
    assert products(MultiplyFloat(layout), pairs) == [multiplied(layout, a, b) for a, b in pairs]


def test_a_float_whose_subnormals_multiply_to_numbers_is_refused():
    with pytest.raises(ValueError, match="bias 3 with 4 fraction bits; at least 6"):
        MultiplyRaw(FloatLayout("e3m4", 3, 4))
