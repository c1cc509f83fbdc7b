"""Scalar reference, blocks: one element, one block at a time, in plain Python integers (formats.md 0.3-0.9, 2.2, 4).

No NumPy and no float: FP32 values are bit patterns, blocks are lists. Public through `golden.reference`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from golden.emulator import EPSILON, fraction_limit
from golden.formats import BlockFormat, ElementEncoding, ElementFormat, Rounding, ScaleFormat, ScaleRule, Specials
from golden.scalar import (
    FLT_MAX,
    INFINITY,
    NAN,
    ONE,
    SIGN,
    fp32_add,
    fp32_divide,
    fp32_multiply,
    is_finite,
    round_magnitude,
    split,
    to_fp32,
)

__all__ = [
    "Block",
    "convert",
    "decode_element",
    "dequantize",
    "element_special",
    "element_to_fp32",
    "encode_element",
    "integers",
    "is_poison",
    "nvfp4_factors",
    "pack",
    "quantize",
    "scale_value",
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


def encode_element(
    value: int, exponent: int, element: ElementFormat, rounding: Rounding, word: int = 0, word_bits: int = 0
) -> int:
    """Stored code of a finite FP32 pattern under a shared exponent: round, then saturate."""
    significand, place = split(value)
    return encode_exact(significand, place, bool(value >> 31), exponent, element, rounding, word, word_bits)


def encode_exact(
    significand: int,
    place: int,
    negative: bool,
    exponent: int,
    element: ElementFormat,
    rounding: Rounding,
    word: int = 0,
    word_bits: int = 0,
) -> int:
    """`encode_element` of significand * 2^place; `negative` is the sign where that is zero."""
    length = abs(significand).bit_length()
    last = element.lsb_exponent  # exponent of the last place that is kept
    if element.is_float:
        last = max(length - 1 + place - exponent - element.mantissa_bits, last)
    rounded = round_magnitude(abs(significand), place - exponent - last, rounding, word, word_bits)
    magnitude = min(rounded << last - element.lsb_exponent, element.max_integer)

    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return (-magnitude if significand < 0 else magnitude) % (1 << element.bits)
    code = magnitude
    if element.is_float and magnitude >> element.mantissa_bits:  # normal: the hidden one is not stored
        shift = magnitude.bit_length() - 1 - element.mantissa_bits
        code = (shift + 1 << element.mantissa_bits) + (magnitude >> shift) - (1 << element.mantissa_bits)
    negative = negative if element.keeps_negative_zero else significand < 0 and code > 0
    return negative << element.bits - 1 | code


def decode_element(code: int, element: ElementFormat) -> int:
    """Signed integer in units of 2^lsb_exponent; 0 for codes that are not numbers."""
    top = 1 << element.bits - 1
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return code - 2 * (code & top)
    sign, magnitude = -1 if code & top else 1, code % top
    if element_special(code, element):
        return 0
    if element.is_float:
        field, fraction = divmod(magnitude, 1 << element.mantissa_bits)
        magnitude = (fraction + (1 << element.mantissa_bits) << field - 1) if field else fraction
    return sign * magnitude


def element_special(code: int, element: ElementFormat) -> int:
    """FP32 pattern of an infinity or a NaN, 0 for a number."""
    field, fraction = divmod(code % (1 << element.bits - 1), 1 << element.mantissa_bits)
    ones = field == (1 << element.exponent_bits) - 1
    if element.specials is Specials.NAN and ones and fraction == (1 << element.mantissa_bits) - 1:
        return NAN
    if element.specials is Specials.IEEE and ones:
        return NAN if fraction else code >> element.bits - 1 << 31 | INFINITY
    return 0


def element_to_fp32(code: int, element: ElementFormat, factor: int = 1, exponent: int = 0) -> int:
    """FP32 pattern of an element times factor * 2^exponent, once rounded; a minifloat's zero keeps its sign."""
    if special := element_special(code, element):
        return special
    value = to_fp32(decode_element(code, element) * factor, exponent + element.lsb_exponent)
    negative_zero = element.keeps_negative_zero and value == 0 and bool(code >> element.bits - 1) != (factor < 0)
    return SIGN if negative_zero else value


def scale_value(code: int, scale: ScaleFormat) -> tuple[int, int]:
    """Significand and exponent of a stored scale, poison aside."""
    if scale.minifloat is None:
        return 1, scale.decode(code)
    field = code % (1 << scale.bits - 1) >> scale.minifloat.mantissa_bits
    exponent = max(field, 1) - 1 + scale.minifloat.lsb_exponent
    return decode_element(code, scale.minifloat) >> exponent - scale.minifloat.lsb_exponent, exponent


def _rule_exponent(significand: int, exponent: int, element: ElementFormat, rule: ScaleRule) -> int:
    """e_R(a) of a = significand * 2^exponent > 0."""
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


def _emulator_exponent(maximum: int) -> int:
    total = fp32_add(maximum, EPSILON)
    k = (total >> 23) - 127
    return k + (total & 0x7FFFFF > fraction_limit(k))


