"""Scalar reference: the golden model once more, one value at a time, in plain Python integers.

No NumPy and no float: FP32 values are bit patterns, blocks are lists, sums have no width. Slow and obvious on purpose;
the vectorised model is tested equal to it. Products are here (formats.md 0.6, 2.5, 3.3), elements, blocks and their
conversions in `golden.reference_elements`, `_blocks` and `_quantize`, arithmetic in `golden.scalar`; this module names
all of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from golden.formats import BlockFormat
from golden.reference_blocks import (
    Block,
    dequantize,
    integers,
    is_poison,
    pack,
    unit_exponent,
    unpack,
)
from golden.reference_elements import (
    decode_element,
    element_special,
    element_to_fp32,
    encode_element,
    scale_value,
)
from golden.reference_quantize import convert, nvfp4_factors, quantize
from golden.scalar import (
    NAN,
    ONE,
    SIGN,
    fp32_add,
    fp32_divide,
    fp32_multiply,
    is_finite,
    is_nan,
    round_magnitude,
    split,
    to_fp32,
)

__all__ = [
    "NAN",
    "ONE",
    "Block",
    "BlockSum",
    "block_dot",
    "block_special",
    "block_sum",
    "convert",
    "decode_element",
    "dequantize",
    "dot",
    "dot_f25",
    "dot_fused",
    "element_special",
    "element_to_fp32",
    "encode_element",
    "f25_group",
    "fp32_add",
    "fp32_divide",
    "fp32_multiply",
    "fused_add",
    "nvfp4_factors",
    "pack",
    "quantize",
    "relu",
    "round_magnitude",
    "scale_value",
    "to_fp32",
    "unpack",
]


class BlockSum(NamedTuple):
    """The bare result of a block: integer sum, exponent of its least significant bit, poison."""

    sum: int
    exponent: int
    poison: bool


def fused_add(accumulator: int, term: BlockSum) -> int:
    """RNE to FP32 of accumulator + term.sum * 2^term.exponent, rounded once; an exact zero is +0."""
    if term.poison or is_nan(accumulator):
        return NAN
    if not is_finite(accumulator):
        return accumulator
    significand, exponent = split(accumulator)
    lowest = min(exponent, term.exponent)
    return to_fp32((significand << exponent - lowest) + (term.sum << term.exponent - lowest), lowest)


def block_special(a: Block, b: Block) -> int:
    """Pattern of the NaN or infinity that a block's result is, 0 where it is finite."""
    if is_poison(a) or is_poison(b):
        return NAN
    found = set()
    for x, y, x_integer, y_integer in zip(a.codes, b.codes, integers(a), integers(b), strict=True):
        specials = [element_special(x, a.format.element), element_special(y, b.format.element)]
        if not any(specials):
            continue
        # every factor as an infinity, or as a unit or a zero of the right sign
        units = [(ONE if i > 0 else ONE | SIGN) if i else 0 for i in (x_integer, y_integer)]
        found.add(fp32_multiply(*(special or unit for special, unit in zip(specials, units, strict=True))))
    if not found:
        return 0
    return NAN if NAN in found or len(found) > 1 else found.pop()


def block_sum(a: Block, b: Block) -> BlockSum:
    """Exact dot product of two blocks, of different formats if need be; an infinity counts as poison."""
    if block_special(a, b):
        return BlockSum(0, 0, True)
    total = sum(x * y for x, y in zip(integers(a), integers(b), strict=True))
    return BlockSum(total, unit_exponent(a) + unit_exponent(b), False)


def block_dot(a: Block, b: Block) -> int:
    """`block_sum` with one RNE to FP32, infinities as such."""
    total = block_sum(a, b)
    return block_special(a, b) or to_fp32(total.sum, total.exponent)


def dot(a: Sequence[Block], b: Sequence[Block]) -> int:
    """Block results of two long vectors, added in FP32 in order, from +0."""
    total = 0
    for pair in zip(a, b, strict=True):
        total = fp32_add(total, block_dot(*pair))
    return _with_tensor_scales(total, a, b)


def dot_fused(a: Sequence[Block], b: Sequence[Block]) -> int:
    """Exact block sums of two long vectors, each added to the FP32 accumulator with one rounding, from +0."""
    total = 0
    for pair in zip(a, b, strict=True):
        special = block_special(*pair)
        total = fp32_add(total, special) if special else fused_add(total, block_sum(*pair))
    return _with_tensor_scales(total, a, b)


def _with_tensor_scales(total: int, a: Sequence[Block], b: Sequence[Block]) -> int:
    if not (a[0].format.tensor_scale or b[0].format.tensor_scale):
        return total
    return fp32_multiply(total, fp32_multiply(a[0].tensor_scale, b[0].tensor_scale))


def f25_group(sums: Sequence[int], exponents: Sequence[int], width: int) -> tuple[list[int], int]:
    """Aligned addends of a group and the exponent of their unit (formats.md 2.5)."""
    if not any(sums):
        return [0] * len(sums), 0
    largest = max(x for s, x in zip(sums, exponents, strict=True) if s)
    unit = largest + width + (len(sums) - 1).bit_length() - 25
    return [s and (s << x - unit if x >= unit else s >> unit - x) for s, x in zip(sums, exponents, strict=True)], unit


def _sum_width(a: BlockFormat, b: BlockFormat) -> int:
    largest = a.block
    for fmt in (a, b):
        largest *= fmt.element.max_integer << (1 << fmt.microexponent_bits) - 1
    return largest.bit_length() + 1


def dot_f25(a: Sequence[Block], b: Sequence[Block]) -> int:
    """The fixed-point mode: groups of 64 elements in 25 bits, then FP32."""
    total, step = 0, 64 // a[0].format.block
    width = _sum_width(a[0].format, b[0].format)
    terms = [block_sum(*pair) for pair in zip(a, b, strict=True)]
    if any(term.poison for term in terms):
        return NAN
    for start in range(0, len(terms), step):
        group = terms[start : start + step]
        group += [BlockSum(0, 0, False)] * (step - len(group))
        addends, unit = f25_group([term.sum for term in group], [term.exponent for term in group], width)
        total = fp32_add(total, to_fp32(sum(addends), unit))
    return total


def relu(value: int) -> int:
    """NaN stays one (canonical), other values are cut at +0."""
    if is_nan(value):
        return NAN
    return 0 if value & SIGN else value
