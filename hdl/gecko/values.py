"""Float values to exponent codes and tails, and back, under the facts of a tensor (gecko.md 1, 4).

A tail is the fraction, in its own place, with the sign on top.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import reduce_tree
from hdl.gecko.bits import ones_below
from hdl.gecko.config import LANES
from hdl.gecko.rows import lanes
from hdl.gecko.tensor import illegal
from hdl.layouts import FloatLayout

__all__ = ["ERRORS", "SplitRow", "join_exponent"]

# Values that a tensor's facts rule out, and facts that rule each other out.
ERRORS = data.StructLayout({"sign": 1, "window": 1, "nan": 1, "tensor": 1})


class SplitRow(wiring.Component):
    """A row of values to exponent codes and tails.

    Fractions keep the bits below their top wm, for the packer to drop; a NaN that would become an infinity by that gets
    its quiet bit. Lanes that are not `present` are +0, and so are values outside the window, with an error. A tensor
    with illegal facts is an error in every row, empty or not.
    """

    def __init__(self, value: FloatLayout, tensor: data.StructLayout) -> None:
        self._value = value
        super().__init__(
            {
                "value": In(data.ArrayLayout(value, LANES)),
                "present": In(LANES),
                "tensor": In(tensor),
                "exponent": Out(lanes(8)),
                "tail": Out(lanes(value.fraction_bits + 1)),
                "errors": Out(ERRORS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tensor, fraction_bits = self.tensor, self._value.fraction_bits
        whole = tensor.ne_minus_1 == 7
        above = Signal(8)  # bits that a code of ne bits does not have
        kept = Signal(fraction_bits)  # the top wm bits of a fraction
        m.d.comb += [
            above.eq(~Cat(1, ones_below(tensor.ne_minus_1, 7))),
            kept.eq(ones_below(tensor.mantissa_bits, fraction_bits)[::-1]),
        ]
        errors: list[Value] = []
        for c in range(LANES):
            value, code = self.value[c], Signal(8, name=f"code_{c}")
            outside, nan = Signal(name=f"outside_{c}"), Signal(name=f"nan_{c}")
            stored, quiet = Signal(name=f"stored_{c}"), Signal(name=f"quiet_{c}")
            m.d.comb += [
                code.eq(value.exponent - tensor.offset),
                outside.eq(~whole & value.exponent.any() & ((code & above).any() | ~code.any())),
                # Below 8 exponent bits zeros and subnormals become +0.
                stored.eq(self.present[c] & (whole | value.exponent.any()) & ~outside),
                nan.eq(value.exponent.all() & value.fraction.any()),
                quiet.eq(nan & ~(value.fraction & kept).any()),
                self.exponent[c].eq(Mux(stored, Mux(whole, value.exponent, code), 0)),
                self.tail[c].eq(Mux(stored, Cat(value.fraction[:-1], value.fraction[-1] | quiet, value.sign), 0)),
            ]
            wrong = Cat(value.sign & tensor.sign_elided, outside, nan & (tensor.mantissa_bits == 0))
            errors.append(Mux(self.present[c], wrong, 0))
        m.d.comb += self.errors.eq(Cat(reduce_tree(lambda a, b: a | b, errors), illegal(tensor, self._value)))
        return m


def join_exponent(code: Value, tensor: data.View) -> Value:
    """Exponent field of a code; code 0 is field 0 whatever the offset, which is 0 for codes of 8 bits."""
    return Mux(code.any(), (code + tensor.offset)[:8], 0)
