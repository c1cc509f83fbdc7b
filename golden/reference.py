"""Scalar reference: the golden model once more, one value at a time, in plain Python integers.

No NumPy and no float: FP32 values are bit patterns, blocks are lists, sums have no width. Slow and obvious on purpose;
the vectorised model is tested equal to it. Source: formats.md 0.1-0.9, 1.2. Elements are integer mantissas in
sign-magnitude, which is BFP and MSFP.
"""

from collections.abc import Sequence
from typing import NamedTuple

from golden.emulator import EPSILON, fraction_limit
from golden.formats import BlockFormat, ElementFormat, Rounding, ScaleRule

__all__ = [
    "NAN",
    "Block",
    "BlockSum",
    "block_dot",
    "block_sum",
    "dequantize",
    "dot",
    "dot_fused",
    "fp32_add",
    "fused_add",
    "pack",
    "quantize",
    "relu",
    "round_magnitude",
    "to_fp32",
    "unpack",
]

NAN, INFINITY, SIGN = 0x7FC00000, 0x7F800000, 0x80000000


class Block(NamedTuple):
    """A stored block: its format, its stored scale and the stored code of every element."""

    format: BlockFormat
    scale: int
    codes: list[int]


class BlockSum(NamedTuple):
    """The bare result of a block: integer sum, exponent of its least significant bit, poison."""

    sum: int
    exponent: int
    poison: bool


def round_magnitude(magnitude: int, shift: int, rounding: Rounding, word: int = 0, word_bits: int = 0) -> int:
    """round(magnitude * 2^shift) for magnitude >= 0; SR adds word / 2^word_bits and truncates."""
    if shift >= 0:
        return magnitude << shift
    if rounding is Rounding.SR:
        # a common denominator of 2^(word_bits - shift)
        return ((magnitude << word_bits) + (word << -shift)) >> (word_bits - shift)
    whole, rest = magnitude >> -shift, magnitude & (1 << -shift) - 1
    half = 1 << -shift - 1
    if rounding is Rounding.RTZ:
        return whole
    tie_up = rounding is Rounding.RNA or whole % 2 == 1
    return whole + (rest > half or (rest == half and tie_up))


def _is_nan(bits: int) -> bool:
    return bits & ~SIGN > INFINITY


def _is_finite(bits: int) -> bool:
    return bits & ~SIGN < INFINITY


def _split(bits: int) -> tuple[int, int]:
    """Signed significand and exponent of a finite pattern: its value is significand * 2^exponent."""
    field, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
    significand = fraction + (1 << 23 if field else 0)
    return -significand if bits & SIGN else significand, max(field, 1) - 150


def to_fp32(integer: int, exponent: int) -> int:
    """RNE of integer * 2^exponent to an FP32 pattern; the integer 0 gives +0."""
    if integer == 0:
        return 0
    sign, magnitude = (SIGN if integer < 0 else 0), abs(integer)
    # The result's last place: 24 significant bits, but never below the least subnormal.
    place = max(magnitude.bit_length() + exponent - 24, -149)
    significand = round_magnitude(magnitude, exponent - place, Rounding.RNE)
    # The hidden one adds one to the exponent field by itself, as does a carry out of rounding.
    return sign | min(significand + (place + 149 << 23), INFINITY)


def fp32_add(x: int, y: int) -> int:
    """Sum of two FP32 patterns, RNE, every NaN canonical; an exact zero is +0 unless both operands are -0."""
    if _is_nan(x) or _is_nan(y) or (not _is_finite(x) and not _is_finite(y) and x != y):
        return NAN
    if not _is_finite(x):
        return x
    if not _is_finite(y):
        return y
    if x == y == SIGN:
        return x
    return fused_add(x, BlockSum(*_split(y), False))


def fused_add(accumulator: int, term: BlockSum) -> int:
    """RNE to FP32 of accumulator + term.sum * 2^term.exponent, rounded once; an exact zero is +0."""
    if term.poison or _is_nan(accumulator):
        return NAN
    if not _is_finite(accumulator):
        return accumulator
    significand, exponent = _split(accumulator)
    lowest = min(exponent, term.exponent)
    return to_fp32((significand << exponent - lowest) + (term.sum << term.exponent - lowest), lowest)


