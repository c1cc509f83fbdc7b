"""Elementwise activations."""

import numpy as np

from golden.nn.layer import Array, Layer

__all__ = ["ReLU"]


class ReLU(Layer):
    """max(x, 0): NaN stays, all else not above 0 becomes +0 (formats.md 0.6). Keeps its output."""

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape."""
        y = self.stash(np.maximum(x, 0) + 0)
        if training:
            self.saved["y"] = y
        return y

    def backward(self, g: Array) -> Array:
        """Zero where the output was."""
        return self.stash.backward(g) * (self.saved.pop("y") > 0)
