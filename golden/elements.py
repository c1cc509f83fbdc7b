"""Element codecs: FP32 magnitudes under a shared exponent to stored codes, and codes back to integers.

An element is a signed multiple of 2^(E + lsb_exponent), or one of the specials of its format. Sign-magnitude and
two's-complement integers and every minifloat are described by `ElementFormat` alone; nothing here knows a format's name.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import ElementEncoding, ElementFormat, Rounding, Specials
from golden.rounding import NAN, round_magnitude, to_fp32, unpack_fp32

__all__ = ["code_dtype", "decode", "encode", "is_negative", "restore", "specials", "to_float32"]

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
        # frexp is exact on every finite FP32, subnormals included; below the element's normal range places stay put.
        binade = np.frexp(bits.view(np.float32))[1] - 1 - exponents
        place = np.maximum(binade - element.mantissa_bits, place)
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


def decode(codes: Codes, element: ElementFormat) -> NDArray[np.int64]:
    """Signed integers in units of 2^(E + lsb_exponent): 0 for a negative zero and for codes that are not numbers."""
    if element.largest_code_integer >= 1 << 62:
        raise ValueError(f"{element.exponent_bits} exponent bits: elements of this range are no 64-bit integers")
    wide = codes.astype(np.int64)
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return wide - (wide >> element.mantissa_bits << element.bits)
    magnitude = wide & ((1 << element.bits - 1) - 1)
    if element.is_float:
        field = magnitude >> element.mantissa_bits
        fraction = magnitude & ((1 << element.mantissa_bits) - 1)
        significand = fraction | ((field > 0).astype(np.int64) << element.mantissa_bits)
        is_number = magnitude <= element.max_code
        magnitude = np.where(is_number, significand << np.maximum(np.where(is_number, field, 0) - 1, 0), 0)
    return np.where(is_negative(codes, element), -magnitude, magnitude)


def is_negative(codes: Codes, element: ElementFormat) -> NDArray[np.bool_]:
    """The sign bits of stored codes."""
    return (codes >> (element.bits - 1)).astype(np.bool_)


def specials(codes: Codes, element: ElementFormat) -> NDArray[np.float32]:
    """Infinities and NaN (0x7FC00000) among stored codes, +0 elsewhere."""
    found = np.zeros(codes.shape, np.float32)
    if element.specials is Specials.NONE:
        return found
    magnitude = codes & ((1 << element.bits - 1) - 1)
    found[magnitude > element.max_code] = NAN.view(np.float32)
    if element.specials is Specials.IEEE:
        infinite = magnitude == element.max_code + 1
        found[infinite] = np.where(is_negative(codes, element), -np.inf, np.inf)[infinite]
    return found


def to_float32(codes: Codes, element: ElementFormat) -> NDArray[np.float32]:
    """Values of elements on their own (E = 0), signs of zero, infinities and NaN included."""
    return restore(to_fp32(decode(codes, element), element.lsb_exponent), codes, element)


def restore(values: NDArray[np.float32], codes: Codes, element: ElementFormat) -> NDArray[np.float32]:
    """Dequantised integers with what integers cannot say: the sign of a minifloat's zero, its infinities and NaN."""
    if not element.is_float:
        return values
    values = np.copysign(values, np.where(is_negative(codes, element), np.float32(-1), np.float32(1)))
    if element.specials is Specials.NONE:
        return values
    special = specials(codes, element)
    return np.where(special == 0, values, special)
