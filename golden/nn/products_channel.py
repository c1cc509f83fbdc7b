"""Products with blocks along channels or along the batch: each tensor is converted once per role (formats.md 1.4).

Forward reduces along input channels at each tap, in the order kh, kw, channel block; the data gradient the same along
output channels; the weight gradient along the batch at each output pixel, in the order y, x, batch block. Windows are
views of the converted values: conversion does not know the size of the kernel.

Depthwise: activations, weights and gradients share exponents along channels too, though each channel is reduced on its
own: a block of the forward sum and of the data gradient is the one product of its tap.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from golden.nn.im2col import pad, windows
from golden.nn.layer import Array
from golden.nn.products_pass import Pass

__all__ = [
    "AXES",
    "batched",
    "conv_data",
    "conv_forward",
    "conv_weight",
    "depthwise_data",
    "depthwise_forward",
    "depthwise_weight",
    "linear_data",
    "linear_forward",
    "linear_weight",
]

AXES = {
    "linear_forward": (1, 0),
    "linear_data": (1, 1),
    "linear_weight": (0, 0),
    "conv_forward": (3, 2),
    "conv_data": (3, 3),
    "conv_weight": (0, 0),
    "depthwise_forward": (3, 2),
    "depthwise_data": (3, 2),
    "depthwise_weight": (0, 0),
    "batched": (-1, -2),
}
"""Axes of both operands, as the layers hand them over, that blocks lie along."""


def linear_forward(p: Pass, x: Array, w: Array) -> Array:
    """Along input features."""
    return p.multiply(p.a(x, 1).map(_alone), p.b(w, 0).map(_alone))[0]


def linear_data(p: Pass, g: Array, w: Array) -> Array:
    """Along output features."""
    return p.multiply(p.a(g, 1).map(_alone), p.b(w, 1).map(lambda v: v.T[np.newaxis]))[0]


def linear_weight(p: Pass, x: Array, g: Array) -> Array:
    """Along the rows of x and g: batch, or batch and time."""
    return p.multiply(p.a(x, 0).map(lambda v: np.ascontiguousarray(v.T)[np.newaxis]), p.b(g, 0).map(_alone))[0]


def batched(p: Pass, a: Array, b: Array) -> Array:
    """(..., M, K) x (..., K, N) along K."""
    left = p.a(a, -1).map(lambda v: v.reshape(-1, *v.shape[-2:]))
    right = p.b(b, -2).map(lambda v: v.reshape(-1, *v.shape[-2:]))
    return p.multiply(left, right).reshape(*a.shape[:-1], b.shape[-1])


def conv_forward(p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
    """Along input channels at each tap."""
    a = p.a(x, 3).map(lambda v: windows(pad(v, padding, padding), w.shape[:2], stride)[np.newaxis])
    return p.multiply(a, p.b(w, 2).map(_alone))[0]


def conv_data(p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """Along output channels at each tap that reaches the pixel."""
    a, b = p.a(g, 3), p.b(w, 3)
    dx = np.zeros(x_shape, np.float32)
    for pixels, gathered, taps in _phases(g.shape, w.shape, stride, padding, x_shape):
        part = p.multiply(
            a.map(lambda v, see=gathered: see(v)[np.newaxis]),  # type: ignore[misc]
            b.map(lambda v, taps=taps: v[taps].transpose(0, 1, 3, 2)[np.newaxis]),  # type: ignore[misc]
        )
        dx[pixels] = part[0]
    return dx


def conv_weight(p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
    """Along the batch at each output pixel."""
    a = p.a(x, 0).map(lambda v: _pixels_first(v, w_shape[:2], stride, padding).transpose(3, 4, 5, 1, 2, 0)[np.newaxis])
    return p.multiply(a, p.b(g, 0).map(lambda v: v.transpose(1, 2, 0, 3)[np.newaxis]))[0]


def depthwise_forward(p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
    """Tap by tap."""
    a = p.a(x, 3).map(lambda v: _by_channel(windows(pad(v, padding, padding), w.shape[:2], stride)))
    b = p.b(w, 2).map(lambda v: v.transpose(2, 0, 1)[..., np.newaxis, np.newaxis])
    return np.ascontiguousarray(p.multiply(replace(a, run=1), replace(b, run=1))[..., 0].transpose(1, 2, 3, 0))


def depthwise_data(p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """Tap by tap that reaches the pixel."""
    a, b = replace(p.a(g, 3), run=1), replace(p.b(w, 2), run=1)
    dx = np.zeros(x_shape, np.float32)
    for pixels, gathered, taps in _phases(g.shape, w.shape, stride, padding, x_shape):
        part = p.multiply(
            a.map(lambda v, see=gathered: _by_channel(see(v))),  # type: ignore[misc]
            b.map(lambda v, taps=taps: v[taps].transpose(2, 0, 1)[..., np.newaxis, np.newaxis]),  # type: ignore[misc]
        )
        dx[pixels] = part[..., 0].transpose(1, 2, 3, 0)
    return dx


def depthwise_weight(p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
    """Along the batch at each output pixel, channel by channel."""
    a = p.a(x, 0).map(lambda v: _pixels_first(v, w_shape[:2], stride, padding).transpose(5, 3, 4, 1, 2, 0))
    b = p.b(g, 0).map(lambda v: v.transpose(3, 1, 2, 0)[..., np.newaxis])
    return np.ascontiguousarray(p.multiply(a, b)[..., 0].transpose(1, 2, 0))


def _alone(v: Array) -> Array:
    return v[np.newaxis]


def _by_channel(view: Array) -> Array:
    """Windows (N, H', W', kh, kw, C) -> (C, N, H', W', kh, kw, 1)."""
    return view.transpose(5, 0, 1, 2, 3, 4)[..., np.newaxis]


def _pixels_first(v: Array, kernel: tuple[int, ...], stride: int, padding: int) -> Array:
    """Windows (N, H', W', kh, kw, C) of values laid out with the images together, along which they are summed."""
    h, w = v.shape[1:3]
    images = np.zeros((h + 2 * padding, w + 2 * padding, v.shape[3], v.shape[0]), v.dtype)
    images[padding : padding + h, padding : padding + w] = v.transpose(1, 2, 3, 0)
    return windows(images.transpose(3, 0, 1, 2), kernel, stride)


Phase = tuple[tuple[slice, ...], "_Gather", tuple[slice, slice]]


class _Gather:
    """From g (N, H', W', C) the pixels that taps in order see: a view (N, rows, columns, taps, taps, C)."""

    def __init__(
        self, border: tuple[int, int], starts: tuple[int, int], counts: tuple[int, int], taps: tuple[int, int]
    ):
        self.border, self.starts, self.counts, self.taps = border, starts, counts, taps

    def __call__(self, v: Array) -> Array:
        padded = pad(v, *self.border)
        (y, x), (rows, columns), (down, across) = self.starts, self.counts, self.taps
        part = padded[:, y : y + rows + down - 1, x : x + columns + across - 1]
        return windows(part, self.taps, 1)[:, :, :, ::-1, ::-1]


def _phases(
    g_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: int, padding: int, x_shape: tuple[int, ...]
) -> Iterator[Phase]:
    """Pixels of dx that the same taps reach, one set for each remainder by the stride: no zeros between pixels.

    Yields the slices of dx, how to gather g, and the slices of the taps. A tap k reaches pixel i from output pixel
    (i + padding - k) / stride: with k = first + stride j and i = phase + stride n, that is pixel begin + n - j.
    """

    def along(axis: int, phase: int) -> tuple[int, int, int, int]:
        first = (phase + padding) % stride
        taps = len(range(first, w_shape[axis], stride))
        count = len(range(phase, x_shape[axis + 1], stride))
        begin = (phase + padding - first) // stride
        return first, taps, count, begin

    for y, x in np.ndindex(stride, stride):
        facts = along(0, y), along(1, x)
        if any(taps == 0 or count == 0 for _, taps, count, _ in facts):
            continue
        border, starts = [], []
        for axis, (_, taps, count, begin) in enumerate(facts):
            lowest, highest = begin - (taps - 1), begin + count - 1
            border.append(max(0, -lowest, highest - (g_shape[axis + 1] - 1)))
            starts.append(lowest + border[-1])
        (first_y, down, rows, _), (first_x, across, columns, _) = facts
        gather = _Gather((border[0], border[1]), (starts[0], starts[1]), (rows, columns), (down, across))
        yield (
            (slice(None), slice(y, None, stride), slice(x, None, stride)),
            gather,
            (slice(first_y, None, stride), slice(first_x, None, stride)),
        )
