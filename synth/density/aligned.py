"""A dot product of scalar floats as matrix engines build it: products aligned to the largest, the rest cut off.

Neither rounded at each step nor exact, and so the smallest of the three. It is an opponent to be priced, not a unit of
this project: its low bits depend on the largest product, as they do in the engines that work this way.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.adders import Adders
from hdl.arith.compress import ripple
from hdl.arith.heap import Bit, Heap
from hdl.convert.peak import find_largest
from hdl.float.product import significand_product
from hdl.float.raw import FP32, FixedToRaw, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["KEPT", "AlignedDot"]

KEPT = 28  # bits of the largest product and of what is as high as they are: FP32's 24, and four to guard them


class AlignedDot(wiring.Component):
    """sum of a[k] * b[k] in FP32: each product's magnitude floored to the last of 28 bits, one rounding at the end.

    The 28 bits start where the product of the largest exponents can start. Subnormals are honoured where they are not
    cut off; infinities and NaNs as in the exact sum. Combinational.
    """

    def __init__(self, layout: FloatLayout, length: int) -> None:
        self._layout, self._length = layout, length
        terms = data.ArrayLayout(layout, length)
        super().__init__({"a": In(terms), "b": In(terms), "value": Out(FP32)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        layout = self._layout
        products, exponents, negatives, nans, plus, minus = [], [], [], [], [], []
        for k in range(self._length):
            a, b = unpack_float(m, self.a[k], name=f"a{k}"), unpack_float(m, self.b[k], name=f"b{k}")
            product = significand_product(m, platform, a.significand, b.significand, arch="area", name=f"product_{k}")
            zero = [~x.significand.any() for x in (a, b)]
            exponent = Signal(layout.exponent_bits + 1, name=f"exponent_{k}")
            negative = Signal(name=f"negative_{k}")
            # a zero's exponent must not move the others out
            m.d.comb += exponent.eq(Mux(zero[0] | zero[1], 0, a.biased + b.biased))
            m.d.comb += negative.eq(a.sign ^ b.sign)
            infinite = a.infinity | b.infinity
            nans.append(a.nan | b.nan | (a.infinity & zero[1]) | (b.infinity & zero[0]))
            plus.append(infinite & ~negative)
            minus.append(infinite & negative)
            products.append(product)
            exponents.append(exponent)
            negatives.append(negative)
        largest = find_largest(m, exponents, name="exponents")
        heap = Heap(KEPT + (self._length - 1).bit_length() + 1)
        for k, (product, exponent, negative) in enumerate(zip(products, exponents, negatives, strict=True)):
            distance, aligned = Signal(len(exponent), name=f"distance_{k}"), Signal(KEPT, name=f"aligned_{k}")
            # what lies below the kept bits is below them after the move too
            top = Cat(Const(0, max(0, KEPT - len(product))), product[-KEPT:])
            m.d.comb += [distance.eq(largest - exponent), aligned.eq(top >> distance)]
            heap.add_word([Bit(bit) for bit in aligned ^ negative.replicate(KEPT)])
        self._round(m, platform, heap, largest, negatives, [Cat(flags).any() for flags in (nans, plus, minus)])
        return m

    def _round(
        self, m: Module, platform: object, heap: Heap, largest: Value, negatives: list[Signal], flags: list[Value]
    ) -> None:
        adders = Adders(m, platform, name="sum")
        count = Heap(len(negatives).bit_length())
        for negative in negatives:
            count.add(negative, 0)
        heap.add_multiple(ripple(count, adders), 1 - (1 << KEPT))  # what each inverted term lacks
        bits = [bit.value for bit in ripple(heap, adders)]
        total, magnitude = Signal(len(bits)), Signal(len(bits) - 1)
        # the last kept bit of a product whose exponents are the lowest
        lowest = 2 * (1 - self._layout.bias) + 2 - KEPT
        exponents = range(lowest, lowest + 2 * self._layout.top_binade + 1)
        m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), exponents)
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
        nan, plus, minus = flags
        m.d.comb += [
            total.eq(Cat(bits)),
            magnitude.eq(Mux(total[-1], -total, total)),
            to_raw.magnitude.eq(magnitude),
            to_raw.exponent.eq(largest + lowest),
            rounder.significand.eq(to_raw.significand),
            rounder.biased.eq(to_raw.biased),
            rounder.sign.eq(Mux(plus | minus, minus, total[-1])),
            rounder.infinity.eq(plus | minus),
            rounder.nan.eq(nan | (plus & minus)),
            self.value.eq(rounder.value),
        ]
