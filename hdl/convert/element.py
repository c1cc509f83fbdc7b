"""One value to one integer element: align it to the shared exponent, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, ElementEncoding, Rounding
from hdl.arith.bits import negate_if, shift_right, shift_right_sticky
from hdl.layouts import FloatLayout

__all__ = ["AlignElement", "RoundElement", "align_frame", "aligned_bits", "round_up"]


def aligned_bits(fmt: BlockFormat, rounding: Rounding, random_bits: int) -> int:
    """Width of an aligned magnitude: the element's precision on top, below it what its rounding looks at."""
    below = {Rounding.RTZ: 0, Rounding.RNA: 1, Rounding.RNE: 2, Rounding.SR: random_bits}
    return fmt.element.precision + below[rounding]


def align_frame(m: Module, significand: Value, amount: Value, left: int, bits: int, rounding: Rounding) -> Value:
    """The top `bits` of a significand moved left by `left`, then right by `amount`; RNE gets a sticky lowest bit.

    The frame has the significand at its top, then as many bits as are asked for, and one to collect what leaves them.
    """
    width = max(bits, len(significand)) + 1
    frame = Cat(Const(0, left + width - len(significand)), significand)
    if rounding is not Rounding.RNE:
        # What lies below the bits asked for would only move further down.
        return shift_right(m, frame[width - bits :], amount, bits, name="aligned")
    aligned = shift_right_sticky(m, frame, amount, name="aligned")[:width]
    kept, rest = aligned[width - bits :], aligned[: width - bits]
    return Cat(kept[0] | rest.any(), kept[1:])


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

    `overflow` says that the value lies above the block's range, which only an exponent clamped from above allows.
    Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._source, self._format, self._rounding = source, fmt, rounding
        self._bits = aligned_bits(fmt, rounding, random_bits)
        # The element's top bit weighs 2^(exponent + emax), the significand's 2^binade. Only in an all-subnormal block
        # does the shared exponent ask for a shift to the left, by less than the fraction's width, and not at all where
        # the lowest exponent is above the subnormals. Microexponents count as a lower scale.
        self._lowest_binade, emax = 1 - source.bias, fmt.element.emax
        self._lowest_exponent = fmt.scale.lowest - fmt.max_microexponent
        lowest_top = max(self._lowest_exponent + emax, self._lowest_binade - source.fraction_bits)
        self._left = max(self._lowest_binade - lowest_top, 0)
        # Without a sticky bit, fraction bits that no shift brings up to the result are not read.
        unread = 0 if rounding is Rounding.RNE else max(source.significand_bits - self._bits - self._left, 0)
        super().__init__(
            {
                "value_exponent": In(source.exponent_bits),
                "value_fraction": In(source.fraction_bits - unread),
                "exponent": In(signed(fmt.scale.bits + 1)),
                "magnitude": Out(self._bits),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source, scale, emax = self._source, self._format.scale, self._format.element.emax
        left, lowest_binade = self._left, self._lowest_binade
        top_binade = (1 << source.exponent_bits) - 1 - source.bias
        high = scale.highest + 1 + emax - lowest_binade  # a poisoned block's code counts: its shift must not wrap
        distance = Signal(Shape.cast(range(self._lowest_exponent + emax - top_binade, high + 1)))
        hidden = self.value_exponent.any()
        m.d.comb += distance.eq(self.exponent - (self.value_exponent + ~hidden) + (emax + source.bias))

        # Bits that end above the element's are there only where `overflow` makes them irrelevant.
        amount = Signal(range(high + left + 1))
        m.d.comb += [
            amount.eq(Mux(distance + left < 0, 0, distance + left)),
            self.magnitude.eq(
                align_frame(m, Cat(self.value_fraction, hidden), amount, left, self._bits, self._rounding)
            ),
            self.overflow.eq((distance < 0) & hidden),
        ]
        return m


class RoundElement(wiring.Component):
    """An aligned magnitude and its sign to a stored integer element: rounded, then saturated; zero is positive.

    `random` exists for SR only: its carry into the kept bits is floor(|y| + r / 2^R). A poisoned block stores zeros.
    Combinational.
    """

    def __init__(self, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._element, self._rounding = fmt.element, rounding
        super().__init__(
            {
                "magnitude": In(aligned_bits(fmt, rounding, random_bits)),
                "overflow": In(1),
                "sign": In(1),
                "poison": In(1),
                "element": Out(fmt.element.bits),
            }
            | ({"random": In(random_bits)} if rounding is Rounding.SR else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._element.mantissa_bits
        kept, below = self.magnitude[-bits:], self.magnitude[:-bits]
        up = round_up(m, kept, below, self._rounding, getattr(self, "random", None))
        rounded = Signal(bits + 1)  # a carry out means that the largest element rounded up: it saturates
        saturated, sign = Signal(bits), Signal()
        m.d.comb += [
            rounded.eq(kept + up),
            saturated.eq(Mux(self.overflow | rounded[-1], (1 << bits) - 1, rounded[:-1])),
            sign.eq(self.sign & saturated.any()),
        ]
        with m.If(~self.poison):
            if self._element.encoding is ElementEncoding.TWOS_COMPLEMENT:
                m.d.comb += self.element.eq(negate_if(Cat(saturated, Const(0, 1)), sign))
            else:
                m.d.comb += self.element.eq(Cat(saturated, sign))
        return m
