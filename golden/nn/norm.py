"""Batch and layer normalisation over the last axis's channels."""

import numpy as np

from golden.nn.channels import channel_sums, long_rows, repeated
from golden.nn.layer import Array, Layer, Parameter

__all__ = ["BatchNorm", "LayerNorm"]


class BatchNorm(Layer):
    """y = scale (x - mean) / sqrt(variance + eps) + shift per channel (last axis), Ioffe and Szegedy 2015.

    Training takes mean and (biased) variance over all other axes and moves the running ones by `momentum`, the running
    variance towards the unbiased estimate; evaluation uses the running ones. No weight decay on scale and shift.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale = Parameter(np.ones(channels, np.float32), decay=False)
        self.shift = Parameter(np.zeros(channels, np.float32), decay=False)
        self.momentum, self.eps = momentum, eps
        self.buffers = {"mean": np.zeros(channels, np.float32), "variance": np.ones(channels, np.float32)}

    def forward(self, x: Array, *, training: bool) -> Array:
        """(..., channels) -> same shape."""
        x = self.stash(x)
        rows = long_rows(x)
        count = x.size // x.shape[-1]
        mean, variance = self.buffers["mean"], self.buffers["variance"]
        if training:
            mean = channel_sums(x) / x.dtype.type(count)
        y = rows - repeated(mean, rows)
        if training:
            variance = channel_sums(y.reshape(x.shape), y) / x.dtype.type(count)
            self.buffers["mean"] += self.momentum * (mean - self.buffers["mean"])
            unbiased = variance * (count / max(count - 1, 1))
            self.buffers["variance"] += self.momentum * (unbiased - self.buffers["variance"])
        inverse = 1 / np.sqrt(variance + self.eps)
        if training:
            self.saved |= {"x": x, "mean": mean, "inverse": inverse}
        y *= repeated(self.scale.value * inverse, rows)
        y += repeated(self.shift.value, rows)
        return y.reshape(x.shape)

    def backward(self, g: Array) -> Array:
        """dx = scale inverse (g - mean(g) - normal mean(g normal)), normal = (x - mean) inverse."""
        x, mean, inverse = (self.saved.pop(key) for key in ("x", "mean", "inverse"))
        count = x.dtype.type(x.size // x.shape[-1])
        rows = long_rows(x)
        dx = rows - repeated(mean, rows)
        self.shift.grad = channel_sums(g)
        self.scale.grad = channel_sums(g, dx) * inverse
        dx *= repeated(-inverse * self.scale.grad / count, rows)
        dx += g.reshape(rows.shape)
        dx -= repeated(self.shift.grad / count, rows)
        dx *= repeated(self.scale.value * inverse, rows)
        return self.stash.backward(dx.reshape(x.shape))


class LayerNorm(Layer):
    """y = scale (x - mean) / sqrt(variance + eps) + shift, mean and variance over the last axis (Ba et al. 2016)."""

    def __init__(self, features: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale = Parameter(np.ones(features, np.float32), decay=False)
        self.shift = Parameter(np.zeros(features, np.float32), decay=False)
        self.eps = eps

    def forward(self, x: Array, *, training: bool) -> Array:
        """(..., features) -> same shape."""
        x = self.stash(x)
        mean = x.mean(axis=-1, keepdims=True)
        y = x - mean
        inverse = 1 / np.sqrt((y * y).mean(axis=-1, keepdims=True) + self.eps)
        if training:
            self.saved |= {"x": x, "mean": mean, "inverse": inverse}
        y *= inverse
        y *= self.scale.value
        y += self.shift.value
        return y

    def backward(self, g: Array) -> Array:
        """dx = inverse (h - mean(h) - normal mean(h normal)), h = scale g, normal = (x - mean) inverse."""
        x, mean, inverse = (self.saved.pop(key) for key in ("x", "mean", "inverse"))
        normal = (x - mean) * inverse
        self.shift.grad = channel_sums(g)
        self.scale.grad = channel_sums(g, normal)
        dx = g * self.scale.value
        normal *= (dx * normal).mean(axis=-1, keepdims=True)
        dx -= dx.mean(axis=-1, keepdims=True)
        dx -= normal
        dx *= inverse
        return self.stash.backward(dx)
