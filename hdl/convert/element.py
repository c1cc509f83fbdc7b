"""One value to one sign-magnitude element: align it to the shared exponent, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, Rounding
from hdl.arith.bits import shift_right, shift_right_sticky
from hdl.layouts import FloatLayout, SignMagnitude

__all__ = ["AlignElement", "RoundElement"]


def aligned_bits(fmt: BlockFormat, rounding: Rounding, random_bits: int) -> int:
    """Width of an aligned magnitude: the element's bits on top, below them what its rounding looks at."""
    below = {Rounding.RTZ: 0, Rounding.RNA: 1, Rounding.RNE: 2, Rounding.SR: random_bits}
    return fmt.element.mantissa_bits + below[rounding]


class AlignElement(wiring.Component):
    """A float's magnitude in units of the element's LSB, with fraction bits below; the lowest one is sticky for RNE.

    `overflow` says that the value lies above the block's range, which only an exponent clamped from above allows.
    Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._source, self._format, self._sticky = source, fmt, rounding is Rounding.RNE
        self._bits = aligned_bits(fmt, rounding, random_bits)
        super().__init__(
            {
                "value_exponent": In(source.exponent_bits),
                "value_fraction": In(source.fraction_bits),
                "exponent": In(signed(fmt.scale.bits)),
                "magnitude": Out(self._bits),
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
        hidden = self.value_exponent.any()
        m.d.comb += distance.eq(self.exponent - (self.value_exponent + ~hidden) + (emax + source.bias))

        # The significand with its top bit at the element's, whichever of the two is longer, and one bit below to
        # collect what is shifted out; first to the left by `left`, then to the right by distance + left.
        width = max(self._bits, source.fraction_bits + 1) + 1
        significand = Cat(Const(0, width - source.fraction_bits - 1), self.value_fraction, hidden)
        amount = Signal(range(high + left + 1))
        m.d.comb += amount.eq(Mux(distance + left < 0, 0, distance + left))
        # Bits that end above `width` are there only where `overflow` makes them irrelevant.
        frame = Cat(Const(0, left), significand)
        if self._sticky:
            aligned = shift_right_sticky(m, frame, amount, name="aligned")[:width]
            kept, rest = aligned[width - self._bits :], aligned[: width - self._bits]
            m.d.comb += self.magnitude.eq(Cat(kept[0] | rest.any(), kept[1:]))
        else:
            frame = frame[width - self._bits :]  # what lies below would only move further down
            m.d.comb += self.magnitude.eq(shift_right(m, frame, amount, self._bits, name="aligned"))
        m.d.comb += self.overflow.eq((distance < 0) & hidden)
        return m


class RoundElement(wiring.Component):
    """An aligned magnitude and its sign to a stored element: rounded, then saturated; zero is positive.

    `random` exists for SR only: its carry into the kept bits is floor(|y| + r / 2^R). A poisoned block stores zeros.
    Combinational.
    """

    def __init__(self, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._rounding = rounding
        self._kept = fmt.element.mantissa_bits
        super().__init__(
            {
                "magnitude": In(aligned_bits(fmt, rounding, random_bits)),
                "overflow": In(1),
                "sign": In(1),
                "poison": In(1),
                "element": Out(SignMagnitude(self._kept)),
            }
            | ({"random": In(random_bits)} if rounding is Rounding.SR else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = self.magnitude[-self._kept :]
        below = self.magnitude[: -self._kept]
        up = Signal()
        if self._rounding is Rounding.RNE:
            m.d.comb += up.eq(below[1] & (below[0] | kept[0]))
        elif self._rounding is Rounding.RNA:
            m.d.comb += up.eq(below)
        elif self._rounding is Rounding.SR:
            m.d.comb += up.eq(self.random > ~below)  # the carry of below + random

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