def _scale_exponent(maximum: int, element: ElementFormat, rule: ScaleRule) -> int:
    """e_R(a) of a positive finite pattern without sign."""
    significand, exponent = _split(maximum)
    length = significand.bit_length()
    floor = length - 1 + exponent
    if rule is ScaleRule.CEIL:
        # a > P * 2^floor, with P the largest element scaled into [1, 2), over a common denominator
        largest = element.max_integer
        return floor + (significand << largest.bit_length() - 1 > largest << length - 1)
    if rule is ScaleRule.EVEN:
        rounded = round_magnitude(significand, element.precision - length, Rounding.RNE)
        return floor + (rounded.bit_length() - element.precision)  # one bit longer where rounding carried
    return floor


def quantize(
    values: Sequence[int],
    fmt: BlockFormat,
    rounding: Rounding = Rounding.RNE,
    scale_rule: str = ScaleRule.FLOOR,
    words: Sequence[int] | None = None,
    word_bits: int = 0,
) -> Block:
    """One block of FP32 patterns; SR takes a word of `word_bits` bits per element."""
    scale, element = fmt.scale, fmt.element
    maximum = max(value & ~SIGN for value in values)
    if not _is_finite(maximum):
        return Block(fmt, scale.poison_code, [0] * fmt.block)
    if scale_rule == "emulator":
        total = fp32_add(maximum, EPSILON)
        k = (total >> 23) - 127
        exponent = k + (total & 0x7FFFFF > fraction_limit(k))
    elif maximum == 0:
        exponent = scale.lowest
    else:
        exponent = _scale_exponent(maximum, element, ScaleRule(scale_rule)) - element.emax
    exponent = min(max(exponent, scale.lowest), scale.highest)

    codes = []
    for value, word in zip(values, words or [0] * len(values), strict=True):
        significand, place = _split(value)
        shift = place - exponent - element.lsb_exponent
        magnitude = min(round_magnitude(abs(significand), shift, rounding, word, word_bits), element.max_integer)
        codes.append(magnitude | (significand < 0 and magnitude > 0) << element.mantissa_bits)
    return Block(fmt, scale.encode(exponent), codes)


def _poison(block: Block) -> bool:
    return block.scale == block.format.scale.poison_code


def _integers(block: Block) -> list[int]:
    magnitude_bits = block.format.element.mantissa_bits
    return [(-1) ** (code >> magnitude_bits) * (code & (1 << magnitude_bits) - 1) for code in block.codes]


def _lsb(block: Block) -> int:
    return block.format.scale.decode(block.scale) + block.format.element.lsb_exponent


def dequantize(block: Block) -> list[int]:
    """FP32 patterns of the elements, all NaN in a poisoned block."""
    if _poison(block):
        return [NAN] * block.format.block
    return [to_fp32(integer, _lsb(block)) for integer in _integers(block)]


def block_sum(a: Block, b: Block) -> BlockSum:
    """Exact dot product of two blocks, of different mantissa widths if need be."""
    if _poison(a) or _poison(b):
        return BlockSum(0, 0, True)
    return BlockSum(sum(x * y for x, y in zip(_integers(a), _integers(b), strict=True)), _lsb(a) + _lsb(b), False)


def block_dot(a: Block, b: Block) -> int:
    """`block_sum` with one RNE to FP32."""
    total = block_sum(a, b)
    return NAN if total.poison else to_fp32(total.sum, total.exponent)


def dot(a: Sequence[Block], b: Sequence[Block]) -> int:
    """Block results of two long vectors, added in FP32 in order, from +0."""
    total = 0
    for pair in zip(a, b, strict=True):
        total = fp32_add(total, block_dot(*pair))
    return total


def dot_fused(a: Sequence[Block], b: Sequence[Block]) -> int:
    """Exact block sums of two long vectors, each added to the FP32 accumulator with one rounding, from +0."""
    total = 0
    for pair in zip(a, b, strict=True):
        total = fused_add(total, block_sum(*pair))
    return total


def relu(value: int) -> int:
    """NaN stays one (canonical), other values are cut at +0."""
    if _is_nan(value):
        return NAN
    return 0 if value & SIGN else value


def pack(block: Block) -> int:
    """The stored block as one integer: elements from bit 0 up, the scale on top."""
    width = block.format.element.bits
    return sum(code << width * i for i, code in enumerate([*block.codes, block.scale]))


def unpack(packed: int, fmt: BlockFormat) -> Block:
    """The block behind an integer."""
    width = fmt.element.bits
    codes = [packed >> width * i & (1 << width) - 1 for i in range(fmt.block)]
    return Block(fmt, packed >> width * fmt.block & (1 << fmt.scale.bits) - 1, codes)
