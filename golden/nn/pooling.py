"""Pooling over images (N, H, W, C): largest value, mean, mean over the whole image."""

import numpy as np

from golden.nn.im2col import scatter, windows
from golden.nn.layer import Array, Layer

__all__ = ["AveragePool", "GlobalAveragePool", "MaxPool"]


class MaxPool(Layer):
    """Windows kernel x kernel every `stride` pixels (default: the kernel), no padding; rows that fill no window drop.

    Of equal values the first in row order gets the gradient. NaN wins over all.
    """

    def __init__(self, kernel: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride or kernel
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, C) -> (N, H', W', C)."""
        self._shape = x.shape
        view = windows(x, (self.kernel, self.kernel), self.stride)
        taps = [view[:, :, :, i, j] for i, j in np.ndindex(self.kernel, self.kernel)]
        y = taps[0].copy()
        for tap in taps[1:]:
            np.maximum(y, tap, out=y)
        if training:
            which = np.zeros(y.shape, np.uint8 if len(taps) <= 256 else np.uint16)
            for tap in reversed(taps[:-1]):  # one more than what follows, or 0 where this one is largest
                which += 1
                which *= tap != y
            self.saved["which"] = which
        return y

    def backward(self, g: Array) -> Array:
        """(N, H', W', C) -> (N, H, W, C)."""
        which = self.saved.pop("which")
        dx = np.zeros(self._shape, g.dtype)
        _, rows, columns, _ = g.shape
        for number, (i, j) in enumerate(np.ndindex(self.kernel, self.kernel)):
            s = self.stride
            dx[:, i : i + s * rows : s, j : j + s * columns : s] += g * (which == number)
        return dx


class AveragePool(Layer):
    """Mean of windows kernel x kernel every `stride` pixels (default: the kernel), no padding."""

    def __init__(self, kernel: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride or kernel
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, C) -> (N, H', W', C)."""
        self._shape = x.shape
        return windows(x, (self.kernel, self.kernel), self.stride).mean(axis=(3, 4))

    def backward(self, g: Array) -> Array:
        """(N, H', W', C) -> (N, H, W, C): each pixel an equal share."""
        dx = np.zeros(self._shape, g.dtype)
        n, rows, columns, c = g.shape
        share = (g / self.kernel**2)[:, :, :, np.newaxis, np.newaxis]
        scatter(np.broadcast_to(share, (n, rows, columns, self.kernel, self.kernel, c)), self.stride, dx)
        return dx


class GlobalAveragePool(Layer):
    """Mean over all pixels: (N, H, W, C) -> (N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, C) -> (N, C)."""
        self._shape = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, g: Array) -> Array:
        """(N, C) -> (N, H, W, C): each pixel an equal share."""
        _, h, w, _ = self._shape
        return np.broadcast_to((g / (h * w))[:, np.newaxis, np.newaxis], self._shape).copy()
