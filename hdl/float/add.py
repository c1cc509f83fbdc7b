"""Adding two raw numbers: alignment and the exact sum, ready for the rounder."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import shift_right_sticky

__all__ = ["AddMagnitudes", "AlignOperands"]


class AlignOperands(wiring.Component):
    """Order two raw numbers by magnitude and shift the smaller one right to the larger's exponent.

    Operands have `width` bits: their precision plus a guard and a sticky bit. One zero bit is appended, so that after
    a cancellation by one place the sticky bit still lies below the guard.
    """

    def __init__(self, width: int, biased_bits: int) -> None:
        operand = {"sign": In(1), "biased": In(biased_bits), "significand": In(width)}
        super().__init__(
            {f"{name}_{port}": member for name in ("a", "b") for port, member in operand.items()}
            | {
                "large": Out(width + 1),
                "small": Out(width + 1),
                "biased": Out(biased_bits),
                "sign": Out(1),
                "subtract": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Exponent above significand orders raw numbers: below biased 0 there is none, above it the top bit is set or
        # the number is a zero, which no order can spoil.
        a_key = Cat(self.a_significand, self.a_biased)
        b_key = Cat(self.b_significand, self.b_biased)
        swap = Signal()
        m.d.comb += swap.eq(b_key > a_key)

        small = Signal(len(self.a_significand))
        distance = Signal(len(self.a_biased))
        m.d.comb += [
            self.large.eq(Cat(Const(0, 1), Mux(swap, self.b_significand, self.a_significand))),
            self.biased.eq(Mux(swap, self.b_biased, self.a_biased)),
            self.sign.eq(Mux(swap, self.b_sign, self.a_sign)),
            self.subtract.eq(self.a_sign ^ self.b_sign),
            small.eq(Mux(swap, self.a_significand, self.b_significand)),
            distance.eq(Mux(swap, self.b_biased - self.a_biased, self.a_biased - self.b_biased)),
            self.small.eq(shift_right_sticky(m, Cat(Const(0, 1), small), distance, name="aligned")),
        ]
        return m


class AddMagnitudes(wiring.Component):
    """large +- small: one bit wider for the carry, so its top bit weighs 2^(biased + 1 - 126). Zero is positive."""

    def __init__(self, width: int) -> None:
        super().__init__(
            {
                "large": In(width),
                "small": In(width),
                "sign": In(1),
                "subtract": In(1),
                "total": Out(width + 1),
                "total_sign": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.total.eq(Mux(self.subtract, self.large - self.small, self.large + self.small)),
            self.total_sign.eq(self.sign & self.total.any()),
        ]
        return m
