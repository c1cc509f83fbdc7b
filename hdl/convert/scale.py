"""From a block's peak to its shared exponent."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, ScaleRule
from hdl.arith.bits import leading_zeros
from hdl.layouts import FloatLayout

__all__ = ["SharedExponent"]


class SharedExponent(wiring.Component):
    """Stored exponent of a block: e(peak) - emax, one more where the scale rule says so, clamped (formats.md 0.7, 0.8).

    Input `peak` as `find_peak` gives it, `poison` where the block held a NaN or an infinity. A zero peak gives the
    lowest exponent, poison the reserved code. Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, rule: ScaleRule) -> None:
        self._source, self._format, self._rule = source, fmt, rule
        super().__init__(
            {
                "peak": In(source.exponent_bits + source.fraction_bits),
                "poison": In(1),
                "exponent": Out(signed(fmt.scale.bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source, scale = self._source, self._format.scale
        fraction = Signal(source.fraction_bits)
        field = Signal(source.exponent_bits)
        subnormal = Signal()
        m.d.comb += [
            fraction.eq(self.peak),
            field.eq(self.peak[source.fraction_bits :]),
            subnormal.eq(field == 0),
        ]
        zeros = leading_zeros(m, fraction, name="leading")

        # e(peak) runs from that of the smallest subnormal, -bias - (fraction_bits - 1) (one less for a zero peak, which
        # is replaced below), to that of the largest finite number.
        low = -source.bias - source.fraction_bits - self._format.element.emax
        high = (1 << source.exponent_bits) - 2 - source.bias - self._format.element.emax + 1
        wanted = Signal(Shape.cast(range(low, high + 1)))
        steps = Mux(subnormal, zeros, 0)
        bump = self._bump(m, fraction, subnormal, zeros)
        m.d.comb += wanted.eq(field - steps + bump - (source.bias + self._format.element.emax))

        with m.If(self.poison):
            m.d.comb += self.exponent.eq(scale.highest + 1)
        with m.Elif(~self.peak.any()):
            m.d.comb += self.exponent.eq(scale.lowest)
        with m.Elif(wanted < scale.lowest if low < scale.lowest else 0):
            m.d.comb += self.exponent.eq(scale.lowest)
        with m.Elif(wanted > scale.highest if high > scale.highest else 0):
            m.d.comb += self.exponent.eq(scale.highest)
        with m.Else():
            m.d.comb += self.exponent.eq(wanted)
        return m

    def _bump(self, m: Module, fraction: Signal, subnormal: Signal, zeros: Signal) -> Value | int:
        """Whether the rule takes the next exponent: where the largest element, all ones, is exceeded or rounded past.

        With p significand bits the largest element has p - 1 ones below its leading one. `ceil`: any bit below those
        is set. `even`: they make up half a unit or more, as a tie goes to the even side, up.
        """
        ones = self._format.element.precision - 1
        if self._rule is ScaleRule.FLOOR or ones >= len(fraction):
            return 0
        normalized, significand, bump = Signal.like(fraction), Signal(len(fraction) + 1), Signal()
        m.d.comb += normalized.eq(fraction << zeros)
        m.d.comb += significand.eq(Mux(subnormal, Cat(Const(0, 1), normalized), Cat(fraction, Const(1, 1))))
        top, rest = significand[len(fraction) - ones :], significand[: len(fraction) - ones]
        half = 1 << len(rest) - 1
        m.d.comb += bump.eq(top.all() & (rest.any() if self._rule is ScaleRule.CEIL else rest >= half))
        return bump
