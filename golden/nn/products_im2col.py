"""Products of unfolded matrices: blocks run along (channel, kh, kw), or tiles of the matrices share exponents.

Every convolution is one matrix product. Forward: rows are output pixels (n, y, x), columns (channel, kh, kw). Data
gradient: rows are input pixels, columns (output channel, kh, kw), zeros where stride or border leave a tap without a
pixel. Weight gradient: the forward matrix transposed, reduced along output pixels in the order n, y, x. Depthwise:
the same for each channel alone. Activations are converted after unfolding, kh * kw times in all, which is what a
cache-less im2col engine would do, and what costs memory here.
"""

from collections.abc import Callable

import numpy as np

from golden.nn.backend import Converted
from golden.nn.im2col import windows
from golden.nn.layer import Array
from golden.nn.products_pass import Pass

__all__ = ["Unfolded"]

Convert = Callable[[Pass, Array, Array], tuple[Converted, Converted]]


class Unfolded:
    """The products, from a way to convert two stacks of matrices (T, M, K) and (T, K, N)."""

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    @classmethod
    def rows(cls) -> "Unfolded":
        """Blocks along K: the order im2col."""
        return cls(lambda p, a, b: (p.a(a, 2), p.b(b, 1)))

    @classmethod
    def tiles(cls) -> "Unfolded":
        """Square tiles: the order tile2d. A tile reads the same along both axes, in every pass."""
        return cls(lambda p, a, b: (p.tiled(0, a), p.tiled(1, b)))

    def _multiply(self, p: Pass, a: Array, b: Array) -> Array:
        return p.multiply(*self._convert(p, a, b))

    def linear_forward(self, p: Pass, x: Array, w: Array) -> Array:
        """(M, in) x (in, out)."""
        return self._multiply(p, x[np.newaxis], w[np.newaxis])[0]

    def linear_data(self, p: Pass, g: Array, w: Array) -> Array:
        """(M, out) x (out, in)."""
        return self._multiply(p, g[np.newaxis], w.T[np.newaxis])[0]

    def linear_weight(self, p: Pass, x: Array, g: Array) -> Array:
        """(in, M) x (M, out)."""
        return self._multiply(p, x.T[np.newaxis], g[np.newaxis])[0]

    def batched(self, p: Pass, a: Array, b: Array) -> Array:
        """As they are."""
        stacks = (v.reshape(-1, *v.shape[-2:]) for v in (a, b))
        return self._multiply(p, *stacks).reshape(*a.shape[:-1], b.shape[-1])

    def conv_forward(self, p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N H' W', C kh kw) x (C kh kw, out)."""
        view = _unfolded(x, w.shape[:2], stride, padding)
        matrix = view.reshape(1, -1, w[..., 0].size)
        return self._multiply(p, matrix, _weights(w, 2)).reshape(*view.shape[:3], -1)

    def conv_data(self, p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N H W, out kh kw) x (out kh kw, C)."""
        matrix = _gathered(g, w.shape, stride, padding, x_shape).reshape(1, -1, w[:, :, 0].size)
        return self._multiply(p, matrix, _weights(w, 3)).reshape(x_shape)

    def conv_weight(self, p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(C kh kw, N H' W') x (N H' W', out)."""
        kh, kw, channels, outputs = w_shape
        matrix = _unfolded(x, w_shape[:2], stride, padding).reshape(-1, kh * kw * channels).T
        dw = self._multiply(p, matrix[np.newaxis], g.reshape(1, -1, outputs))
        return np.ascontiguousarray(dw.reshape(channels, kh, kw, outputs).transpose(1, 2, 0, 3))

    def depthwise_forward(self, p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N H' W', kh kw) x (kh kw, 1) for each channel."""
        view = _unfolded(x, w.shape[:2], stride, padding)
        y = self._multiply(p, _by_channel(view), _by_channel_weights(w))
        return np.ascontiguousarray(y.T.reshape(*view.shape[:4]))

    def depthwise_data(self, p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N H W, kh kw) x (kh kw, 1) for each channel."""
        view = _gathered(g, w.shape, stride, padding, x_shape)
        return np.ascontiguousarray(self._multiply(p, _by_channel(view), _by_channel_weights(w)).T.reshape(x_shape))

    def depthwise_weight(
        self, p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]
    ) -> Array:
        """(kh kw, N H' W') x (N H' W', 1) for each channel."""
        a = _by_channel(_unfolded(x, w_shape[:2], stride, padding)).transpose(0, 2, 1)
        b = g.transpose(3, 0, 1, 2).reshape(g.shape[3], -1, 1)
        return np.ascontiguousarray(self._multiply(p, a, b).T.reshape(w_shape))


def _unfolded(x: Array, kernel: tuple[int, ...], stride: int, padding: int) -> Array:
    """(N, H, W, C) -> view (N, H', W', C, kh, kw)."""
    padded = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    return windows(padded, kernel, stride).transpose(0, 1, 2, 5, 3, 4)


def _gathered(g: Array, w_shape: tuple[int, ...], stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
    """(N, H', W', C) -> view (N, H, W, C, kh, kw): what each tap takes from g to a pixel of x, zero where nothing."""
    n, rows, columns, channels = g.shape
    (kh, kw), (h, w) = w_shape[:2], x_shape[1:3]
    # pixel (y, x) of g lies at stride * (y, x) of an image as large as the padded x, with kh - 1, kw - 1 around it
    image = np.zeros((n, h + 2 * padding + kh - 1, w + 2 * padding + kw - 1, channels), g.dtype)
    image[:, kh - 1 :: stride, kw - 1 :: stride][:, :rows, :columns] = g
    inner = image[:, padding : padding + h + kh - 1, padding : padding + w + kw - 1]
    return windows(inner, (kh, kw), 1)[:, :, :, ::-1, ::-1].transpose(0, 1, 2, 5, 3, 4)


def _weights(w: Array, channel: int) -> Array:
    """(kh, kw, C, out) -> (1, channel kh kw, the other channels)."""
    return w.transpose(channel, 0, 1, 5 - channel).reshape(1, w.shape[channel] * w.shape[0] * w.shape[1], -1)


def _by_channel(view: Array) -> Array:
    """(N, H', W', C, kh, kw) -> (C, N H' W', kh kw)."""
    taps = view.shape[4] * view.shape[5]
    return view.transpose(3, 0, 1, 2, 4, 5).reshape(view.shape[3], -1, taps)


def _by_channel_weights(w: Array) -> Array:
    """(kh, kw, C) -> (C, kh kw, 1)."""
    return w.transpose(2, 0, 1).reshape(w.shape[2], -1, 1)
