"""Scalar reference, blocks: what one stored block holds, in plain Python integers (formats.md 0.4, 0.6, 0.9).

No NumPy and no float: FP32 values are bit patterns, blocks are lists. Public through `golden.reference`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from golden.formats import BlockFormat
from golden.reference_elements import decode_element, element_to_fp32, scale_value
from golden.scalar import NAN, ONE, split

__all__ = [
    "Block",
    "dequantize",
    "integers",
    "is_poison",
    "pack",
    "unit_exponent",
    "unpack",
]


class Block(NamedTuple):
    """A stored block: format, stored scale, the code of every element, microexponents, FP32 scale of its tensor."""

    format: BlockFormat
    scale: int
    codes: list[int]
    microexponents: Sequence[int] = []  # shared, and never written to
    tensor_scale: int = ONE


def is_poison(block: Block) -> bool:
    """Whether the block took in a NaN or an infinity."""
    scale = block.format.scale
    return (
        block.scale % (1 << scale.bits - 1) == scale.poison_code
        if scale.minifloat
        else (block.scale == scale.poison_code)
    )


def _shift(block: Block, i: int) -> int:
    """Microexponent of element i."""
    return block.microexponents[i // block.format.subblock] if block.microexponents else 0


def unit_exponent(block: Block) -> int:
    """Exponent of the unit in which all elements are integers."""
    return scale_value(block.scale, block.format.scale)[1] + block.format.unit_exponent


def integers(block: Block) -> list[int]:
    """The elements in that unit, tensor scale apart: microexponents shift left, a scale's significand multiplies."""
    fmt, factor = block.format, scale_value(block.scale, block.format.scale)[0]
    return [
        decode_element(code, fmt.element) * factor << fmt.max_microexponent - _shift(block, i)
        for i, code in enumerate(block.codes)
    ]


def dequantize(block: Block) -> list[int]:
    """FP32 patterns of the elements, all NaN in a poisoned block."""
    if is_poison(block):
        return [NAN] * block.format.block
    factor, exponent = scale_value(block.scale, block.format.scale)
    tensor, place = split(block.tensor_scale)
    return [
        element_to_fp32(code, block.format.element, factor * tensor, exponent + place - _shift(block, i))
        for i, code in enumerate(block.codes)
    ]


def pack(block: Block) -> int:
    """The stored block as one integer: elements from bit 0 up, then microexponents, the scale on top."""
    fmt = block.format
    packed, place = 0, 0
    for width, codes in (
        (fmt.element.bits, block.codes),
        (fmt.microexponent_bits, block.microexponents),
        (fmt.scale.bits, [block.scale]),
    ):
        for code in codes:
            packed, place = packed | code << place, place + width
    return packed


def unpack(packed: int, fmt: BlockFormat, tensor_scale: int = ONE) -> Block:
    """The block behind an integer."""

    def take(width: int, count: int) -> list[int]:
        nonlocal packed
        codes = [packed >> width * i & (1 << width) - 1 for i in range(count)]
        packed >>= width * count
        return codes

    codes = take(fmt.element.bits, fmt.block)
    shifts = take(fmt.microexponent_bits, fmt.microexponents)
    return Block(fmt, take(fmt.scale.bits, 1)[0], codes, shifts, tensor_scale)
