"""Dot products of floats: every step rounded, or one rounding of the exact sum."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.adders import Adders
from hdl.arith.bits import reduce_tree
from hdl.arith.compress import ripple
from hdl.arith.heap import Bit, Heap
from hdl.float.add import AddFloat
from hdl.float.multiply import MultiplyFloat
from hdl.float.product import significand_product
from hdl.float.raw import FixedToRaw, unpack_float
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout

__all__ = ["DotFloat", "DotFused"]


class DotFloat(wiring.Component):
    """sum of a[k] * b[k], every product and every addition rounded: a balanced tree, neighbours first.

    An odd term goes up a level. Combinational; special values as in MultiplyFloat and AddFloat.
    """

    def __init__(self, layout: FloatLayout, length: int, arch: str = "plain") -> None:
        self._layout, self._length, self._arch = layout, length, arch
        terms = data.ArrayLayout(layout, length)
        super().__init__({"a": In(terms), "b": In(terms), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms = []
        for k in range(self._length):
            m.submodules[f"multiply_{k}"] = multiply = MultiplyFloat(self._layout, self._arch)
            m.d.comb += [multiply.a.eq(self.a[k]), multiply.b.eq(self.b[k])]
            terms.append(multiply.value)
        count = 0

        def added(x: data.View, y: data.View) -> data.View:
            nonlocal count
            m.submodules[f"add_{count}"] = add = AddFloat(self._layout)
            m.d.comb += [add.a.eq(x), add.b.eq(y)]
            count += 1
            return add.value

        m.d.comb += self.value.eq(reduce_tree(added, terms))
        return m


class DotFused(wiring.Component):
    """sum of a[k] * b[k], exact but for one rounding. Combinational.

    Every product becomes a fixed-point number of the format's whole range, so that nothing is lost before the rounding:
    2^e + 2p bits for e exponent bits and a precision p, 560 for FP32. An exact zero is positive, unless every product
    is a negative zero.
    """

    def __init__(self, layout: FloatLayout, length: int, arch: str = "plain") -> None:
        self._layout, self._length, self._arch = layout, length, arch
        terms = data.ArrayLayout(layout, length)
        super().__init__({"a": In(terms), "b": In(terms), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self._layout
        # A product's exponent above that of the least product: 0 .. 2 * top_binade. One bit more per doubling of the
        # number of terms, and a sign.
        most = 2 * layout.top_binade
        term_bits = 2 * layout.significand_bits + most
        width = term_bits + (self._length - 1).bit_length() + 1
        heap, negatives, nans, plus, minus = Heap(width), [], [], [], []
        for k in range(self._length):
            a, b = unpack_float(m, self.a[k], name=f"a{k}"), unpack_float(m, self.b[k], name=f"b{k}")
            name = f"product_{k}"
            product = significand_product(m, platform, a.significand, b.significand, arch=self._arch, name=name)
            amount, term = Signal(range(most + 1), name=f"amount_{k}"), Signal(term_bits, name=f"term_{k}")
            negative = Signal(name=f"negative_{k}")
            m.d.comb += [
                amount.eq(a.biased + b.biased),
                negative.eq(a.sign ^ b.sign),
                term.eq((product << amount) ^ negative.replicate(term_bits)),
            ]
            # A negative term is its inverse and one, and ones above.
            heap.add_word([Bit(bit) for bit in term])
            negatives.append(negative)
            infinite = a.infinity | b.infinity
            zero = [~x.significand.any() for x in (a, b)]
            nans.append(a.nan | b.nan | (a.infinity & zero[1]) | (b.infinity & zero[0]))
            plus.append(infinite & ~negative)
            minus.append(infinite & negative)
        adders = Adders(m, platform, name="sum")
        # Each negative term lacks 1 - 2^term_bits.
        count = Heap(len(negatives).bit_length())
        for negative in negatives:
            count.add(negative, 0)
        heap.add_multiple(ripple(count, adders), 1 - (1 << term_bits))
        total = Signal(signed(width))
        m.d.comb += total.eq(Cat(bit.value for bit in ripple(heap, adders)))
        self._round(m, total, negatives, [Cat(flags).any() for flags in (nans, plus, minus)])
        return m

    def _round(self, m: Module, total: Signal, negatives: list[Signal], flags: list[Value]) -> None:
        layout, (nan, plus, minus) = self._layout, flags
        exponent = 2 * (1 - layout.bias - layout.fraction_bits)
        magnitude = Signal(len(total))
        m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), range(exponent, exponent + 1), layout)
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits, layout)
        sum_sign = Mux(magnitude.any(), total < 0, Cat(negatives).all())
        m.d.comb += [
            magnitude.eq(Mux(total < 0, -total, total)),
            to_raw.magnitude.eq(magnitude),
            to_raw.exponent.eq(Const(exponent, Shape.cast(range(exponent, exponent + 1)))),
            rounder.significand.eq(to_raw.significand),
            rounder.biased.eq(to_raw.biased),
            rounder.sign.eq(Mux(plus | minus, minus, sum_sign)),
            rounder.infinity.eq(plus | minus),
            rounder.nan.eq(nan | (plus & minus)),
            self.value.eq(rounder.value),
        ]
