"""The one rounder: raw number to a float, to nearest, ties to even."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.float.raw import FP32
from hdl.layouts import FloatLayout

__all__ = ["RoundFloat"]


class RoundFloat(wiring.Component):
    """Raw number to FP32 (or `target`) with one RNE: gradual underflow, overflow to infinity, one canonical NaN.

    Where the target has no infinity (OCP E4M3), overflow gives NaN. The result of a zero significand is a zero of the
    given sign. Combinational.
    """

    def __init__(self, significand_bits: int, biased_bits: int, target: FloatLayout = FP32) -> None:
        self._target = target
        super().__init__(
            {
                "sign": In(1),
                "biased": In(biased_bits),
                "significand": In(significand_bits),
                "infinity": In(1),
                "nan": In(1),
                "value": Out(target),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        target = self._target
        kept = self.significand[-target.significand_bits :]
        dropped = self.significand[: -target.significand_bits]
        normal = kept[-1]
        round_up = Signal()
        m.d.comb += round_up.eq(dropped[-1] & (dropped[:-1].any() | kept[0]))

        # The top bit of `kept` adds 1 to the exponent field: a normal number gets biased + 1, a subnormal 0, and a
        # carry out of the fraction moves into the next binade, into the normals, or from the maximum to infinity.
        packed = Signal(target.size - 1)  # a normal number that overflows is replaced below
        field = Mux(normal, self.biased[: target.exponent_bits], 0)
        m.d.comb += packed.eq(Cat(Const(0, target.fraction_bits), field) + kept + round_up)
        overflow = normal & (self.biased > target.top_binade)
        nan: Value = self.nan
        if target.finite:
            # Only the top code is no number. Rounding reaches it, or passes it by one: then the carry is lost.
            nan = (
                nan | self.infinity | overflow | packed.all() | normal & (self.biased == target.top_binade) & kept.all()
            )

        magnitude = Signal(target.size - 1)
        m.d.comb += [
            magnitude.eq(Mux(self.infinity | overflow, target.infinity, packed)),
            self.value.eq(Mux(nan, target.nan, Cat(magnitude, self.sign))),
        ]
        return m
