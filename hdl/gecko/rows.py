"""The row code of gecko.md 3, both ways, for one row of eight lanes: combinational."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import reduce_tree
from hdl.gecko.bits import bit_length, ones_below
from hdl.gecko.config import LANES

__all__ = ["CodeRow", "UndoRow", "lanes"]

MAGNITUDE = 7  # bits: a difference modulo 2^8 is -128..127, and -128 has a code of its own


def lanes(bits: int) -> data.ArrayLayout:
    """`bits` in each of the eight lanes."""
    return data.ArrayLayout(bits, LANES)


class CodeRow(wiring.Component):
    """Differences of a row to row code and width field, 2 to 8 exponent bits.

    A difference is taken modulo 2^ne: its bits from ne up are ignored. `code` is magnitude * 2 + sign, with minus zero
    for -H; `width` is the longest magnitude's, or ne - 1 if any lane is minus zero.
    """

    def __init__(self) -> None:
        super().__init__({"difference": In(lanes(8)), "ne_minus_1": In(3), "code": Out(lanes(8)), "width": Out(3)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        below_sign = Signal(MAGNITUDE)
        sign_bit = Signal(8)
        top_magnitude = Signal(MAGNITUDE)
        m.d.comb += [
            below_sign.eq(ones_below(self.ne_minus_1, MAGNITUDE)),
            sign_bit.eq(Const(1) << self.ne_minus_1),
            # The highest bit of a magnitude: what a width of ne - 1 needs at least.
            top_magnitude.eq(sign_bit[1:]),
        ]
        reach = []
        for c in range(LANES):
            d = self.difference[c]
            negative = Signal(name=f"negative_{c}")
            magnitude = Signal(MAGNITUDE, name=f"magnitude_{c}")
            m.d.comb += [
                negative.eq((d & sign_bit).any()),
                # The magnitude of -H is H, whose only bit lies above the mask: minus zero by itself.
                magnitude.eq(Mux(negative, -d, d) & below_sign),
                self.code[c].eq(Cat(negative, magnitude)),
            ]
            minus_zero = negative & ~magnitude.any()
            reach.append(magnitude | Mux(minus_zero, top_magnitude, 0))
        m.d.comb += self.width.eq(bit_length(reduce_tree(lambda a, b: a | b, reach)))
        return m


class UndoRow(wiring.Component):
    """Row code back to exponent codes: base plus difference modulo 2^ne; minus zero is -H whatever the width was.

    The bits of a code above its row's width must be zero.
    """

    def __init__(self) -> None:
        super().__init__({"code": In(lanes(8)), "base": In(lanes(8)), "ne_minus_1": In(3), "exponent": Out(lanes(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        legal = Signal(8)
        half = Signal(8)
        m.d.comb += [legal.eq(Cat(1, ones_below(self.ne_minus_1, 7))), half.eq(Const(1) << self.ne_minus_1)]
        for c in range(LANES):
            code, base = self.code[c], self.base[c]
            step = Signal(8, name=f"step_{c}")
            m.d.comb += [
                step.eq(code[1:] | Mux(code == 1, half, 0)),
                self.exponent[c].eq(Mux(code[0], base - step, base + step) & legal),
            ]
        return m
