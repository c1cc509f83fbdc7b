"""Multiplying two floats: the exact product as a raw number for the rounder, and both together."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import leading_zeros, shift_right_sticky
from hdl.float.product import significand_product
from hdl.float.raw import FP32, GUARDED, FixedToRaw, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["MultiplyFloat", "MultiplyRaw"]


def _underflows(layout: FloatLayout) -> bool:
    """Whether a product of two subnormals lies below half the least subnormal.

    The product is below 2^(2 - 2 bias), half the least subnormal is 2^(-bias - fraction_bits).
    """
    return layout.bias >= layout.fraction_bits + 2


class MultiplyRaw(wiring.Component):
    """a * b as a raw number: what a rounding to the operands' own type can tell of the exact product.

    Subnormals are honoured. One shifter normalises whichever operand is subnormal: a product of two of them lies below
    half the least subnormal, where only its sticky bit counts. Zero times infinity is NaN. Combinational.
    `arch` is that of the significands' product (hdl/float/product.py).
    """

    _MustUse__silence = True  # one that is refused was never used

    def __init__(self, layout: FloatLayout = FP32, arch: str = "plain") -> None:
        if not _underflows(layout):
            raise ValueError(
                f"{layout.name}: bias {layout.bias} with {layout.fraction_bits} fraction bits; at least "
                f"{layout.fraction_bits + 2} wanted, so that two subnormals underflow"
            )
        self._layout, self._arch = layout, arch
        self.significand_bits = layout.significand_bits + GUARDED
        self._exponents = range(1 - layout.bias - layout.significand_bits, 2 * layout.top_binade + 3 - layout.bias)
        self.biased_bits = self._exponents[-1].bit_length()
        super().__init__(_product_signature(layout, self.significand_bits, self.biased_bits))

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
        product = significand_product(m, platform, high, normalized, arch=self._arch, name="product")
        top, leading = Signal(), Signal(2 * bits)
        m.d.comb += [
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
        _connect_flags(m, self, a, b)
        return m


class MultiplyFloat(wiring.Component):
    """a * b to nearest, ties to even: IEEE 754, gradual underflow, one canonical NaN. Combinational.

    `arch` is that of the significands' product (hdl/float/product.py). A layout of so little range that two subnormals
    can multiply to more than nothing gets a normaliser of the whole product.
    """

    def __init__(self, layout: FloatLayout = FP32, arch: str = "plain") -> None:
        self._layout, self._arch = layout, arch
        super().__init__({"a": In(layout), "b": In(layout), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kind = MultiplyRaw if _underflows(self._layout) else _MultiplyWhole
        m.submodules.raw = product = kind(self._layout, self._arch)
        m.submodules.round = rounder = RoundFloat(product.significand_bits, product.biased_bits, self._layout)
        m.d.comb += [product.a.eq(self.a), product.b.eq(self.b), self.value.eq(rounder.value)]
        m.d.comb += [
            getattr(rounder, name).eq(getattr(product, name))
            for name in ("sign", "biased", "significand", "infinity", "nan")
        ]
        return m


class _MultiplyWhole(wiring.Component):
    """As MultiplyRaw, for any layout: the exact product as a fixed-point number, normalised as a whole."""

    def __init__(self, layout: FloatLayout, arch: str) -> None:
        self._layout, self._arch = layout, arch
        # The product's last place weighs 2^lowest, and more by both operands' exponents above the lowest binade.
        lowest = 2 * (1 - layout.bias - layout.fraction_bits)
        self._exponents = range(lowest, lowest + 2 * layout.top_binade + 1)
        self._to_raw = FixedToRaw(2 * layout.significand_bits, self._exponents, layout)
        self.significand_bits, self.biased_bits = self._to_raw.significand_bits, self._to_raw.biased_bits
        super().__init__(_product_signature(layout, self.significand_bits, self.biased_bits))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = unpack_float(m, self.a, name="a"), unpack_float(m, self.b, name="b")
        product = significand_product(m, platform, a.significand, b.significand, arch=self._arch, name="product")
        m.submodules.to_raw = to_raw = self._to_raw
        m.d.comb += [
            to_raw.magnitude.eq(product),
            to_raw.exponent.eq(a.biased + b.biased + self._exponents[0]),
            self.significand.eq(to_raw.significand),
            self.biased.eq(to_raw.biased),
        ]
        _connect_flags(m, self, a, b)
        return m


def _product_signature(layout: FloatLayout, significand_bits: int, biased_bits: int) -> dict[str, wiring.Member]:
    return {
        "a": In(layout),
        "b": In(layout),
        "sign": Out(1),
        "biased": Out(biased_bits),
        "significand": Out(significand_bits),
        "infinity": Out(1),
        "nan": Out(1),
    }


def _connect_flags(m: Module, product: MultiplyRaw | _MultiplyWhole, a: SimpleNamespace, b: SimpleNamespace) -> None:
    """Sign, infinity and NaN of a product."""
    zero = [~x.significand.any() for x in (a, b)]
    m.d.comb += [
        product.sign.eq(a.sign ^ b.sign),
        product.infinity.eq(a.infinity | b.infinity),
        product.nan.eq(a.nan | b.nan | (a.infinity & zero[1]) | (b.infinity & zero[0])),
    ]
