"""Which facts of a tensor no descriptor may state (gecko.md 4)."""

from amaranth.hdl import Value
from amaranth.lib import data

from hdl.gecko.bits import ones_below
from hdl.gecko.config import DELTA, FIXED, RAW
from hdl.layouts import FloatLayout

__all__ = ["illegal"]


def illegal(tensor: data.View, value: FloatLayout | None = None) -> Value:
    """Whether the facts are illegal, as far as the unit has them; `value` is the layout of a container's values."""
    coded = (tensor.mode == DELTA) | (tensor.mode == FIXED)
    whole = tensor.ne_minus_1 == 7
    wrong = tensor.mode.all()  # 3
    wrong |= coded & (tensor.ne_minus_1 == 0)  # the difference of 1-bit codes has no row code
    wrong |= (tensor.bias[1:] & ~ones_below(tensor.ne_minus_1, 7)).any()  # from bit ne up
    if "zero_mask" in tensor.shape().members:
        wrong |= tensor.zero_mask & (tensor.mode == RAW)
    if value is not None:
        wrong |= tensor.mantissa_bits > value.fraction_bits
        wrong |= whole & tensor.offset.any()
    return wrong
