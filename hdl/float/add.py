"""Adding two raw numbers: alignment and the exact sum, ready for the rounder; and the adder of two floats."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import shift_right_sticky
from hdl.float.raw import FP32, GUARDED, Normalize, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["AddFloat", "AddMagnitudes", "AlignOperands"]


class AlignOperands(wiring.Component):
    """Order two raw numbers by magnitude and shift the smaller one right to the larger's exponent.

    Operand b has `b_bits` bits: its precision plus a guard and a sticky bit; a, without them, has no more. The smaller
    one gets one bit more below, so that after a cancellation by one place its sticky bit still lies below the guard.
    """

    def __init__(self, a_bits: int, b_bits: int, biased_bits: int) -> None:
        self._pad = b_bits - a_bits
        super().__init__(
            {
                "a_sign": In(1),
                "a_biased": In(biased_bits),
                "a_significand": In(a_bits),
                "b_sign": In(1),
                "b_biased": In(biased_bits),
                "b_significand": In(b_bits),
                "large": Out(b_bits),
                "small": Out(b_bits + 1),
                "biased": Out(biased_bits),
                "sign": Out(1),
                "subtract": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a_significand = Cat(Const(0, self._pad), self.a_significand)
        # Exponent above significand orders raw numbers: at biased 0 the significand decides, above it the top bit is
        # set, and a zero has biased 0.
        swap = Signal()
        m.d.comb += swap.eq(Cat(self.b_significand, self.b_biased) > Cat(a_significand, self.a_biased))

        small = Signal(len(self.b_significand))
        distance = Signal(len(self.a_biased))
        m.d.comb += [
            self.large.eq(Mux(swap, self.b_significand, a_significand)),
            self.biased.eq(Mux(swap, self.b_biased, self.a_biased)),
            self.sign.eq(Mux(swap, self.b_sign, self.a_sign)),
            self.subtract.eq(self.a_sign ^ self.b_sign),
            small.eq(Mux(swap, a_significand, self.b_significand)),
            distance.eq(Mux(swap, self.b_biased - self.a_biased, self.a_biased - self.b_biased)),
            self.small.eq(shift_right_sticky(m, Cat(Const(0, 1), small), distance, name="aligned")),
        ]
        return m


class AddMagnitudes(wiring.Component):
    """2 * large +- small, as AlignOperands leaves them. Zero is positive.

    The sum of two numbers of width + 1 bits has width + 2; its top bit weighs 2^(biased + 1 - 126).
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            {
                "large": In(width),
                "small": In(width + 1),
                "sign": In(1),
                "subtract": In(1),
                "total": Out(width + 2),
                "total_sign": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        large = Cat(Const(0, 1), self.large)
        m.d.comb += [
            self.total.eq(Mux(self.subtract, large - self.small, large + self.small)),
            self.total_sign.eq(self.sign & self.total.any()),
        ]
        return m


class AddFloat(wiring.Component):
    """a + b to nearest, ties to even: IEEE 754, gradual underflow, one canonical NaN. Combinational.

    An exact zero is positive, unless both operands are negative zeros. Infinities of both signs give NaN.
    """

    def __init__(self, layout: FloatLayout = FP32) -> None:
        self._layout = layout
        super().__init__({"a": In(layout), "b": In(layout), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, biased_bits = self._layout.significand_bits, self._layout.exponent_bits
        a, b = unpack_float(m, self.a, name="a"), unpack_float(m, self.b, name="b")
        m.submodules.align = align = AlignOperands(bits, bits + GUARDED, biased_bits)
        m.d.comb += [
            align.a_sign.eq(a.sign),
            align.a_biased.eq(a.biased),
            align.a_significand.eq(a.significand),
            align.b_sign.eq(b.sign),
            align.b_biased.eq(b.biased),
            align.b_significand.eq(Cat(Const(0, GUARDED), b.significand)),
        ]
        m.submodules.add = add = AddMagnitudes(bits + GUARDED)
        m.d.comb += [getattr(add, name).eq(getattr(align, name)) for name in ("large", "small", "sign", "subtract")]
        # One bit more than the operands, one binade up.
        m.submodules.normalize = normalize = Normalize(len(add.total), biased_bits + 1)
        m.d.comb += [normalize.magnitude.eq(add.total), normalize.biased.eq(align.biased + 1)]
        m.submodules.round = rounder = RoundFloat(len(add.total), biased_bits + 1, self._layout)
        infinity = a.infinity | b.infinity
        m.d.comb += [
            rounder.biased.eq(normalize.biased_out),
            rounder.significand.eq(normalize.significand),
            rounder.sign.eq(Mux(infinity, Mux(a.infinity, a.sign, b.sign), add.total_sign | (a.sign & b.sign))),
            rounder.infinity.eq(infinity),
            rounder.nan.eq(a.nan | b.nan | (a.infinity & b.infinity & align.subtract)),
            self.value.eq(rounder.value),
        ]
        return m
