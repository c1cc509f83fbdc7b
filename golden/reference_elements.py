"""Scalar reference, elements: one code at a time, in plain Python integers (formats.md 0.2, 0.3, 0.8, 3.1).

No NumPy and no float: FP32 values are bit patterns. Public through `golden.reference`.
"""

from golden.formats import ElementEncoding, ElementFormat, Rounding, ScaleFormat, Specials
from golden.scalar import INFINITY, NAN, SIGN, round_magnitude, split, to_fp32

__all__ = [
    "decode_element",
    "element_special",
    "element_to_fp32",
    "encode_element",
    "encode_exact",
    "scale_value",
]


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
