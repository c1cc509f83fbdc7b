"""One value to one integer element: align it to the shared exponent, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import ElementEncoding, Rounding
from hdl.convert.reference import Geometry
from hdl.convert.shift import lift, lower

__all__ = ["AlignElement", "RoundElement", "has_hidden_one", "round_up"]


def has_hidden_one(field: Value, high: Value | None, geometry: Geometry) -> Value:
    """Whether an exponent field is that of a normal number, where that matters.

    Not at all if subnormals are flushed: then a zero field is out of reach. If all subnormals are out of reach
    (`high`), a one in place of a zero changes nothing; else all of a block's fields fit the bits that are looked at.
    """
    return Const(1) if geometry.flush else field[: geometry.field_bits].any() | high


def round_up(m: Module, kept: Value, below: Value, rounding: Rounding, random: Value | None) -> Signal:
    """Whether the bits below the kept ones make them one more."""
    up = Signal(name="round_up")
    if rounding is Rounding.RNE:
        m.d.comb += up.eq(below[1] & (below[0] | kept[0]))
    elif rounding is Rounding.RNA:
        m.d.comb += up.eq(below)
    elif rounding is Rounding.SR:
        m.d.comb += up.eq(random > ~below)  # the carry of below + random
    return up


class AlignElement(wiring.Component):
    """A float's magnitude in units of the element's LSB, with fraction bits below; the lowest one is sticky for RNE.

    In a format with microexponents it has as many bits more as the largest of them moves up. `top`, `lift`, `beyond`,
    `high` as `Reference` gives them. `overflow` says that the value lies above the block's range, which only an
    exponent clamped from above allows. Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = g = geometry
        super().__init__(
            {
                "value_exponent": In(g.source.exponent_bits),
                "value_fraction": In(g.fraction_bits),
                "magnitude": Out(g.frame_bits + g.frame_sticky),
            }
            | {name: In(shape) for name, shape in g.shared.items()}
            | ({"overflow": Out(1)} if g.exceeds else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self._geometry
        hidden, near = Signal(), Signal()
        field = Signal(g.source.exponent_bits)
        distance = Signal(g.shift_bits)
        m.d.comb += [
            hidden.eq(has_hidden_one(self.value_exponent, getattr(self, "high", None), g)),
            field.eq(self.value_exponent | ~hidden),
            near.eq(field > self.beyond),
            distance.eq(self.top[: g.shift_bits] - field[: g.shift_bits]),
        ]
        significand = Cat(self.value_fraction, hidden)
        frame, dropped = lift(m, significand, self.lift if g.depth else Const(0), g.depth, g.frame_bits, name="lifted")
        frame, dropped = lower(m, frame, distance, dropped, name="aligned")
        m.d.comb += self.magnitude.eq(
            Cat(dropped if g.frame_sticky else Const(0, 0), frame & near.replicate(len(frame)))
        )
        if g.exceeds:
            m.d.comb += self.overflow.eq(near & (field > self.top))
        return m


class RoundElement(wiring.Component):
    """An aligned magnitude and its sign to a stored integer element: rounded, then saturated; zero is positive.

    `random` exists for SR only: its carry into the kept bits is floor(|y| + r / 2^R). Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = g = geometry
        super().__init__(
            {"magnitude": In(g.aligned_bits), "sign": In(1), "element": Out(g.fmt.element.bits)}
            | ({"overflow": In(1)} if g.exceeds else {})
            | ({"random": In(g.random_bits)} if g.random_bits else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, element = self._geometry, self._geometry.fmt.element
        bits = element.mantissa_bits
        kept, below = Signal(bits), self.magnitude[:-bits]
        m.d.comb += kept.eq(self.magnitude[-bits:])
        if g.exceeds:
            m.d.comb += kept.eq(self.magnitude[-bits:] | self.overflow.replicate(bits))
        up, more = round_up(m, kept, below, g.rounding, getattr(self, "random", None)), Signal()
        m.d.comb += more.eq(up & ~kept.all())  # the largest element saturates
        if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
            # -(kept + more) = ~kept + 1 - more: rounding and negation share an adder.
            m.d.comb += self.element.eq((Cat(kept, Const(0, 1)) ^ self.sign.replicate(bits + 1)) + (self.sign ^ more))
        else:
            rounded = Signal(bits)
            m.d.comb += [rounded.eq(kept + more), self.element.eq(Cat(rounded, self.sign & rounded.any()))]
        return m
