"""Convolutions on BLAS: windows are unfolded a few images at a time, so that they stay in the cache, then one GEMM.

Shapes as in `golden.nn.plain`. The memory on top of the result is the padded image and `CHUNK` bytes.
"""

from collections.abc import Iterator

import numpy as np

from golden.nn.im2col import pad, scatter, windows
from golden.nn.layer import Array

__all__ = ["data_gradient", "depthwise", "depthwise_data", "depthwise_weight", "forward", "weight_gradient"]

CHUNK = 1 << 19  # bytes of unfolded windows at a time: best of 2^17 .. 2^22 on a core with 1 MB of cache
FEW = 4  # channels below which windows are stored by columns: three times as fast with 1, a quarter faster with 3


def _chunks(images: int, bytes_per_image: int) -> Iterator[slice]:
    step = max(1, CHUNK // bytes_per_image)
    return (slice(start, min(start + step, images)) for start in range(0, images, step))


def _unfolded(view: Array) -> Iterator[tuple[slice, Array]]:
    """(images, their windows as a matrix, one a row) in chunks; the matrix is overwritten by the next one.

    With few channels the matrix is stored by columns, so that the copy runs along the images' rows.
    """
    taps = view[0, 0, 0].size
    by_columns = view.shape[-1] < FEW
    if by_columns:
        view = np.moveaxis(view, (3, 4, 5), (0, 1, 2))
    buffer: Array | None = None
    images = view.shape[3] if by_columns else view.shape[0]
    for chunk in _chunks(images, view.size // images * view.itemsize):
        part = view[:, :, :, chunk] if by_columns else view[chunk]
        if buffer is None or buffer.shape != part.shape:
            buffer = np.empty(part.shape, view.dtype)
        np.copyto(buffer, part)
        yield chunk, buffer.reshape(taps, -1).T if by_columns else buffer.reshape(-1, taps)


def forward(x: Array, w: Array, stride: int, padding: int) -> Array:
    """(N, H, W, C) x (kh, kw, C, out) -> (N, H', W', out)."""
    return _correlate(pad(x, padding, padding), w, stride)


def _correlate(x: Array, w: Array, stride: int) -> Array:
    view, outputs = windows(x, w.shape[:2], stride), w.shape[3]
    y = np.empty((*view.shape[:3], outputs), x.dtype)
    matrix = w.reshape(-1, outputs)
    for images, columns in _unfolded(view):
        np.matmul(columns, matrix, out=y[images].reshape(-1, outputs))
    return y


def weight_gradient(x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
    """(N, H, W, C) x (N, H', W', out) -> dw of shape `w_shape`."""
    dw = np.zeros((int(np.prod(w_shape[:3])), w_shape[3]), x.dtype)
    for images, columns in _unfolded(windows(pad(x, padding, padding), w_shape[:2], stride)):
        dw += columns.T @ g[images].reshape(-1, w_shape[3])
    return dw.reshape(w_shape)


def data_gradient(g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """(N, H', W', out) x (kh, kw, C, out) -> dx of shape `x_shape`.

    At stride 1 each pixel gathers from the gradient under the turned kernel; else products go back to their pixels.
    """
    kh, kw, channels, outputs = w.shape
    if stride == 1 and padding < min(kh, kw):
        turned = w[::-1, ::-1].transpose(0, 1, 3, 2)
        return _correlate(pad(g, kh - 1 - padding, kw - 1 - padding), np.ascontiguousarray(turned), 1)
    n, h, wide, _ = x_shape
    _, rows, columns, _ = g.shape
    image = np.zeros((n, h + 2 * padding, wide + 2 * padding, channels), g.dtype)
    matrix = w.reshape(-1, outputs).T
    for images in _chunks(n, rows * columns * kh * kw * channels * g.itemsize):
        products = g[images].reshape(-1, outputs) @ matrix
        scatter(products.reshape(-1, rows, columns, kh, kw, channels), stride, image[images])
    return image[:, padding : padding + h, padding : padding + wide]


def depthwise(x: Array, w: Array, stride: int, padding: int) -> Array:
    """(N, H, W, C) x (kh, kw, C) -> (N, H', W', C): the sum over taps of shifted images times a row of weights."""
    kh, kw, channels = w.shape
    view = windows(pad(x, padding, padding), (kh, kw), stride)
    y = np.zeros((*view.shape[:3], channels), x.dtype)
    for i in range(kh):
        for j in range(kw):
            y += view[:, :, :, i, j] * w[i, j]
    return y


def depthwise_data(g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """(N, H', W', C) x (kh, kw, C) -> dx of shape `x_shape`."""
    n, h, wide, channels = x_shape
    image = np.zeros((n, h + 2 * padding, wide + 2 * padding, channels), g.dtype)
    for images in _chunks(n, g[0].size * w[..., 0].size * g.itemsize):
        scatter(g[images][:, :, :, np.newaxis, np.newaxis] * w, stride, image[images])
    return image[:, padding : padding + h, padding : padding + wide]


def depthwise_weight(x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
    """(N, H, W, C) x (N, H', W', C) -> dw of shape `w_shape`: per tap, image times gradient summed over pixels."""
    view = windows(pad(x, padding, padding), w_shape[:2], stride)
    dw = np.empty(w_shape, x.dtype)
    for i, j in np.ndindex(*w_shape[:2]):
        dw[i, j] = np.einsum("nhwc,nhwc->c", view[:, :, :, i, j], g)
    return dw
