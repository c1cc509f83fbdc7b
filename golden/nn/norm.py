"""Batch and layer normalisation over the last axis's channels."""

import numpy as np

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
        rows = x.reshape(-1, x.shape[-1])
        if training:
            mean, variance = rows.mean(axis=0), rows.var(axis=0)
            count = len(rows)
            for name, value in (("mean", mean), ("variance", variance * (count / max(count - 1, 1)))):
                self.buffers[name] += self.momentum * (value - self.buffers[name])
            inverse = 1 / np.sqrt(variance + self.eps)
            self.saved |= {"x": x, "mean": mean, "inverse": inverse}
        else:
            mean, inverse = self.buffers["mean"], 1 / np.sqrt(self.buffers["variance"] + self.eps)
        factor = self.scale.value * inverse
        return x * factor + (self.shift.value - mean * factor)

    def backward(self, g: Array) -> Array:
        """dx = scale / sqrt(variance + eps) (g - mean(g) - normalised x mean(g normalised x))."""
        x, mean, inverse = (self.saved.pop(key) for key in ("x", "mean", "inverse"))
        rows, g_rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, x.shape[-1])
        normal = (rows - mean) * inverse
        self.shift.grad = g_rows.sum(axis=0)
        self.scale.grad = (g_rows * normal).sum(axis=0)
        centred = g_rows - self.shift.grad / len(rows) - normal * (self.scale.grad / len(rows))
        return self.stash.backward((centred * (self.scale.value * inverse)).reshape(x.shape))


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
        centred = x - x.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.eps)
        normal = centred * inverse
        if training:
            self.saved |= {"normal": normal, "inverse": inverse}
        return normal * self.scale.value + self.shift.value

    def backward(self, g: Array) -> Array:
        """dx = inverse (h - mean(h) - normal mean(h normal)), h = scale g."""
        normal, inverse = self.saved.pop("normal"), self.saved.pop("inverse")
        features = g.shape[-1]
        self.shift.grad = g.reshape(-1, features).sum(axis=0)
        self.scale.grad = (g * normal).reshape(-1, features).sum(axis=0)
        h = g * self.scale.value
        h -= h.mean(axis=-1, keepdims=True) + normal * (h * normal).mean(axis=-1, keepdims=True)
        return self.stash.backward(h * inverse)
