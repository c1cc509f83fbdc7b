"""A sum of products as one compressor tree: every lane's bits in one heap, added up once.

Lanes that move by the same amount, those of one microexponent, are added before they move.
"""

from amaranth.hdl import Module, Value
from amaranth.lib import data

from golden.formats import BlockFormat
from hdl.units.core_e2m1 import is_e2m1
from hdl.units.core_lanes import Lanes
from hdl.units.core_operands import decode_block, lanes_per_amount, shift_amounts, split_block
from hdl.units.factors import product_shape

__all__ = ["fused_sum"]


def fused_sum(
    m: Module,
    platform: object,
    formats: tuple[BlockFormat, BlockFormat],
    a: data.View,
    b: data.View,
    width: int,
    *,
    fast: bool,
) -> Value:
    """The sum over k of a[k] * b[k], modulo 2^width; `fast` spends area on a shorter carry path."""
    lanes = Lanes(m, platform, width, fast=fast)
    if not fast and all(is_e2m1(fmt.element) for fmt in formats):
        blocks = [split_block(m, block, fmt, name) for block, fmt, name in zip((a, b), formats, "ab", strict=True)]
        for number, pair in enumerate(zip(*blocks, strict=True)):
            lanes.add_e2m1(number, *pair)
        return lanes.total()
    amounts = shift_amounts(m, lanes.adders, formats, a, b)
    pairs = list(zip(decode_block(m, a, formats[0], name="a"), decode_block(m, b, formats[1], name="b"), strict=True))
    size = lanes_per_amount(formats)
    for number in range(0, len(pairs), size):
        amount = amounts(number, *pairs[number])
        if size == 1 or amount is None:
            lanes.add(number, *pairs[number], amount)
        else:
            room = product_shape(formats[0].element, formats[1].element, count=size).width
            together = Lanes(m, platform, room, fast=fast, group=f"lanes_{number}_")
            for k, pair in enumerate(pairs[number : number + size], number):
                together.add(k, *pair, None)
            lanes.add_sum(number, together.total(), amount)
    return lanes.total()
