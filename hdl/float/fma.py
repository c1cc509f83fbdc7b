"""a * b + c of floats with one rounding."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import negate_if, shift_right_sticky
from hdl.float.product import significand_product
from hdl.float.raw import FP32, Normalize, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["FmaFloat"]


class FmaFloat(wiring.Component):
    """a * b + c, exact but for one rounding to nearest, ties to even: IEEE 754. Combinational.

    An exact zero is positive, unless the product and c are both negative zeros. Zero times infinity is NaN whatever c.
    `arch` is that of the significands' product (hdl/float/product.py).
    """

    def __init__(self, layout: FloatLayout = FP32, arch: str = "plain") -> None:
        self._layout, self._arch = layout, arch
        super().__init__({"a": In(layout), "b": In(layout), "c": In(layout), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, bits = self._layout, self._layout.significand_bits
        a, b, c = (unpack_float(m, getattr(self, name), name=name) for name in "abc")
        product = significand_product(m, platform, a.significand, b.significand, arch=self._arch, name="product")
        product_sign, subtract = Signal(), Signal()
        m.d.comb += [product_sign.eq(a.sign ^ b.sign), subtract.eq(product_sign ^ c.sign)]

        # The product as a raw number: its top bit weighs 2^(biased + 1 - bias), and biased may be negative. A product
        # of a subnormal starts with zeros; no bit of c that could matter is then lost, see `width`.
        product_biased = Signal(signed(layout.exponent_bits + 2))
        distance = Signal(signed(layout.exponent_bits + 3))
        product_above = Signal()
        m.d.comb += [
            product_biased.eq(a.biased + b.biased + (2 - layout.bias)),
            distance.eq(product_biased - c.biased),
            # A zero product has no exponent worth aligning to.
            product_above.eq((distance >= 0) & a.significand.any() & b.significand.any()),
        ]

        # The operand of the lower exponent is shifted right; the last place is where bits shifted out gather. c loses
        # bits at a distance d >= bits + 4 only: a product with at most `bits` zeros on top (one factor subnormal; two
        # are below any c) then leads it by four places or more, so that the sum starts with at most bits + 1 zeros and
        # its bits + 1 digits that rounding looks at lie above the last place. Likewise for the product below c.
        width = 2 * bits + 3
        product_wide = Cat(Const(0, width - 2 * bits), product)
        c_wide = Cat(Const(0, width - bits), c.significand)
        large, small, aligned = Signal(width), Signal(width), Signal(width)
        amount = Signal(layout.exponent_bits + 2)
        m.d.comb += [
            large.eq(Mux(product_above, product_wide, c_wide)),
            small.eq(Mux(product_above, c_wide, product_wide)),
            amount.eq(Mux(product_above, distance, -distance)),
            aligned.eq(shift_right_sticky(m, small, amount, name="shifted")),
        ]

        # An unnormalised operand of the higher exponent may be the smaller number: then the difference is negative.
        total, magnitude, negative = Signal(width + 2), Signal(width + 1), Signal()
        m.d.comb += [
            total.eq(large + (aligned ^ subtract.replicate(width)) + subtract),
            # Without subtraction bit `width` is the sum's top; with it, a carry there means no borrow.
            negative.eq(subtract & ~total[width]),
            magnitude.eq(Mux(subtract, negate_if(total[:width], negative), total[: width + 1])),
        ]

        biased_bits = layout.exponent_bits + 2
        m.submodules.normalize = normalize = Normalize(width + 1, biased_bits)
        m.submodules.round = rounder = RoundFloat(width + 1, biased_bits, layout)
        infinity = Signal()
        sum_sign = Mux(product_above, product_sign, c.sign) ^ negative
        zero_sign = product_sign & c.sign
        infinity_sign = Mux(c.infinity, c.sign, product_sign)
        invalid = (a.infinity & ~b.significand.any()) | (b.infinity & ~a.significand.any())
        m.d.comb += [
            normalize.magnitude.eq(magnitude),
            # c's exponent is never below the lowest binade: nor is that of the sum, which has one bit more.
            normalize.biased.eq(Mux(product_above, product_biased, c.biased) + 1),
            infinity.eq(a.infinity | b.infinity | c.infinity),
            rounder.significand.eq(normalize.significand),
            rounder.biased.eq(normalize.biased_out),
            rounder.sign.eq(Mux(infinity, infinity_sign, Mux(magnitude.any(), sum_sign, zero_sign))),
            rounder.infinity.eq(infinity),
            rounder.nan.eq(
                a.nan | b.nan | c.nan | invalid | ((a.infinity | b.infinity) & c.infinity & subtract),
            ),
            self.value.eq(rounder.value),
        ]
        return m
