"""Multiplying two floats: the exact product as a raw number for the rounder, and both together."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import leading_zeros, shift_right_sticky
from hdl.float.raw import FP32, GUARDED, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["MultiplyFloat", "MultiplyRaw"]


class MultiplyRaw(wiring.Component):
    """a * b as a raw number: what a rounding to the operands' own type can tell of the exact product.

    Subnormals are honoured. One shifter normalises whichever operand is subnormal: a product of two of them lies below
    half the least subnormal, where only its sticky bit counts. Zero times infinity is NaN. Combinational.
    """

    def __init__(self, layout: FloatLayout = FP32) -> None:
        # Two subnormals: below 2^(2 - 2 bias). Half the least subnormal: 2^(-bias - fraction_bits).
        if layout.bias < layout.fraction_bits + 2:
            raise ValueError(
                f"{layout.name}: bias {layout.bias} with {layout.fraction_bits} fraction bits; at least "
                f"{layout.fraction_bits + 2} wanted, so that two subnormals underflow"
            )
        self._layout = layout
        self.significand_bits = layout.significand_bits + GUARDED
        largest = (1 << layout.exponent_bits) - 3  # `biased` of the top binade
        self._exponents = range(1 - layout.bias - layout.significand_bits, 2 * largest + 3 - layout.bias)
        self.biased_bits = self._exponents[-1].bit_length()
        super().__init__(
            {
                "a": In(layout),
                "b": In(layout),
                "sign": Out(1),
                "biased": Out(self.biased_bits),
                "significand": Out(self.significand_bits),
                "infinity": Out(1),
                "nan": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._layout.significand_bits
        a, b = unpack_float(m, self.a, name="a"), unpack_float(m, self.b, name="b")

        # `low` is the subnormal operand, if there is one, `high` the other.
        a_normal = a.significand[-1]
        low, high, normalized = Signal(bits), Signal(bits), Signal(bits)
        m.d.comb += [
            low.eq(Mux(a_normal, b.significand, a.significand)),
            high.eq(Mux(a_normal, a.significand, b.significand)),
        ]
        zeros = leading_zeros(m, low, name="leading")
        m.d.comb += normalized.eq(low << zeros)

        # Two numbers in [1, 2): the product's top bit weighs 2 if it is set, else the next one leads.
        product = Signal(2 * bits)
        top, leading = Signal(), Signal(2 * bits)
        m.d.comb += [
            product.eq(high * normalized),
            top.eq(product[-1]),
            leading.eq(Mux(top, product, product << 1)),
        ]
        kept, rest = leading[-(bits + 1) :], leading[: -(bits + 1)]

        # Exponents above the lowest binade; 1 - bias is that binade's own. The last one moves a product below it down.
        exponent = Signal(signed(max(self._exponents[-1].bit_length(), (-self._exponents[0]).bit_length()) + 1))
        below = Signal(range(-self._exponents[0] + 1))
        m.d.comb += [
            exponent.eq(a.biased + b.biased - zeros + top + (1 - self._layout.bias)),
            below.eq(Mux(exponent < 0, -exponent, 0)),
            self.biased.eq(Mux(exponent < 0, 0, exponent)),
            self.significand.eq(shift_right_sticky(m, Cat(rest.any(), kept), below, name="denormal")),
        ]
        zero = [~x.significand.any() for x in (a, b)]
        m.d.comb += [
            self.sign.eq(a.sign ^ b.sign),
            self.infinity.eq(a.infinity | b.infinity),
            self.nan.eq(a.nan | b.nan | (a.infinity & zero[1]) | (b.infinity & zero[0])),
        ]
        return m


class MultiplyFloat(wiring.Component):
    """a * b to nearest, ties to even: IEEE 754, gradual underflow, one canonical NaN. Combinational."""

    def __init__(self, layout: FloatLayout = FP32) -> None:
        self._layout = layout
        super().__init__({"a": In(layout), "b": In(layout), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.raw = product = MultiplyRaw(self._layout)
        m.submodules.round = rounder = RoundFloat(product.significand_bits, product.biased_bits, self._layout)
        m.d.comb += [product.a.eq(self.a), product.b.eq(self.b), self.value.eq(rounder.value)]
        m.d.comb += [
            getattr(rounder, name).eq(getattr(product, name))
            for name in ("sign", "biased", "significand", "infinity", "nan")
        ]
        return m
