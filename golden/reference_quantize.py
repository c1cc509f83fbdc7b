"""Scalar reference, conversions: blocks from FP32 patterns and from other blocks (formats.md 0.7, 0.8, 1.3, 2.2, 4).

No NumPy and no float: FP32 values are bit patterns, blocks are lists. Public through `golden.reference`.
"""

from collections.abc import Sequence

from golden.emulator import EPSILON, fraction_limit
from golden.formats import BlockFormat, ElementFormat, Rounding, ScaleRule
from golden.reference_blocks import Block, integers, is_poison, unit_exponent
from golden.reference_elements import element_special, element_to_fp32, encode_element, encode_exact
from golden.scalar import (
    FLT_MAX,
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

__all__ = ["convert", "nvfp4_factors", "quantize"]


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


def _flushed(value: int) -> int:
    """A zero of its sign in place of a subnormal."""
    return value & SIGN if value & ~SIGN < 0x00800000 else value


def quantize(
    values: Sequence[int],
    fmt: BlockFormat,
    rounding: Rounding = Rounding.RNE,
    scale_rule: str = ScaleRule.FLOOR,
    words: Sequence[int] | None = None,
    word_bits: int = 0,
    tensor: Sequence[int] | None = None,
    flush_subnormals: bool = False,
) -> Block:
    """One block of FP32 patterns; SR takes a word of `word_bits` bits per element.

    `tensor` holds all patterns of the block's tensor, where a tensor scale looks at them (without: the block's own).
    `flush_subnormals` takes subnormal values for zeros of their sign (formats.md 0.5).
    """
    if flush_subnormals:
        values = [_flushed(value) for value in values]
        tensor = None if tensor is None else [_flushed(value) for value in tensor]
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
