"""The one rounder: raw number to FP32, to nearest, ties to even."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.float.raw import FP32, SIGNIFICAND

__all__ = ["CANONICAL_NAN", "RoundFP32"]

CANONICAL_NAN = 0x7FC00000
_INFINITY = 0x7F800000


class RoundFP32(wiring.Component):
    """Raw number to FP32 with one RNE: gradual underflow, overflow to infinity, NaN always 0x7FC00000.

    The result of a zero significand is a zero of the given sign. Combinational.
    """

    def __init__(self, significand_bits: int, biased_bits: int) -> None:
        super().__init__(
            {
                "sign": In(1),
                "biased": In(biased_bits),
                "significand": In(significand_bits),
                "infinity": In(1),
                "nan": In(1),
                "value": Out(FP32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = self.significand[-SIGNIFICAND:]
        dropped = self.significand[:-SIGNIFICAND]
        normal = kept[-1]
        round_up = Signal()
        m.d.comb += round_up.eq(dropped[-1] & (dropped[:-1].any() | kept[0]))

        # The top bit of `kept` adds 1 to the exponent field: a normal number gets biased + 1, a subnormal 0, and a
        # carry out of the fraction moves into the next binade, into the normals, or from FP32's maximum to infinity.
        packed = Signal(8 + SIGNIFICAND - 1)  # a normal number that overflows is replaced below
        field = Mux(normal, self.biased[:8], 0)
        m.d.comb += packed.eq(Cat(Const(0, SIGNIFICAND - 1), field) + kept + round_up)
        # biased = 253 is FP32's top binade.
        overflow = normal & (self.biased > 253)

        magnitude = Signal(31)
        m.d.comb += [
            magnitude.eq(Mux(self.infinity | overflow, _INFINITY, packed)),
            self.value.eq(Mux(self.nan, CANONICAL_NAN, Cat(magnitude, self.sign))),
        ]
        return m
