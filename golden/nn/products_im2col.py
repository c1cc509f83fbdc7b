"""Products of unfolded matrices: blocks run along (channel, kh, kw), or tiles of the matrices share exponents.

Every convolution is one matrix product. Forward: rows are output pixels (n, y, x), columns (channel, kh, kw). Data
gradient: rows are input pixels, columns (output channel, kh, kw), zeros where stride or border leave a tap without a
pixel. Weight gradient: the forward matrix transposed, reduced along output pixels in the order n, y, x. Depthwise:
the same for each channel alone. Activations are converted after unfolding, kh * kw times in all, which is what a
cache-less im2col engine would do; here some rows at a time, so that what is unfolded stays in the cache.
"""

from collections.abc import Callable

import numpy as np

from golden.nn.backend import Converted
from golden.nn.im2col import windows
from golden.nn.layer import Array
from golden.nn.products_pass import Pass
from golden.nn.unfold import Grid

__all__ = ["Unfolded"]

_PART = 1 << 17  # elements unfolded at a time, so that they stay in the cache


class Unfolded:
    """The products, from ways to convert the operands a, matrices (T, M, K), and b (T, K, N).

    `a` is given the slot of its first element, for it may be a part of an operand; `shared` is how many rows and
    columns of it share an exponent.
    """

    def __init__(
        self,
        a: Callable[[Pass, Grid, int], Converted],
        b: Callable[[Pass, Array], Converted],
        shared: Callable[[Pass], tuple[int, int]],
    ) -> None:
        self._a, self._b, self._shared = a, b, shared

    @classmethod
    def rows(cls) -> "Unfolded":
        """Blocks along K: the order im2col."""
        return cls(
            lambda p, grid, first: p.a(grid.matrices(), 2, first),
            lambda p, b: p.b(b, 1),
            lambda p: (1, p.shared),
        )

    @classmethod
    def tiles(cls) -> "Unfolded":
        """Square tiles: the order tile2d. A tile reads the same along both axes, in every pass."""

        def right(p: Pass, b: Array) -> Converted:
            return p.tiled(1, Grid.of(b)).map(lambda v: v.reshape(*v.shape[:3], -1))

        return cls(lambda p, grid, first: p.tiled(0, grid, first), right, lambda p: (p.tile, p.tile))

    def _multiply(self, p: Pass, a: Array, b: Array, axes: int = 2) -> Array:
        """View (T, *rows, *K), `axes` of its axes before K, x (T, K, N) -> (T, M, N), some rows at a time.

        A part ends where exponents end, so that it is converted as in the whole.
        """
        grid, right = Grid.of(a, axes), self._b(p, b)
        (batches, height, depth), outputs = grid.shape, b.shape[2]
        rows, columns = self._shared(p)
        slots = -(-depth // columns) * columns  # of a row
        # Slots count through one matrix after the other: more than one is converted at once.
        part = max(1, _PART // (depth * rows)) * rows if batches == 1 else height
        y = np.empty((batches, height, outputs), np.float32)
        for start in range(0, height, part):
            stop = min(start + part, height)
            result = p.multiply(self._a(p, grid.part(start, stop), start * slots), right)
            y[:, start:stop] = result.reshape(batches, -1, result.shape[-1])[:, : stop - start, :outputs]
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
        view = _unfolded(x, w.shape[:2], stride, padding)
        return self._multiply(p, view[np.newaxis], _weights(w, 2), 4).reshape(*view.shape[:3], -1)

    def conv_data(self, p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N H W, out kh kw) x (out kh kw, C)."""
        view = _gathered(g, w.shape, stride, padding, x_shape)
        return self._multiply(p, view[np.newaxis], _weights(w, 3), 4).reshape(x_shape)

    def conv_weight(self, p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(C kh kw, N H' W') x (N H' W', out)."""
        kh, kw, channels, outputs = w_shape
        view = _unfolded(x, (kh, kw), stride, padding).transpose(3, 4, 5, 0, 1, 2)
        dw = self._multiply(p, view[np.newaxis], g.reshape(1, -1, outputs), 4)
        return np.ascontiguousarray(dw.reshape(channels, kh, kw, outputs).transpose(1, 2, 0, 3))

    def depthwise_forward(self, p: Pass, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N H' W', kh kw) x (kh kw, 1) for each channel."""
        view = _unfolded(x, w.shape[:2], stride, padding)
        y = self._multiply(p, view.transpose(3, 0, 1, 2, 4, 5), _by_channel(w), 4)
        return np.ascontiguousarray(y.T.reshape(*view.shape[:4]))

    def depthwise_data(self, p: Pass, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N H W, kh kw) x (kh kw, 1) for each channel."""
        view = _gathered(g, w.shape, stride, padding, x_shape)
        dx = self._multiply(p, view.transpose(3, 0, 1, 2, 4, 5), _by_channel(w), 4)
        return np.ascontiguousarray(dx.T.reshape(x_shape))

    def depthwise_weight(
        self, p: Pass, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]
    ) -> Array:
        """(kh kw, N H' W') x (N H' W', 1) for each channel."""
        view = _unfolded(x, w_shape[:2], stride, padding).transpose(3, 4, 5, 0, 1, 2)
        return np.ascontiguousarray(self._multiply(p, view, _by_channel(g), 3).T.reshape(w_shape))


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


def _by_channel(x: Array) -> Array:
    """(..., C) -> (C, all else, 1)."""
    return np.moveaxis(x, -1, 0).reshape(x.shape[-1], -1, 1)
