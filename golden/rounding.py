"""Rounding: magnitudes to integers in every mode, and integers to FP32; the only places where bits are lost.

Everything here is vectorised; `golden.reference` says the same in plain Python integers. Source: formats.md 0.1-0.6.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import Rounding

__all__ = [
    "INFINITY",
    "NAN",
    "TARGETS",
    "canonical_nan",
    "power_of_two",
    "round_magnitude",
    "sticky_int64",
    "to_float",
    "to_fp32",
    "unpack_fp32",
]

Ints = NDArray[np.int64]

NAN = np.uint32(0x7FC00000)  # the one NaN that any unit produces
TARGETS = ("fp32", "bf16", "fp16")  # what blocks dequantise to
INFINITY = np.uint32(0x7F800000)  # magnitudes from here on are not finite

_INPUT_BITS = 24  # significand of FP32
_MAX_LEFT = 62 - _INPUT_BITS  # a longer left shift would leave int64; whoever asks for one saturates far below


def unpack_fp32(bits: NDArray[np.uint32]) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Sign, significand (0..2^24 - 1) and exponent of finite FP32 patterns: (-1)^sign * significand * 2^exponent.

    Subnormals keep the exponent -149 and no hidden one, so that every value is exact; nothing is normalised.
    """
    field = ((bits >> 23) & 0xFF).astype(np.int64)
    fraction = (bits & 0x7FFFFF).astype(np.int64)
    return (bits >> 31).astype(np.bool_), fraction | ((field > 0).astype(np.int64) << 23), np.maximum(field, 1) - 150


def round_magnitude(
    magnitude: Ints,
    shift: Ints,
    rounding: Rounding,
    words: NDArray[np.unsignedinteger[Any]] | None = None,
    word_bits: int = 0,
) -> Ints:
    """round(magnitude * 2^shift) for 0 <= magnitude < 2^24 and any shift, as int64.

    SR takes one word r of `word_bits` = R (1..64) bits per magnitude: floor(magnitude * 2^shift + r / 2^R), exactly.
    Left shifts beyond 38 count as 38 (the result is past any mantissa already).
    """
    value = magnitude << np.clip(shift, 0, _MAX_LEFT)
    right = np.maximum(-shift, 0)
    if rounding is Rounding.SR:
        if words is None:
            raise ValueError("rounding 'sr' needs random words")
        return _round_stochastic(value, right, words, word_bits)
    # Two bits below the half already say "less than half", whatever lies further down.
    right = np.minimum(right, _INPUT_BITS + 2)
    if rounding is Rounding.RTZ:
        return value >> right
    # One bit is appended below, so that the half of the last place is an integer even without a right shift.
    value, half = value << 1, np.int64(1) << right
    if rounding is Rounding.RNA:
        return (value + half) >> (right + 1)
    odd = (value >> (right + 1)) & 1
    return (value + half - 1 + odd) >> (right + 1)


def _round_stochastic(value: Ints, right: Ints, words: NDArray[np.unsignedinteger[Any]], word_bits: int) -> Ints:
    """floor(value / 2^right + r / 2^R): r carries into the integer part together with the first R fraction bits."""
    in_word = np.minimum(right, 63)
    whole = value >> in_word
    fraction = (value - (whole << in_word)).astype(np.uint64)
    # The fraction as an R-bit number. Bits below the R-th cannot turn a sum of R-bit integers into a carry.
    up = np.clip(word_bits - right, 0, 63).astype(np.uint64)
    down = np.clip(right - word_bits, 0, 63).astype(np.uint64)
    fraction = (fraction << up) >> down
    # fraction + r >= 2^R without the carry out of 64 bits that R = 64 would need
    complement = np.uint64((1 << word_bits) - 1) - words.astype(np.uint64)
    return whole + (fraction > complement)


def power_of_two(exponents: Ints) -> NDArray[np.float64]:
    """2^exponents for -1022..1023, put together from bits."""
    return ((exponents + 1023) << 52).view(np.float64)


def to_fp32(integers: Ints, exponents: Ints) -> NDArray[np.float32]:
    """integers * 2^exponents to FP32 with one RNE, broadcast; |integers| < 2^63, any exponents.

    Gradual underflow; the integer 0 gives +0, a nonzero one that underflows keeps its sign; overflow gives +-Inf.
    """
    with np.errstate(over="ignore", under="ignore"):
        return _exact(integers, exponents).astype(np.float32)


def to_float(integers: Ints, exponents: Ints, target: str) -> NDArray[np.float32]:
    """`to_fp32` with the one RNE to `target`: fp32, bf16 or fp16. FP32 holds every result."""
    if target not in TARGETS:
        raise ValueError(f"target {target!r}: one of {', '.join(TARGETS)}")
    exact = _exact(integers, exponents)
    with np.errstate(over="ignore", under="ignore"):
        if target == "fp16":
            return exact.astype(np.float16).astype(np.float32)
        near = exact.astype(np.float32)
        if target == "fp32":
            return near
        # Rounded to odd, FP32 has 16 bits more than BF16, the last of them sticky: no second rounding can differ.
        even = (near.view(np.uint32) & 1) == 0
        odd = np.nextafter(near, np.where(exact > near, np.inf, -np.inf).astype(np.float32))
        bits = np.where((near != exact) & even, odd, near).view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def _exact(integers: Ints, exponents: Ints) -> NDArray[np.float64]:
    """integers * 2^exponents as far as any rounding to FP32 or less can tell."""
    integers, exponents = np.asarray(integers, np.int64), np.asarray(exponents, np.int64)
    wide = np.abs(integers) >= 1 << 53
    if wide.any():
        # 53 bits, the last of them sticky, are enough for one RNE to 24: more than two bits are left below the half.
        sticky = (integers >> 10) | ((integers & 1023) != 0)
        integers, exponents = np.where(wide, sticky, integers), np.where(wide, exponents + 10, exponents)
    # Outside -400..200 every nonzero integer is far below the least subnormal, or far above the largest FP32.
    # Inside, the product with a power of two is exact in float64, so a cast is the only rounding, and it is RNE.
    return integers.astype(np.float64) * power_of_two(np.clip(exponents, -400, 200))


def sticky_int64(integers: NDArray[np.object_], exponents: Ints) -> tuple[Ints, Ints]:
    """Python integers (n) as int64 of at most 62 bits, the last of them sticky, and their exponents, for `to_fp32`."""
    drop = np.maximum([integer.bit_length() - 62 for integer in integers], 0)
    kept = integers >> drop.astype(object)
    lost = (kept << drop.astype(object)) != integers
    return kept.astype(np.int64) | lost.astype(np.int64), exponents + drop


def canonical_nan(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same values with every NaN as 0x7FC00000 (x86 makes 0xFFC00000 out of Inf - Inf)."""
    return np.where(np.isnan(values), NAN.view(np.float32), values)
