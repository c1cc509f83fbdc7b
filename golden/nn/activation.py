"""Elementwise activations, and dropout."""

import numpy as np

from golden.nn.layer import Array, Layer

__all__ = ["GELU", "Dropout", "ReLU"]

ROOT = (2 / np.pi) ** 0.5


class ReLU(Layer):
    """max(x, 0): NaN stays, all else not above 0 becomes +0 (formats.md 0.6). Keeps its output."""

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape."""
        y = self.stash(np.maximum(x, 0))
        if training:
            self.saved["y"] = y
        return y

    def backward(self, g: Array) -> Array:
        """Zero where the output was."""
        return self.stash.backward(g) * (self.saved.pop("y") > 0)


class GELU(Layer):
    """x Phi(x) in the tanh form, x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks and Gimpel 2016)."""

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape."""
        x = self.stash(x)
        if training:
            self.saved["x"] = x
        y = _tanh(x)
        y += 1
        y *= x
        y *= 0.5
        return y

    def backward(self, g: Array) -> Array:
        """g (1 + t + x (1 - t^2) sqrt(2/pi) (1 + 3 0.044715 x^2)) / 2, t the tanh."""
        x = self.saved.pop("x")
        t = _tanh(x)
        d = x * x
        d *= 3 * 0.044715 * ROOT
        d += ROOT
        d *= x
        d *= 1 - t * t
        d += t
        d += 1
        d *= 0.5
        d *= g
        return self.stash.backward(d)


def _tanh(x: Array) -> Array:
    """tanh(sqrt(2/pi) (x + 0.044715 x^3)), in one new array."""
    t = x * x
    t *= 0.044715 * ROOT
    t += ROOT
    t *= x
    return np.tanh(t, out=t)


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, else scaled by 1 / (1 - rate); otherwise identity.

    The mask of the n-th training pass is drawn from PCG64 seeded by (seed, n); n is a buffer, so that a resumed run
    draws what an uninterrupted one would.
    """

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout rate {rate}: 0 <= rate < 1 wanted")
        self.rate, self.seed = rate, seed
        self.buffers = {"passes": np.zeros((), np.int64)}

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape."""
        if not training or self.rate == 0:
            return x
        rng = np.random.Generator(np.random.PCG64([self.seed, int(self.buffers["passes"])]))
        self.buffers["passes"] += 1
        kept = rng.random(x.shape, np.float32) >= self.rate
        self.saved["kept"] = kept
        return x * (kept * x.dtype.type(1 / (1 - self.rate)))

    def backward(self, g: Array) -> Array:
        """The same elements, the same scale."""
        if self.rate == 0:
            return g
        return g * (self.saved.pop("kept") * g.dtype.type(1 / (1 - self.rate)))
