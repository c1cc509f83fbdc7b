"""One value to one minifloat element: align it to its binade, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import leading_zeros
from hdl.convert.element import has_hidden_one, round_up
from hdl.convert.reference import Geometry
from hdl.convert.shift import lift, lower

__all__ = ["AlignMinifloat", "RoundMinifloat"]


class AlignMinifloat(wiring.Component):
    """A float's significand at the minifloat's precision, with fraction bits below; the lowest is sticky for RNE.

    `field` is the element's exponent field, to be read as 0 unless the significand is normalised. `base`, `stop`,
    `top`, `beyond`, `high` as `Reference` gives them. `overflow` says that the value lies above the block's range.
    Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = g = geometry
        super().__init__(
            {
                "value_exponent": In(g.source.exponent_bits),
                "value_fraction": In(g.fraction_bits),
                "magnitude": Out(g.aligned_bits),
                "field": Out(g.fmt.element.exponent_bits),
            }
            | {name: In(shape) for name, shape in g.shared.items()}
            | ({"overflow": Out(1)} if g.exceeds else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self._geometry
        hidden, near = Signal(), Signal()
        field = Signal(g.source.exponent_bits)
        m.d.comb += [
            hidden.eq(has_hidden_one(self.value_exponent, getattr(self, "high", None), g)),
            field.eq(self.value_exponent | ~hidden),
            near.eq(field > self.beyond),
        ]
        significand: Value = Cat(self.value_fraction, hidden)
        moved: Value = Const(0, 1)
        if g.room:
            # A subnormal is normalised as far as the element can be normal, and only where it is in reach at all.
            pad = max(g.room - len(significand), 0)
            significand = Cat(Const(0, pad), significand)
            places = Signal(g.room)
            m.d.comb += places.eq(significand[-g.room :] | self.stop)
            moved = leading_zeros(m, Cat(Const(1, 1), places), name="leading")
        code = Signal(g.code_shape)  # of the element, if it were normal: 1 and more, or else it is shifted down
        m.d.comb += code.eq(Mux(hidden, field, 1 - moved) + self.base)
        frame, dropped = lift(m, significand, moved, g.room, g.frame_bits, name="lifted")
        below = Signal(g.shift_bits)
        m.d.comb += below.eq(Mux(code < 1, 1 - code, 0))
        frame, dropped = lower(m, frame, below, dropped, name="aligned")
        magnitude = Signal(g.frame_bits)
        m.d.comb += [
            magnitude.eq(frame & near.replicate(len(frame))),
            self.magnitude.eq(Cat(dropped if g.sticky else Const(0, 0), magnitude)),
            self.field.eq(code[: len(self.field)]),
        ]
        if g.exceeds:
            m.d.comb += self.overflow.eq(near & (field > self.top))
        return m


class RoundMinifloat(wiring.Component):
    """An aligned significand to a minifloat code: rounded, saturated at the largest finite one; zero keeps its sign.

    `random` exists for SR only. A poisoned block stores zeros: aligned ones, here without a sign. Combinational.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = g = geometry
        element = g.fmt.element
        super().__init__(
            {
                "magnitude": In(g.aligned_bits),
                "field": In(element.exponent_bits),
                "sign": In(1),
                "poison": In(1),
                "element": Out(element.bits),
            }
            | ({"overflow": In(1)} if g.exceeds else {})
            | ({"random": In(g.random_bits)} if g.random_bits else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, element = self._geometry, self._geometry.fmt.element
        kept, below = self.magnitude[-element.precision :], self.magnitude[: -element.precision]
        up = round_up(m, kept, below, g.rounding, getattr(self, "random", None))

        # A carry out of the fraction moves on into the next binade, or from the subnormals to the normal numbers.
        code = Cat(kept[: element.mantissa_bits], self.field & kept[-1].replicate(len(self.field)))
        full, rounded = Signal(), Signal(len(code))
        m.d.comb += [
            full.eq((code >= element.max_code) | (self.overflow if g.exceeds else 0)),
            rounded.eq(Mux(full, element.max_code, code + up)),
            self.element.eq(Cat(rounded, self.sign & ~self.poison)),
        ]
        return m
