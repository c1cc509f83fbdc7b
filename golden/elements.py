"""Element codecs: FP32 magnitudes under a shared exponent to stored codes, and codes back to integers.

An element is a signed multiple of 2^(E + lsb_exponent), or one of the specials of its format. `ElementFormat` alone
describes integers in sign-magnitude and two's complement and every minifloat; nothing here knows a format's name.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import ElementEncoding, ElementFormat, Rounding, Specials
from golden.rounding import NAN, round_magnitude, to_fp32, unpack_fp32

__all__ = ["code_dtype", "decode", "encode", "restore", "specials", "to_float32", "unpack"]

Codes = NDArray[np.uint8 | np.uint16]


def code_dtype(bits: int) -> type[np.uint8 | np.uint16]:
    """The unsigned type that stored codes of this width are kept in."""
    return np.uint8 if bits <= 8 else np.uint16


def encode(
    bits: NDArray[np.uint32],
    exponents: NDArray[np.int64] | int,
    element: ElementFormat,
    rounding: Rounding,
    words: NDArray[np.unsignedinteger[Any]] | None = None,
    word_bits: int = 0,
) -> Codes:
    """Stored codes of finite FP32 patterns under shared exponents (broadcast): round first, then saturate.

    No finite value becomes a special. A value that rounds to zero keeps its sign in a minifloat; an integer mantissa
    has one zero, sign 0.
    """
    sign, significand, exponent = unpack_fp32(bits)
    # The exponent of the last place that is kept, and the code of the significand 0 in that place.
    place: NDArray[np.int64] | int = element.lsb_exponent
    base: NDArray[np.int64] | int = 0
    if element.is_float:
        # frexp is exact on every finite FP32, subnormals included; below the element's normal range, and for a zero,
        # places stay put.
        binade = np.frexp(bits.view(np.float32))[1] - 1 - exponents
        place = np.where(significand > 0, np.maximum(binade - element.mantissa_bits, place), place)
        base = (place - element.lsb_exponent) << element.mantissa_bits
    magnitude = round_magnitude(significand, exponent - (exponents + place), rounding, words, word_bits)
    # The hidden one adds one to the exponent field by itself, as does a carry out of rounding.
    magnitude = np.minimum(base + magnitude, element.max_code)
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        codes = np.where(sign, -magnitude, magnitude) & ((1 << element.bits) - 1)
    else:
        kept = sign if element.keeps_negative_zero else sign & (magnitude > 0)
        codes = magnitude | (kept.astype(np.int64) << (element.bits - 1))
    return codes.astype(code_dtype(element.bits))


def unpack(codes: Codes, element: ElementFormat) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Sign, significand and exponent beside E of stored codes: (-1)^sign * significand * 2^exponent.

    Like FP32 patterns, subnormals keep the lowest exponent and nothing is normalised. Codes that are not numbers have
    the significand 0.
    """
    negative, wide = (codes >> (element.bits - 1)).astype(np.bool_), codes.astype(np.int64)
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return negative, np.abs(wide - (wide >> element.mantissa_bits << element.bits)), np.array(element.lsb_exponent)
    magnitude = wide & ((1 << element.bits - 1) - 1)
    if not element.is_float:
        return negative, magnitude, np.array(element.lsb_exponent)
    field = magnitude >> element.mantissa_bits
    binade = np.maximum(field - 1, 0)  # both of subnormals and of the first normal numbers
    significand = magnitude - (binade << element.mantissa_bits)  # a field of 1 is left, the hidden one
    return negative, np.where(magnitude <= element.max_code, significand, 0), binade + element.lsb_exponent


def decode(codes: Codes, element: ElementFormat) -> NDArray[np.int64]:
    """Signed integers in units of 2^(E + lsb_exponent): 0 for a negative zero and for codes that are not numbers."""
    if element.largest_code_integer >= 1 << 62:
        raise ValueError(f"{element.exponent_bits} exponent bits: elements of this range are no 64-bit integers")
    negative, significand, exponents = unpack(codes, element)
    magnitude = significand << (exponents - element.lsb_exponent)
    return np.where(negative, -magnitude, magnitude)


def specials(codes: Codes, element: ElementFormat) -> NDArray[np.float32]:
    """Infinities and NaN (0x7FC00000) among stored codes, +0 elsewhere."""
    found = np.zeros(codes.shape, np.float32)
    if element.specials is Specials.NONE:
        return found
    magnitude = codes & ((1 << element.bits - 1) - 1)
    found[magnitude > element.max_code] = NAN.view(np.float32)
    if element.specials is Specials.IEEE:
        infinite = magnitude == element.max_code + 1
        found[infinite] = np.where(codes >> (element.bits - 1), -np.inf, np.inf)[infinite]
    return found


def to_float32(codes: Codes, element: ElementFormat) -> NDArray[np.float32]:
    """Values of elements on their own (E = 0), signs of zero, infinities and NaN included."""
    negative, significand, exponents = unpack(codes, element)
    return restore(to_fp32(np.where(negative, -significand, significand), exponents), codes, element)


def restore(
    values: NDArray[np.float32], codes: Codes, element: ElementFormat, negated: NDArray[np.bool_] | bool = False
) -> NDArray[np.float32]:
    """Dequantised integers with what integers cannot say: the sign of a minifloat's zero, its infinities and NaN.

    `negated` says where a negative scale turned the sign.
    """
    if not element.is_float:
        return values
    negative = (codes >> (element.bits - 1)).astype(np.bool_) ^ negated
    values = np.where((values == 0) & negative, np.float32(-0.0), values)
    if element.specials is Specials.NONE:
        return values
    special = specials(codes, element)
    return np.where(special == 0, values, special)
