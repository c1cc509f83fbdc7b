"""What every lane of a converter measures its value against: the block's top binade, as the source counts binades."""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, Rounding, ScaleRule
from hdl.layouts import FloatLayout

__all__ = ["Geometry", "Reference"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How far values of `source` lie apart in a block of `fmt`, and how many bits that takes.

    Binades are counted as the source's exponent field counts them: 1 is the lowest of normal numbers, below it are
    those that only subnormals reach. The top binade is that of the block's largest elements, shared exponent + emax.
    `flush`: subnormals count as zeros. `random_bits` is 0 unless rounding is SR.
    """

    source: FloatLayout
    fmt: BlockFormat
    rounding: Rounding
    rule: ScaleRule
    random_bits: int
    flush: bool = False

    @property
    def below(self) -> int:
        """Bits below an element's last one that its rounding looks at, RNE's sticky bit not counted."""
        return {Rounding.RTZ: 0, Rounding.RNA: 1, Rounding.RNE: 1, Rounding.SR: self.random_bits}[self.rounding]

    @property
    def sticky(self) -> int:
        """1 where all that lies further down counts together, as one more bit."""
        return int(self.rounding is Rounding.RNE)

    @property
    def aligned_bits(self) -> int:
        """Width of an aligned magnitude."""
        return self.fmt.element.precision + self.below + self.sticky

    @property
    def looks_below(self) -> bool:
        """Whether a microexponent's scale rule looks below an element's last bit: at one, `ceil` at all the rest."""
        return self.fmt.microexponents > 0 and self.rule is not ScaleRule.FLOOR

    @property
    def frame_bits(self) -> int:
        """Width of the shifter: what a microexponent moves up again lies below the aligned bits."""
        return self.fmt.element.precision + max(self.below, self.looks_below) + self.fmt.max_microexponent

    @property
    def frame_sticky(self) -> int:
        """As `sticky`, of the shifter."""
        return int(self.sticky or (self.looks_below and self.rule is ScaleRule.CEIL))

    @property
    def fraction_bits(self) -> int:
        """How many bits of the source's fraction, its top ones, can come up into the frame or are sticky."""
        if self.frame_sticky:
            return self.source.fraction_bits
        return min(
            self.frame_bits - 1 + (self.room if self.fmt.element.is_float else self.depth), self.source.fraction_bits
        )

    @property
    def shift_bits(self) -> int:
        """Width of a shift that moves a significand to the lowest place of the frame."""
        return (self.frame_bits - 1).bit_length()

    @property
    def top_field(self) -> int:
        """Exponent field of a minifloat's largest binade."""
        return self.fmt.element.emax + self.fmt.element.bias

    @property
    def reach(self) -> int:
        """Values that lie this many binades below the top, or more, round to zero.

        2^shift_bits for an integer; a minifloat's shift begins below its lowest normal binade.
        """
        return (self.top_field - 1 if self.fmt.element.is_float else 0) + (1 << self.shift_bits)

    @property
    def field_bits(self) -> int:
        """As many low bits of the exponent field as tell binades within reach apart."""
        return min((self.reach - 1).bit_length(), self.source.exponent_bits)

    @property
    def scale_lowest(self) -> int:
        """The top binade under the lowest shared exponent."""
        return self.fmt.scale.lowest + self.fmt.element.emax + self.source.bias

    @property
    def lowest(self) -> int:
        """The lowest binade that can be the top of a block that is not zero."""
        return max(self.scale_lowest, 1 if self.flush else 1 - self.source.fraction_bits)

    @property
    def depth(self) -> int:
        """How far below the normal numbers a block's top can lie."""
        return max(1 - self.lowest, 0)

    @property
    def room(self) -> int:
        """How many binades of subnormals hold normal minifloats of the lowest block: its binades from 0 downwards."""
        return 0 if self.flush else max(self.top_field - self.lowest, 0)

    @property
    def code_shape(self) -> Shape:
        """Holds the exponent fields of all minifloats within reach, as many below 1 as they are shifted by."""
        return Shape.cast(range(2 - (1 << self.shift_bits), self.top_field + 1))

    @property
    def peak_fraction_bits(self) -> int:
        """How many bits of the fraction, its top ones, belong to a peak.

        `ceil` and `even` look at all of the largest value. `floor` wants only its exponent, and reads the fraction of
        an all-subnormal block, down to the lowest binade but one that a block's top may have.
        """
        if self.rule is not ScaleRule.FLOOR:
            return self.source.fraction_bits
        return 0 if self.flush else min(max(-self.scale_lowest, 0), self.source.fraction_bits)

    @property
    def shared(self) -> dict[str, Shape]:
        """What a block's lanes get from `Reference`."""
        limit = max((1 << self.source.exponent_bits) - 1, self.lowest)
        shapes = {"beyond": Shape.cast(range(limit + 1))}
        if not self.flush:
            shapes["high"] = unsigned(1)
        if self.fmt.element.is_float:
            shapes["base"] = unsigned(self.code_shape.width)
            if self.room:
                shapes["stop"] = unsigned(self.room)
            if self.exceeds:
                shapes["top"] = Shape.cast(range(self.lowest, limit + 1))
        else:
            shapes["top"] = Shape.cast(range(limit + 1)) if self.exceeds else unsigned(self.shift_bits)
            if self.depth:
                shapes["lift"] = Shape.cast(range(self.depth + 1))
        return shapes

    @property
    def exceeds(self) -> bool:
        """Whether values may lie above the top, because the shared exponent was clamped."""
        return self.fmt.scale.highest + self.fmt.element.emax < self.source.bias


class Reference(wiring.Component):
    """From a block's shared exponent to what its lanes need, once per block, so that lanes stay narrow.

    poison  the block's exponent is the reserved one
    top     the block's top binade; for integers not below 1
    beyond  values of this exponent field or a lower one are out of reach; all of them, in a poisoned block
    high    so are all subnormals: whether a value is one need not be known exactly
    lift    for integers: how far below 1 the top lies otherwise, a shift that all lanes share
    base    for minifloats: added to a value's exponent field it gives the element's, modulo its width
    stop    for minifloats: one bit, as far from the left as a subnormal may be normalised, if that is not to the end
    Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        ports = {name: Out(shape) for name, shape in geometry.shared.items()}
        super().__init__({"exponent": In(signed(geometry.fmt.scale.bits + 1)), "poison": Out(1)} | ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self._geometry
        scale, offset = g.fmt.scale, g.fmt.element.emax + g.source.bias
        top = Signal(Shape.cast(range(scale.lowest + offset, scale.highest + offset + 2)), name="wanted")
        high = top >= g.reach
        m.d.comb += [
            top.eq(self.exponent + offset),
            self.poison.eq(self.exponent == scale.highest + 1),
            self.beyond.eq(Mux(self.poison, ~0, Mux(high, top - g.reach, 0))),
        ]
        if not g.flush:
            m.d.comb += self.high.eq(high)
        if g.fmt.element.is_float:
            m.d.comb += self.base.eq(g.top_field - top)
            if g.room:
                room = Signal(range(g.room + 1))
                m.d.comb += [
                    room.eq(Mux(top < g.top_field, g.top_field - top, 0)),
                    self.stop.eq((1 << g.room - 1) >> room),
                ]
        if "top" in g.shared:
            m.d.comb += self.top.eq(top)
        if g.depth and not g.fmt.element.is_float:
            # Only a block of zeros has a top that lies deeper than the source's subnormals: its lift does not matter.
            with m.If(top < 1):
                m.d.comb += [self.top.eq(1), self.lift.eq(1 - top)]
        return m
