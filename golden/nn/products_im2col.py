"""Products of unfolded matrices: blocks run along (channel, kh, kw), or tiles of the matrices share exponents.

Every convolution is one matrix product. Forward: rows are output pixels (n, y, x), columns (channel, kh, kw). Data
gradient: rows are input pixels, columns (output channel, kh, kw), zeros where stride or border leave a tap without a
pixel. Weight gradient: the forward matrix transposed, reduced along output pixels in the order n, y, x. Depthwise:
the same for each channel alone. Activations are converted after unfolding, kh * kw times in all, which is what a
cache-less im2col engine would do, and what costs memory here.
"""

from collections.abc import Callable
from math import gcd

import numpy as np

from golden.formats import Rounding
from golden.nn.backend import Converted
from golden.nn.im2col import windows
from golden.nn.layer import Array
from golden.nn.products_pass import Pass

__all__ = ["Unfolded"]

Convert = Callable[[Pass, Array], Converted]

_CHUNK = 1 << 18  # elements unfolded at a time, so that they stay in the cache


class Unfolded:
    """The products, from ways to convert stacks of matrices: a (T, M, K) and b (T, K, N), along K.

    Rows of a are unfolded and converted some images at a time, `step` rows at least sharing exponents.
    """

    def __init__(self, a: Convert, b: Convert, step: Callable[[Pass], int]) -> None:
        self._a, self._b, self._step = a, b, step

    @classmethod
    def rows(cls) -> "Unfolded":
        """Blocks along K: the order im2col."""
        return cls(lambda p, a: p.a(a, 2), lambda p, b: p.b(b, 1), lambda p: 1)

    @classmethod
    def tiles(cls) -> "Unfolded":
        """Square tiles: the order tile2d. A tile reads the same along both axes, in every pass."""

        def right(p: Pass, b: Array) -> Converted:
            return p.tiled(1, b).map(lambda v: v.reshape(*v.shape[:3], -1))

        return cls(lambda p, a: p.tiled(0, a), right, lambda p: p.tile)

    def _multiply(self, p: Pass, a: Array, b: Array, right: Converted | None = None) -> Array:
        """(T, M, K) x (T, K, N), what fills the edges of tiles cut off; `right` is b if converted already."""
        result = p.multiply(self._a(p, a), self._b(p, b) if right is None else right)
        return result.reshape(len(a), -1, result.shape[-1])[:, : a.shape[1], : b.shape[2]]

    def _by_images(self, p: Pass, view: Array, b: Array) -> Array:
        """View (N, rows, columns, ...) x b (1, ..., N) -> (N, rows, columns, N), some images at a time."""
        n, rows, columns = view.shape[:3]
        right = self._b(p, b)
        whole = self._step(p) // gcd(self._step(p), rows * columns)  # images that end with a tile
        chunk = max(1, _CHUNK // view[0].size // whole) * whole
        if p.product.a.rounding is Rounding.SR:  # whose words are numbered through the whole matrix
            chunk = n
        y = np.empty((n, rows, columns, b.shape[-1]), np.float32)
        for start in range(0, n, chunk):
            part = slice(start, start + chunk)
            matrix = view[part].reshape(1, -1, b.shape[1])
            y[part] = self._multiply(p, matrix, b, right).reshape(y[part].shape)
        return y

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
        left, right = (v.reshape(-1, *v.shape[-2:]) for v in (a, b))
        return self._multiply(p, left, right).reshape(*a.shape[:-1], b.shape[-1])

    def conv_forward(self, p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N H' W', C kh kw) x (C kh kw, out)."""
        return self._by_images(p, _unfolded(x, w.shape[:2], stride, padding), _weights(w, 2))

    def conv_data(self, p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N H W, out kh kw) x (out kh kw, C)."""
        return self._by_images(p, _gathered(g, w.shape, stride, padding, x_shape), _weights(w, 3))

    def conv_weight(self, p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(C kh kw, N H' W') x (N H' W', out)."""
        kh, kw, channels, outputs = w_shape
        view = _unfolded(x, w_shape[:2], stride, padding).transpose(3, 4, 5, 0, 1, 2)
        matrix = view.reshape(1, channels * kh * kw, -1)
        dw = self._multiply(p, matrix, g.reshape(1, -1, outputs))
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
