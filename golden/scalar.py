"""Scalar reference, its arithmetic: FP32 bit patterns and plain Python integers, no NumPy and no float.

Every operation is exact on integers of any length and rounds once, so that `golden.reference` reads like the
specification (formats.md 0.2, 0.6). Every NaN that comes out is the canonical one.
"""

from golden.formats import Rounding

__all__ = [
    "FLT_MAX",
    "INFINITY",
    "NAN",
    "ONE",
    "SIGN",
    "fp32_add",
    "fp32_divide",
    "fp32_multiply",
    "is_finite",
    "is_nan",
    "round_magnitude",
    "split",
    "to_fp32",
]

NAN, INFINITY, FLT_MAX, ONE, SIGN = 0x7FC00000, 0x7F800000, 0x7F7FFFFF, 0x3F800000, 0x80000000


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


def is_nan(bits: int) -> bool:
    """Whether a pattern is any NaN."""
    return bits & ~SIGN > INFINITY


def is_finite(bits: int) -> bool:
    """Whether a pattern is a number."""
    return bits & ~SIGN < INFINITY


def split(bits: int) -> tuple[int, int]:
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
    """x + y, RNE; an exact zero is +0 unless both operands are -0."""
    if is_nan(x) or is_nan(y) or (not is_finite(x) and not is_finite(y) and x != y):
        return NAN
    if not is_finite(x):
        return x
    if not is_finite(y):
        return y
    if x == y == SIGN:
        return x
    (a, a_exponent), (b, b_exponent) = split(x), split(y)
    lowest = min(a_exponent, b_exponent)
    return to_fp32((a << a_exponent - lowest) + (b << b_exponent - lowest), lowest)


def fp32_multiply(x: int, y: int) -> int:
    """x * y, RNE."""
    sign, x, y = (x ^ y) & SIGN, x & ~SIGN, y & ~SIGN
    if max(x, y) > INFINITY or (max(x, y) == INFINITY and min(x, y) == 0):
        return NAN
    if max(x, y) == INFINITY:
        return sign | INFINITY
    (a, a_exponent), (b, b_exponent) = split(x), split(y)
    return sign | to_fp32(a * b, a_exponent + b_exponent)


def fp32_divide(x: int, y: int) -> int:
    """x / y, RNE, for finite operands."""
    sign, x, y = (x ^ y) & SIGN, x & ~SIGN, y & ~SIGN
    if y == 0:
        return NAN if x == 0 else sign | INFINITY
    (a, a_exponent), (b, b_exponent) = split(x), split(y)
    quotient, rest = divmod(a << 64, b)  # at least 40 bits of it; what is left over is one sticky bit below
    return sign | to_fp32(quotient << 1 | (rest > 0), a_exponent - b_exponent - 65)
