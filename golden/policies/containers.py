"""Cutting FP32 values to a container: mantissas by masking (policies.md 1), exponents by a window (policies.md 2).

Whole arrays here; `golden.policies.scalar` says the same value by value. Nothing rounds: a cut mantissa loses its low
bits, an exponent below the window flushes to +0, one above it (only with a bias that is out of date) saturates.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MANTISSA_BITS",
    "WINDOWS",
    "bias_of",
    "finite_difference",
    "lowest_exponent_bits",
    "offset",
    "truncate",
    "window",
]

MANTISSA_BITS = {"fp32": 23, "bf16": 7}  # M of policies.md 1
WINDOWS = ("max", "sym")
_FIELD = np.uint32(0x7F800000)
_QUIET = np.uint32(0x00400000)

Array = NDArray[np.float32]


def _special(bits: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return (bits & _FIELD) == _FIELD


def truncate(x: Array, n: int) -> Array:
    """Sign, exponent and the top `n` (0..23) fraction bits of every value.

    A NaN that would lose its payload keeps the quiet bit, and a tensor that holds one keeps at least one bit.
    """
    if not 0 <= n <= 23:
        raise ValueError(f"mantissa bits {n}: 0..23")
    bits = np.asarray(x, np.float32).view(np.uint32)
    nan = np.isnan(x)
    if nan.any():
        n = max(n, 1)
    kept = bits & np.uint32(0xFFFFFFFF << (23 - n) & 0xFFFFFFFF)
    return np.where(nan & ~np.isnan(kept.view(np.float32)), kept | _QUIET, kept).view(np.float32)


def lowest_exponent_bits(mode: str) -> int:
    """Fewest exponent bits of a window: one binade and zero for `max`; `sym` would be empty at 1."""
    return 1 if mode == "max" else 2


def bias_of(x: Array) -> int:
    """B of the `max` window: the exponent of the largest finite magnitude; -126 for zeros and subnormals alone."""
    bits = np.asarray(x, np.float32).view(np.uint32) & np.uint32(0x7FFFFFFF)
    finite = bits[bits < _FIELD]
    top = int(finite.max()) >> 23 if finite.size else 0
    return max(top, 1) - 127


def _bounds(k: int, mode: str, bias: int) -> tuple[int, int]:
    """Lowest and highest exponent of a window of `k` bits."""
    if mode not in WINDOWS:
        raise ValueError(f"window {mode!r}: one of {', '.join(WINDOWS)}")
    if not lowest_exponent_bits(mode) <= k <= 8:
        raise ValueError(f"exponent bits {k}: {lowest_exponent_bits(mode)}..8 with window {mode}")
    if mode == "max":
        return bias - ((1 << k) - 2), bias
    return -((1 << k - 1) - 2), (1 << k - 1) - 1


def offset(k: int, mode: str, bias: int) -> int:
    """The container's `off` (gecko.md 1): exponent field = (code + off) mod 256; 0 at 8 bits, where nothing is cut."""
    if k == 8:
        return 0
    return (bias + 127 - ((1 << k) - 1)) % 256 if mode == "max" else 128 - (1 << k - 1)


def window(x: Array, k: int, mode: str = "max", bias: int | None = None) -> Array:
    """Every value inside the exponents that `k` bits hold; k = 8 is the identity.

    `bias` is B of mode `max` (None: of this tensor). Flushed values, FP32 subnormals among them, are +0; values above
    the window take its highest exponent with a mantissa of ones. A tensor with an infinity or NaN passes unchanged.
    """
    x = np.asarray(x, np.float32)
    if mode == "max" and bias is None:
        bias = bias_of(x)
    low, high = _bounds(k, mode, 0 if bias is None else bias)
    bits = x.view(np.uint32)
    if k == 8 or _special(bits).any():
        return x
    exponent = ((bits >> 23) & 0xFF).astype(np.int32) - 127
    # Exponent fields end at 254: a window that reaches above holds every value.
    top = np.uint32((high + 127) << 23 | 0x7FFFFF) if -126 <= high <= 127 else np.uint32(0)
    inside = np.where(exponent > high, (bits & np.uint32(0x80000000)) | top, bits)
    return np.where(exponent < max(low, -126), np.uint32(0), inside).view(np.float32)


def finite_difference(cut: Callable[[int], Array], floor: int, most: int, dq: Array) -> float:
    """dL/dlength = sum dL/dQ * (Q(floor + 1) - Q(floor)) in FP64; 0 when the length is at its most (policies.md 1)."""
    if floor >= most:
        return 0.0
    step = cut(floor + 1).astype(np.float64) - cut(floor)
    return float(np.sum(dq.astype(np.float64) * step))
