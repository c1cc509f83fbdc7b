"""Images unfolded into the windows that a kernel sees, and folded back (NHWC; one stride for both axes)."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from golden.nn.layer import Array

__all__ = ["output_size", "pad", "scatter", "windows"]


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions of a kernel along one axis; ValueError if there is none."""
    if size + 2 * padding < kernel:
        raise ValueError(f"kernel {kernel} on {size} pixels with padding {padding}: at most {size + 2 * padding} fits")
    return (size + 2 * padding - kernel) // stride + 1


def pad(x: Array, rows: int, columns: int) -> Array:
    """(N, H, W, C) with a border of zeros, `rows` above and below, `columns` left and right; x itself for none."""
    if not rows and not columns:
        return x
    n, h, w, c = x.shape
    padded = np.empty((n, h + 2 * rows, w + 2 * columns, c), x.dtype)
    padded[:, :rows] = padded[:, rows + h :] = 0
    padded[:, :, :columns] = padded[:, :, columns + w :] = 0
    padded[:, rows : rows + h, columns : columns + w] = x
    return padded


def windows(x: Array, kernel: tuple[int, ...], stride: int) -> Array:
    """(N, H, W, C), padded already -> read-only view (N, H', W', kh, kw, C): no element is copied."""
    n, h, w, c = x.shape
    (kh, kw), (sn, sh, sw, sc) = kernel, x.strides
    shape = (n, output_size(h, kh, stride, 0), output_size(w, kw, stride, 0), kh, kw, c)
    return as_strided(x, shape, (sn, stride * sh, stride * sw, sh, sw, sc), writeable=False)


def scatter(columns: Array, stride: int, image: Array) -> None:
    """Adjoint of `windows`: each element of (N, H', W', kh, kw, C) is added to its pixel of the padded image."""
    _, rows, cols, kh, kw, _ = columns.shape
    for i in range(kh):
        for j in range(kw):
            image[:, i : i + stride * rows : stride, j : j + stride * cols : stride] += columns[:, :, :, i, j]
