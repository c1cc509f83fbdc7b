"""From the peak of a block to its shared exponent."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, ScaleRule
from hdl.convert.normal import normalize_float
from hdl.convert.reference import Geometry

__all__ = ["PeakExponent", "clamp_exponent"]


class PeakExponent(wiring.Component):
    """The exponent that a block's peak asks for: e(peak) - emax, or the next by its scale rule (formats.md 0.7).

    Inputs as `find_peak` has them; `zero` where it is zero, and then `wanted` means nothing. Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = g = geometry
        emax = g.fmt.element.emax
        lowest, highest = (
            -g.source.bias - g.peak_fraction_bits - emax,
            (1 << g.source.exponent_bits) - g.source.bias - emax,
        )
        super().__init__(
            {
                "fraction": In(g.peak_fraction_bits),
                "field": In(g.source.exponent_bits),
                "wanted": Out(Shape.cast(range(lowest, highest + 1))),
                "zero": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self._geometry
        exponent: Value = self.field - g.source.bias
        significand: Value = Cat(self.fraction, Const(1, 1))
        if g.flush or not g.peak_fraction_bits:
            m.d.comb += self.zero.eq(self.field == 0)
        else:
            peak = normalize_float(m, self.field, self.fraction, g.source, name="peak")
            exponent, significand = peak.exponent, peak.significand
            m.d.comb += self.zero.eq(~Cat(self.fraction, self.field).any())
        m.d.comb += self.wanted.eq(exponent + self._bump(m, significand) - g.fmt.element.emax)
        return m

    def _bump(self, m: Module, significand: Value) -> Value | int:
        """Whether the rule takes the next exponent.

        `ceil`: the significand is above that of the largest element, which would clip. `even`: rounded to the element's
        precision it carries, so its top bits are all ones and the rest is half a unit or more, a tie going up to even.
        """
        element, rule, bits = self._geometry.fmt.element, self._geometry.rule, len(significand)
        bump = Signal()
        if rule is ScaleRule.CEIL:
            largest = element.max_integer >> element.max_integer.bit_length() - element.precision
            pad = max(element.precision - bits, 0)
            limit = largest << bits + pad - element.precision
            if (1 << bits) - 1 << pad > limit:  # else no source value is that large
                m.d.comb += bump.eq(Cat(Const(0, pad), significand) > limit)
        elif rule is ScaleRule.EVEN and element.precision < bits:
            rest = significand[: bits - element.precision]
            m.d.comb += bump.eq(significand[len(rest) :].all() & (rest >= 1 << len(rest) - 1))
        return bump


def clamp_exponent(m: Module, peak: PeakExponent, poison: Value, fmt: BlockFormat) -> Signal:
    """A block's shared exponent, as the number behind the stored code (formats.md 0.8).

    Clamped to the scale's range, the lowest for an all-zero block, and one above the highest for a poisoned one: that
    is what the reserved code decodes to.
    """
    scale, wanted = fmt.scale, peak.wanted
    reach = wanted.shape()
    exponent = Signal(signed(max(scale.bits + 1, reach.width)), name="shared_exponent")
    low_possible = -(1 << reach.width - 1) < scale.lowest
    high_possible = (1 << reach.width - 1) - 1 > scale.highest
    with m.If(poison):
        m.d.comb += exponent.eq(scale.highest + 1)
    with m.Elif(peak.zero | (wanted < scale.lowest if low_possible else 0)):
        m.d.comb += exponent.eq(scale.lowest)
    with m.Elif(wanted > scale.highest if high_possible else 0):
        m.d.comb += exponent.eq(scale.highest)
    with m.Else():
        m.d.comb += exponent.eq(wanted)
    return exponent
