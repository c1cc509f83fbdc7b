"""Adding two raw numbers: alignment and the exact sum, ready for the rounder."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import shift_right_sticky

__all__ = ["AddMagnitudes", "AlignOperands"]


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
