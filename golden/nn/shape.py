"""Changes of shape without arithmetic."""

import numpy as np

from golden.nn.layer import Array, Layer

__all__ = ["Flatten", "PadChannels"]


class Flatten(Layer):
    """(N, ...) -> (N, features)."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, ...) -> (N, features)."""
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, g: Array) -> Array:
        """(N, features) -> (N, ...)."""
        return g.reshape(self._shape)


class PadChannels(Layer):
    """Every `stride`-th pixel of (N, H, W, C), with `added` channels of zeros behind (option A of He et al. 2016)."""

    def __init__(self, added: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = added, stride
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), C + added)."""
        self._shape = x.shape
        kept = x[:, :: self.stride, :: self.stride]
        y = np.zeros((*kept.shape[:3], kept.shape[3] + self.added), x.dtype)
        y[..., : kept.shape[3]] = kept
        return y

    def backward(self, g: Array) -> Array:
        """Back to the pixels taken; zero elsewhere."""
        dx = np.zeros(self._shape, g.dtype)
        dx[:, :: self.stride, :: self.stride] = g[..., : self._shape[3]]
        return dx
