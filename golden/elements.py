"""Element codecs: FP32 magnitudes under a shared exponent to stored codes, and codes back to integers.

A codec answers in the integers of `ElementFormat`: an element is a signed multiple of 2^(E + lsb_exponent). Only
integer mantissas in sign-magnitude are defined here; `encode` and `decode` are where other encodings join.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import ElementEncoding, ElementFormat, Rounding
from golden.rounding import round_magnitude, unpack_fp32

__all__ = ["code_dtype", "decode", "encode"]

Codes = NDArray[np.uint8 | np.uint16]


def code_dtype(bits: int) -> type[np.uint8 | np.uint16]:
    """The unsigned type that stored codes of this width are kept in."""
    return np.uint8 if bits <= 8 else np.uint16


def _check(element: ElementFormat) -> None:
    if element.encoding is not ElementEncoding.SIGN_MAGNITUDE:
        raise ValueError(f"no codec for {element.encoding} elements")


def encode(
    bits: NDArray[np.uint32],
    exponents: NDArray[np.int64],
    element: ElementFormat,
    rounding: Rounding,
    words: NDArray[np.unsignedinteger[Any]] | None = None,
    word_bits: int = 0,
) -> Codes:
    """Stored codes of finite FP32 patterns under shared exponents (broadcast): round first, then saturate.

    A value that rounds to zero takes the one zero of an integer mantissa, sign 0.
    """
    _check(element)
    sign, significand, exponent = unpack_fp32(bits)
    shift = exponent - (exponents + element.lsb_exponent)
    magnitude = np.minimum(round_magnitude(significand, shift, rounding, words, word_bits), element.max_integer)
    codes = magnitude | ((sign & (magnitude > 0)).astype(np.int64) << element.mantissa_bits)
    return codes.astype(code_dtype(element.bits))


def decode(codes: Codes, element: ElementFormat) -> NDArray[np.int64]:
    """Signed integers in units of 2^(E + lsb_exponent); a received negative zero is 0."""
    _check(element)
    magnitude = codes.astype(np.int64) & element.max_code
    return np.where(codes >> element.mantissa_bits, -magnitude, magnitude)
