"""Mantissas wider than a lane, taken in slices: how HBFP6 and HBFP8 run on HBFP4 multipliers (policies.md 4).

A magnitude of m bits is cut into slices of 3 bits, the lowest first; each keeps the sign. The product of two blocks is
the sum of the products of all pairs of slices, each at its place, so it takes slices^2 passes: 1, 4, 9 for m = 3, 5, 7.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LANE_BITS", "WIDTHS", "running_sums", "slice_count", "split"]

LANE_BITS = 3  # magnitude bits of a lane
WIDTHS = (3, 5, 7)  # magnitude bits by the code of a transfer's width: HBFP4, HBFP6, HBFP8

Ints = NDArray[np.int64]


def slice_count(magnitude_bits: int) -> int:
    """Slices of a magnitude."""
    return -(-magnitude_bits // LANE_BITS)


def split(mantissas: NDArray[np.integer[Any]], magnitude_bits: int) -> Ints:
    """Signed slices (slices, ...) with sum over s of slice_s * 2^(3 s) = mantissa."""
    wide = np.asarray(mantissas, np.int64)
    if wide.size and int(np.abs(wide).max()) >> magnitude_bits:
        raise ValueError(f"mantissas of more than {magnitude_bits} magnitude bits")
    places = LANE_BITS * np.arange(slice_count(magnitude_bits)).reshape(-1, *[1] * wide.ndim)
    return np.sign(wide) * (np.abs(wide) >> places & ((1 << LANE_BITS) - 1))


def running_sums(a: Ints, b: Ints, places: Ints, first: NDArray[np.bool_], bits: int) -> Ints:
    """After each transfer of slices a, b (n, N): the sum of their products * 2^place since the latest `first`.

    The accumulator starts at 0 and wraps to `bits` in two's complement, which legal sequences never make it do.
    """
    total = np.cumsum((a * b).sum(axis=1) << places)
    before = np.concatenate([[0], total[:-1]])
    latest = np.maximum.accumulate(np.where(first, np.arange(len(total)), -1))
    sums = total - np.where(latest < 0, 0, before[latest])
    half = 1 << bits - 1
    wrapped: Ints = (sums + half) % (2 * half) - half
    return wrapped
