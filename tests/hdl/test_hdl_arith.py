"""Leaves in Amaranth's simulator against plain Python and NumPy's IEEE arithmetic."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.sim import Simulator

from hdl.arith.bits import leading_zeros, shift_right_sticky
from hdl.arith.xorshift import XorshiftLanes
from hdl.convert.shift import lift, lower
from hdl.float.accumulate import Accumulate
from hdl.float.raw import FP32, FixedToRaw, unpack_float
from hdl.float.round import RoundFloat


def evaluate(m, inputs, output, rows):
    """Values of a combinational output for every row of input values."""
    seen = []

    async def bench(ctx):
        for row in rows:
            for signal, value in zip(inputs, row, strict=True):
                ctx.set(signal, value)
            seen.append(ctx.get(output))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 9])
def test_leading_zeros_of_every_value(width):
    m, value = Module(), Signal(width)
    zeros = leading_zeros(m, value, name="leading")
    assert evaluate(m, [value], zeros, [(x,) for x in range(1 << width)]) == [
        width - x.bit_length() for x in range(1 << width)
    ]


@pytest.mark.parametrize(("width", "bits"), [(1, 2), (3, 1), (5, 4), (6, 3), (7, 2)])
def test_shift_right_sticky_of_every_value_and_amount(width, bits):
    m, value, amount = Module(), Signal(width), Signal(bits)
    shifted = shift_right_sticky(m, value, amount, name="shifted")
    rows = [(x, n) for x in range(1 << width) for n in range(1 << bits)]
    expected = [(x >> n) | int((x & ((1 << n) - 1)) != 0) for x, n in rows]
    assert evaluate(m, [value, amount], shifted, rows) == expected


@pytest.mark.parametrize(("width", "bits"), [(1, 1), (4, 2), (5, 3)])
def test_lower_of_every_value_and_amount(width, bits):
    m, value, amount, below = Module(), Signal(width), Signal(bits), Signal()
    kept, sticky = lower(m, value, amount, below, name="lowered")
    rows = [(x, n, s) for x in range(1 << width) for n in range(1 << bits) for s in (0, 1)]
    expected = [x >> n | (s | int((x & ((1 << n) - 1)) != 0)) << width for x, n, s in rows]
    assert evaluate(m, [value, amount, below], Cat(kept, sticky), rows) == expected


@pytest.mark.parametrize(
    ("length", "limit", "width"),
    [(5, 4, 2), (6, 3, 6), (4, 2, 1), (7, 5, 3), (4, 2, 6), (7, 1, 2), (7, 2, 1), (6, 0, 2)],
)
def test_lift_of_every_value_and_amount(length, limit, width):
    """Values whose top `amount` bits are zero, as it asks for."""
    m, value, amount = Module(), Signal(length), Signal(range(limit + 1))
    kept, sticky = lift(m, value, amount, limit, width, name="lifted")
    rows = [(x, n) for n in range(limit + 1) for x in range(1 << length - n)]
    expected = []
    for x, n in rows:
        frame = x << n << max(width - length, 0)
        cut = max(length - width, 0)
        expected.append(frame >> cut | int(frame & ((1 << cut) - 1) != 0) << width)
    assert evaluate(m, [value, amount], Cat(kept, sticky), rows) == expected


def floats(words):
    return np.array(words, np.uint32).view(np.float32)


def test_fixed_point_to_fp32_is_one_correct_rounding():
    width, exponents = 30, range(-190, 130)
    m = Module()
    m.submodules.raw = raw = FixedToRaw(width, exponents)
    m.submodules.round = rounder = RoundFloat(raw.significand_bits, raw.biased_bits)
    m.d.comb += [rounder.significand.eq(raw.significand), rounder.biased.eq(raw.biased)]
    rng = np.random.default_rng(1)
    rows = [(0, 0), (1, -150), (3, -150), (3, -151), (1, -149), ((1 << 25) - 1, -150), ((1 << 30) - 1, 98)]
    rows += [((1 << 24) - 1, 104), ((1 << 25) - 1, 103), (0x1000001, 0), (0x1000003, 0), (0x1000001, -174)]
    for _ in range(800):
        magnitude = int(rng.integers(1 << 30)) >> int(rng.integers(30))
        rows.append((magnitude, int(rng.integers(exponents[0], exponents[-1] + 1))))
    got = floats(evaluate(m, [raw.magnitude, raw.exponent], rounder.value.as_value(), rows))
    # float64 holds 30 bits at these exponents exactly, so its cast is the one rounding.
    with np.errstate(over="ignore", under="ignore"):
        expected = np.array([np.ldexp(float(x), e) for x, e in rows]).astype(np.float32)
    assert np.array_equal(got.view(np.uint32), expected.view(np.uint32))


CORNERS = [
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800000, 0x3F800000,
    0xBF800000, 0x3F7FFFFF, 0x33800000, 0x33800001, 0xB3800000, 0x4B800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x73800000,
    0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF,
]  # fmt: skip


def test_accumulator_adds_like_ieee_float32():
    rng = np.random.default_rng(2)
    near = (
        rng.integers(0x3E000000, 0x41000000, 1000, dtype=np.uint32) | rng.integers(2, size=1000, dtype=np.uint32) << 31
    )
    wide = rng.integers(1 << 32, size=1000, dtype=np.uint64).astype(np.uint32)
    pairs = [(a, b) for a in CORNERS for b in CORNERS] + list(zip(near[::2], near[1::2], strict=True))
    pairs += list(zip(wide[::2], wide[1::2], strict=True))
    m = Module()
    m.submodules.dut = dut = Accumulate(26, 8, 1)
    x = Signal(FP32)
    unpacked = unpack_float(m, x, name="x")
    m.d.comb += [
        dut.sign.eq(x.sign),
        dut.significand.eq(Cat(Const(0, 2), unpacked.significand)),
        *[getattr(dut, name).eq(getattr(unpacked, name)) for name in ("biased", "infinity", "nan")],
        dut.enable.eq(1),
        dut.i_valid.eq(1),
    ]
    got = []

    async def bench(ctx):
        for a, b in pairs:
            ctx.set(dut.first, 1)
            ctx.set(x.as_value(), int(a))
            await ctx.tick()
            ctx.set(dut.first, 0)
            ctx.set(x.as_value(), int(b))
            got.append(ctx.get(dut.value.as_value()))
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    a, b = floats([p[0] for p in pairs]), floats([p[1] for p in pairs])
    with np.errstate(all="ignore"):
        total = (np.float32(0) + a) + b
    expected = np.where(np.isnan(total), np.uint32(0x7FC00000), total.view(np.uint32))
    assert np.array_equal(np.array(got, np.uint32), expected)


def test_xorshift_words_are_those_of_the_specification(vectors):
    want = [int(word, 16) for word in vectors["sr"]["words"]]
    m = Module()
    m.submodules.dut = dut = XorshiftLanes(vectors["sr"]["lanes"], vectors["sr"]["R"], int(vectors["sr"]["seed"], 16))
    got = []

    async def bench(ctx):
        ctx.set(dut.draw, 1)
        while len(got) < len(want):
            got.extend(ctx.get(word) for word in dut.words)
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert got == want
