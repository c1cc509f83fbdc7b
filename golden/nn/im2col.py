"""Images unfolded into the windows that a kernel sees, and folded back (NHWC; stride and zero padding on both axes)."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from golden.nn.layer import Array

__all__ = ["output_size", "pad", "scatter", "windows"]


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions of a kernel along one axis; ValueError if there is none."""
    count = (size + 2 * padding - kernel) // stride + 1
    if count < 1:
        raise ValueError(f"kernel {kernel} on {size} pixels with padding {padding}: at most {size + 2 * padding} fits")
    return count


def pad(x: Array, padding: int) -> Array:
    """(N, H, W, C) with a border of zeros; x itself without padding."""
    if not padding:
        return x
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2 * padding, w + 2 * padding, c), x.dtype)
    padded[:, padding : padding + h, padding : padding + w] = x
    return padded


def windows(x: Array, kernel: tuple[int, ...], stride: int, padding: int) -> Array:
    """(N, H, W, C) -> read-only view (N, H', W', kh, kw, C) of the padded image: no element is copied twice."""
    x = pad(x, padding)
    n, h, w, c = x.shape
    (kh, kw), (sn, sh, sw, sc) = kernel, x.strides
    shape = (n, output_size(h, kh, stride, 0), output_size(w, kw, stride, 0), kh, kw, c)
    return as_strided(x, shape, (sn, stride * sh, stride * sw, sh, sw, sc), writeable=False)


def scatter(columns: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """Adjoint of `windows`: (N, H', W', kh, kw, C) -> (N, H, W, C), each element added to its pixel."""
    n, h, w, c = x_shape
    _, rows, cols, kh, kw, _ = columns.shape
    padded = np.zeros((n, h + 2 * padding, w + 2 * padding, c), columns.dtype)
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + stride * rows : stride, j : j + stride * cols : stride] += columns[:, :, :, i, j]
    return padded[:, padding : padding + h, padding : padding + w]
