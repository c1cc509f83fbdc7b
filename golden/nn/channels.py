"""Channel vectors against whole tensors, and sums over all but the channels, at the speed of long rows.

NumPy's loops run along the last axis, which for 6 or 16 channels is short. So several pixels are taken as one row.
"""

import numpy as np

from golden.nn.layer import Array

__all__ = ["channel_sums", "long_rows", "repeated"]

LONG = 512  # elements from which on a row is long enough


def long_rows(x: Array) -> Array:
    """(..., C) -> (rows, k C), k a power of two that divides the number of pixels; a view if x is contiguous."""
    channels = x.shape[-1]
    pixels, k = x.size // channels, 1
    while pixels % (2 * k) == 0 and k * channels < LONG:
        k *= 2
    return x.reshape(pixels // k, k * channels)


def repeated(vector: Array, rows: Array) -> Array:
    """(C) -> (k C), as wide as `rows`."""
    return np.tile(vector, rows.shape[1] // len(vector))


def channel_sums(x: Array, y: Array | None = None) -> Array:
    """Sum over all axes but the last of x, or of x * y: (..., C) -> (C)."""
    rows = long_rows(x)
    sums = rows.sum(axis=0) if y is None else np.einsum("ij,ij->j", rows, y.reshape(rows.shape))
    return sums.reshape(-1, x.shape[-1]).sum(axis=0)
