"""From the peak of a block, or of a pair in it, to shared exponent and microexponents."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, ScaleRule
from hdl.convert.normal import Normal, normalize_float
from hdl.layouts import FloatLayout

__all__ = ["GroupExponent", "clamp_exponent", "microexponent"]


class GroupExponent(wiring.Component):
    """The exponent that a group's peak asks for: e(peak) - emax, or the next by its scale rule (formats.md 0.7).

    Input as `find_peak` gives it; `zero` where it is zero, and then `wanted` means nothing. Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, rule: ScaleRule) -> None:
        self._source, self._format, self._rule = source, fmt, rule
        emax = fmt.element.emax
        lowest, highest = -source.bias - source.fraction_bits - emax, (1 << source.exponent_bits) - source.bias - emax
        super().__init__(
            {
                "peak": In(source.exponent_bits + source.fraction_bits),
                "wanted": Out(Shape.cast(range(lowest, highest + 1))),
                "zero": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fraction, field = self.peak[: self._source.fraction_bits], self.peak[self._source.fraction_bits :]
        peak = normalize_float(m, field, fraction, self._source, name="peak")
        m.d.comb += [
            self.zero.eq(~self.peak.any()),
            self.wanted.eq(peak.exponent + self._bump(m, peak) - self._format.element.emax),
        ]
        return m

    def _bump(self, m: Module, peak: Normal) -> Value | int:
        """Whether the rule takes the next exponent.

        `ceil`: the significand is above that of the largest element, which would clip. `even`: rounded to the element's
        precision it carries, so its top bits are all ones and the rest is half a unit or more, a tie going up to even.
        """
        element, bits = self._format.element, len(peak.significand)
        bump = Signal()
        if self._rule is ScaleRule.CEIL:
            largest = element.max_integer >> element.max_integer.bit_length() - element.precision
            pad = max(element.precision - bits, 0)
            limit = largest << bits + pad - element.precision
            if (1 << bits) - 1 << pad > limit:  # else no source value is that large
                m.d.comb += bump.eq(Cat(Const(0, pad), peak.significand) > limit)
        elif self._rule is ScaleRule.EVEN and element.precision < bits:
            rest = peak.significand[: bits - element.precision]
            m.d.comb += bump.eq(peak.significand[len(rest) :].all() & (rest >= 1 << len(rest) - 1))
        return bump


def clamp_exponent(m: Module, group: GroupExponent, poison: Value, fmt: BlockFormat) -> Signal:
    """A block's shared exponent, as the number behind the stored code (formats.md 0.8).

    Clamped to the scale's range, the lowest for an all-zero block, and one above the highest for a poisoned one: that
    is what the reserved code decodes to.
    """
    scale, wanted = fmt.scale, group.wanted
    reach = wanted.shape()
    exponent = Signal(signed(max(scale.bits + 1, reach.width)), name="shared_exponent")
    low_possible = -(1 << reach.width - 1) < scale.lowest
    high_possible = (1 << reach.width - 1) - 1 > scale.highest
    with m.If(poison):
        m.d.comb += exponent.eq(scale.highest + 1)
    with m.Elif(group.zero | (wanted < scale.lowest if low_possible else 0)):
        m.d.comb += exponent.eq(scale.lowest)
    with m.Elif(wanted > scale.highest if high_possible else 0):
        m.d.comb += exponent.eq(scale.highest)
    with m.Else():
        m.d.comb += exponent.eq(wanted)
    return exponent


def microexponent(
    m: Module, pair: GroupExponent, exponent: Value, poison: Value, fmt: BlockFormat, *, name: str
) -> Signal:
    """How far a pair lies below its block, 0..2^d2 - 1, which a zero pair takes (formats.md 2.2); 0 under poison."""
    reach = 1 << len(pair.wanted) - 1  # `wanted` lies in -reach..reach - 1
    lowest, highest = fmt.scale.lowest - reach + 1, fmt.scale.highest + 1 + reach
    below = Signal(Shape.cast(range(lowest, highest + 1)), name=f"{name}_below")
    t = Signal(fmt.microexponent_bits, name=f"{name}_microexponent")
    m.d.comb += below.eq(exponent - pair.wanted)
    with m.If(poison):
        m.d.comb += t.eq(0)
    with m.Elif(pair.zero | (below > fmt.max_microexponent)):
        m.d.comb += t.eq(fmt.max_microexponent)
    with m.Elif(below > 0):
        m.d.comb += t.eq(below)
    return t