def _exponents(maxima: list[tuple[int, int]], fmt: BlockFormat, rule: str) -> tuple[int, list[int]]:
    """Shared exponent of a block, and the microexponent of every pair, from the pairs' largest magnitudes.

    A magnitude is an integer and the exponent of its unit.
    """
    scale = fmt.scale

    def wanted(maximum: tuple[int, int]) -> int:
        return _rule_exponent(*maximum, fmt.element, ScaleRule(rule)) - fmt.element.emax

    shared = min(max([scale.lowest, *(wanted(maximum) for maximum in maxima if maximum[0])]), scale.highest)
    shifts = []
    for maximum in maxima if fmt.microexponents else []:
        distance = shared - wanted(maximum) if maximum[0] else fmt.max_microexponent
        shifts.append(max(0, min(distance, fmt.max_microexponent)))
    return shared, shifts


def nvfp4_factors(values: Sequence[int]) -> tuple[int, int]:
    """(encode, decode) patterns of a tensor: from 448 * 6 over its largest finite magnitude."""
    maximum = max([value & ~SIGN for value in values if is_finite(value)], default=0)
    encode = min(fp32_divide(to_fp32(2688, 0), maximum), FLT_MAX) if maximum else ONE
    return encode, fp32_divide(ONE, encode)


def _quantize_nvfp4(
    values: Sequence[int],
    fmt: BlockFormat,
    factors: tuple[int, int],
    rounding: Rounding,
    words: Sequence[int],
    word_bits: int,
) -> Block:
    encode, decode = factors
    scale, six = fmt.scale.minifloat, to_fp32(6, 0)
    assert scale is not None
    maximum = max(value & ~SIGN for value in values)
    wanted = fp32_multiply(maximum, fp32_multiply(encode, fp32_divide(ONE, six)))
    stored = encode_element(min(wanted, to_fp32(448, 0)), 0, scale, Rounding.RNE)
    factor = min(fp32_divide(ONE, fp32_multiply(element_to_fp32(stored, scale), decode)), FLT_MAX)
    codes = []
    for value, word in zip(values, words, strict=True):
        magnitude = min(fp32_multiply(value & ~SIGN, factor), six)
        codes.append(encode_element(value & SIGN | magnitude, 0, fmt.element, rounding, word, word_bits))
    return Block(fmt, stored, codes, [], decode)


def quantize(
    values: Sequence[int],
    fmt: BlockFormat,
    rounding: Rounding = Rounding.RNE,
    scale_rule: str = ScaleRule.FLOOR,
    words: Sequence[int] | None = None,
    word_bits: int = 0,
    tensor: Sequence[int] | None = None,
) -> Block:
    """One block of FP32 patterns; SR takes a word of `word_bits` bits per element.

    `tensor` holds all patterns of the block's tensor, where a tensor scale looks at them (without: the block's own).
    """
    words = words or [0] * len(values)
    factors = nvfp4_factors(values if tensor is None else tensor) if fmt.tensor_scale else None
    if not all(map(is_finite, values)):
        shifts = [0] * fmt.microexponents
        return Block(fmt, fmt.scale.poison_code, [0] * fmt.block, shifts, factors[1] if factors else ONE)
    if factors:
        return _quantize_nvfp4(values, fmt, factors, rounding, words, word_bits)
    width = fmt.subblock if fmt.microexponents else fmt.block
    maxima = [max(value & ~SIGN for value in values[i : i + width]) for i in range(0, fmt.block, width)]
    if scale_rule == "emulator":
        shared, shifts = min(max(_emulator_exponent(max(maxima)), fmt.scale.lowest), fmt.scale.highest), []
    else:
        shared, shifts = _exponents([split(maximum) for maximum in maxima], fmt, scale_rule)
    codes = [
        encode_element(value, shared - (shifts[i // width] if shifts else 0), fmt.element, rounding, word, word_bits)
        for i, (value, word) in enumerate(zip(values, words, strict=True))
    ]
    return Block(fmt, fmt.scale.encode(shared), codes, shifts)


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


def convert(
    block: Block, fmt: BlockFormat, rounding: Rounding = Rounding.RNE, scale_rule: str = ScaleRule.FLOOR
) -> Block:
    """A block of another format from the exact values of this one."""
    source = block.format.element
    if is_poison(block) or any(element_special(code, source) for code in block.codes):
        return Block(fmt, fmt.scale.poison_code, [0] * fmt.block, [0] * fmt.microexponents)
    values, unit = integers(block), unit_exponent(block)
    width = fmt.subblock if fmt.microexponents else fmt.block
    maxima = [(max(map(abs, values[i : i + width])), unit) for i in range(0, fmt.block, width)]
    shared, shifts = _exponents(maxima, fmt, scale_rule)
    codes = []
    for i, (code, value) in enumerate(zip(block.codes, values, strict=True)):
        negative = value < 0 or (source.keeps_negative_zero and value == 0 and bool(code >> source.bits - 1))
        exponent = shared - (shifts[i // width] if shifts else 0)
        codes.append(encode_exact(value, unit, negative, exponent, fmt.element, rounding))
    return Block(fmt, fmt.scale.encode(shared), codes, shifts)


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
