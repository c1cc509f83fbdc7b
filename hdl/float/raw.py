"""Float words to raw numbers, fixed-point sums to raw numbers, and the left shift that normalises either."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import leading_zeros, shift_right_sticky
from hdl.layouts import FloatLayout, float_layout

__all__ = ["FP32", "GUARDED", "FixedToRaw", "Normalize", "unpack_float"]

FP32 = float_layout("fp32")
GUARDED = 2  # a guard and a sticky bit below the significand are what RNE needs


def unpack_float(m: Module, word: data.View, *, name: str) -> SimpleNamespace:
    """An IEEE-like word as sign, biased exponent, significand with hidden one, and flags for infinity and NaN."""
    layout = word.shape()
    finite = isinstance(layout, FloatLayout) and layout.finite
    hidden, top = Signal(name=f"{name}_hidden"), Signal(name=f"{name}_top")
    biased = Signal(len(word.exponent), name=f"{name}_biased")
    m.d.comb += [
        hidden.eq(word.exponent.any()),
        top.eq(word.exponent.all()),
        # Field 0 and field 1 are the same binade; field 0 lacks the hidden one.
        biased.eq(word.exponent - hidden),
    ]
    return SimpleNamespace(
        sign=word.sign,
        biased=biased,
        significand=Cat(word.fraction, hidden),
        infinity=Const(0, 1) if finite else top & ~word.fraction.any(),
        nan=top & (word.fraction.all() if finite else word.fraction.any()),
    )


class Normalize(wiring.Component):
    """Shift `magnitude` left until its top bit is set or `biased` reaches 0: by min(leading zeros, biased).

    A zero gets biased 0, so that it is the smaller operand of every addition.
    """

    def __init__(self, width: int, biased_bits: int) -> None:
        super().__init__(
            {
                "magnitude": In(width),
                "biased": In(biased_bits),
                "significand": Out(width),
                "biased_out": Out(biased_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        zeros = leading_zeros(m, self.magnitude, name="leading")
        lowest = Signal()
        amount = Signal.like(zeros)
        m.d.comb += [
            lowest.eq(self.biased < zeros),
            amount.eq(Mux(lowest, self.biased, zeros)),
            self.significand.eq(self.magnitude << amount),
            self.biased_out.eq(Mux(lowest | ~self.magnitude.any(), 0, self.biased - zeros)),
        ]
        return m


class FixedToRaw(wiring.Component):
    """magnitude * 2^exponent to a raw number with guard and sticky bits kept.

    `exponents` is the range `exponent` can take. The significand has at least the precision of `target`, a guard and a
    sticky bit, so that a value shifted right to reach the lowest binade keeps what its rounding needs.
    """

    def __init__(self, width: int, exponents: range, target: FloatLayout = FP32) -> None:
        self._width, self._exponents = width, exponents
        self.significand_bits = max(width, target.significand_bits + GUARDED)
        # The top bit of the magnitude weighs 2^(exponent + width - 1); biased counts from the lowest binade.
        self._offset = width - 1 + target.bias - 1
        self.biased_bits = max((exponents[-1] + self._offset).bit_length(), 1)
        super().__init__(
            {
                "magnitude": In(width),
                "exponent": In(Shape.cast(exponents)),
                "significand": Out(self.significand_bits),
                "biased": Out(self.biased_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.normalize = normalize = Normalize(self.significand_bits, self.biased_bits)
        top = Signal(range(self._exponents[0] + self._offset, self._exponents[-1] + self._offset + 1))
        padded = Cat(Const(0, self.significand_bits - self._width), self.magnitude)
        m.d.comb += [
            top.eq(self.exponent + self._offset),
            normalize.magnitude.eq(padded),
            normalize.biased.eq(top),
            self.significand.eq(normalize.significand),
            self.biased.eq(normalize.biased_out),
        ]
        if self._exponents[0] + self._offset < 0:
            below = Signal(range(-(self._exponents[0] + self._offset) + 1))
            m.d.comb += below.eq(Mux(top < 0, -top, 0))
            m.d.comb += normalize.magnitude.eq(shift_right_sticky(m, padded, below, name="denormal"))
            m.d.comb += normalize.biased.eq(Mux(top < 0, 0, top))
        return m
