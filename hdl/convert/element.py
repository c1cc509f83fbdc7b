"""One value to one sign-magnitude element: align it to the shared exponent, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, Rounding
from hdl.arith.bits import shift_right_sticky
from hdl.layouts import FloatLayout, SignMagnitude

__all__ = ["AlignElement", "RoundElement", "aligned_bits"]


def aligned_bits(source: FloatLayout, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> int:
    """Width of an aligned magnitude: the element's bits on top, what rounding looks at below, a sticky bit at the end.

    RNE needs guard and sticky, SR as many bits as its random word has; never less than the source's significand, so
    that the shift itself loses nothing above the sticky bit.
    """
    below = random_bits if rounding is Rounding.SR else 1
    return max(fmt.element.mantissa_bits + below + 1, source.fraction_bits + 1)


class AlignElement(wiring.Component):
    """A float to its magnitude in units of the element's LSB, with fraction and sticky bits below.

    `overflow` says that the value lies above the block's range, which only an exponent clamped from above allows.
    Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, width: int) -> None:
        self._source, self._format, self._width = source, fmt, width
        super().__init__(
            {
                "value": In(source),
                "exponent": In(signed(fmt.scale.bits)),
                "magnitude": Out(width),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source, scale, emax = self._source, self._format.scale, self._format.element.emax
        # The element's top bit weighs 2^(exponent + emax), the significand's 2^binade. Only in an all-subnormal block
        # does the shared exponent ask for a shift to the left, by less than the fraction's width, and not at all where
        # the lowest exponent is above the subnormals.
        lowest_binade, top_binade = 1 - source.bias, (1 << source.exponent_bits) - 1 - source.bias
        lowest_top = max(scale.lowest + emax, lowest_binade - source.fraction_bits)
        left = max(lowest_binade - lowest_top, 0)

        high = scale.highest + 1 + emax - lowest_binade  # a poisoned block's code counts: its shift must not wrap
        distance = Signal(Shape.cast(range(scale.lowest + emax - top_binade, high + 1)))
        hidden = self.value.exponent.any()
        m.d.comb += distance.eq(self.exponent - (self.value.exponent + ~hidden) + (emax + source.bias))

        # First to the left by `left`, then to the right by distance + left; bits above `width` are left only where
        # `overflow` makes them irrelevant.
        significand = Cat(Const(0, self._width - source.fraction_bits - 1), self.value.fraction, hidden)
        amount = Signal(range(high + left + 1))
        m.d.comb += amount.eq(Mux(distance + left < 0, 0, distance + left))
        aligned = shift_right_sticky(m, Cat(Const(0, left), significand), amount, name="aligned")
        m.d.comb += [self.magnitude.eq(aligned), self.overflow.eq((distance < 0) & hidden)]
        return m


class RoundElement(wiring.Component):
    """An aligned magnitude and its sign to a stored element: rounded, then saturated; zero is positive.

    `random` exists for SR only: its carry into the kept bits is floor(|y| + r / 2^R). A poisoned block stores zeros.
    Combinational.
    """

    def __init__(self, fmt: BlockFormat, width: int, rounding: Rounding, random_bits: int) -> None:
        self._width, self._rounding, self._random_bits = width, rounding, random_bits
        self._kept = fmt.element.mantissa_bits
        super().__init__(
            {
                "magnitude": In(width),
                "overflow": In(1),
                "sign": In(1),
                "poison": In(1),
                "element": Out(SignMagnitude(self._kept)),
            }
            | ({"random": In(random_bits)} if rounding is Rounding.SR else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = self.magnitude[self._width - self._kept :]
        below = self.magnitude[: self._width - self._kept]
        up = Signal()
        if self._rounding is Rounding.RNE:
            m.d.comb += up.eq(below[-1] & (below[:-1].any() | kept[0]))
        elif self._rounding is Rounding.RNA:
            m.d.comb += up.eq(below[-1])
        elif self._rounding is Rounding.SR:
            m.d.comb += up.eq((below[-self._random_bits :] + self.random)[-1])

        rounded = Signal(self._kept + 1)  # a carry out means that the largest element rounded up: it saturates
        saturated = Signal(self._kept)
        m.d.comb += [
            rounded.eq(kept + up),
            saturated.eq(Mux(self.overflow | rounded[-1], (1 << self._kept) - 1, rounded)),
        ]
        with m.If(~self.poison):
            m.d.comb += [
                self.element.magnitude.eq(saturated),
                self.element.sign.eq(self.sign & saturated.any()),
            ]
        return m
