"""Layers made of layers: one after the other, side by side with a sum, side by side with both results."""

import numpy as np

from golden.nn.layer import NO_GRADIENT, Array, Layer

__all__ = ["Concatenated", "Residual", "Sequential"]


class Sequential(Layer):
    """Layers in order, by local name: `Sequential(conv1=..., relu1=...)`."""

    def __init__(self, **layers: Layer) -> None:
        super().__init__()
        self._layers = layers

    def children(self) -> dict[str, Layer]:
        """The layers as given."""
        return dict(self._layers)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Through all layers."""
        for layer in self._layers.values():
            x = layer.forward(x, training=training)
        return x

    def backward(self, g: Array) -> Array:
        """Back through all layers."""
        for layer in reversed(self._layers.values()):
            if g is NO_GRADIENT:  # nothing in front of the first layer that is trained
                break
            g = layer.backward(g)
        return g


class Residual(Layer):
    """y = body(x) + shortcut(x); without a shortcut, y = body(x) + x."""

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape as the body's output."""
        y = self.body.forward(x, training=training)
        return y + (x if self.shortcut is None else self.shortcut.forward(x, training=training))

    def backward(self, g: Array) -> Array:
        """The gradient goes both ways; the two results add."""
        dx = self.body.backward(g)
        return dx + (g if self.shortcut is None else self.shortcut.backward(g))


class Concatenated(Layer):
    """y = (x, body(x)) along the last axis: dense connectivity."""

    def __init__(self, body: Layer) -> None:
        super().__init__()
        self.body = body
        self._inputs = 0

    def forward(self, x: Array, *, training: bool) -> Array:
        """(..., C) -> (..., C + channels of the body)."""
        self._inputs = x.shape[-1]
        return np.concatenate([x, self.body.forward(x, training=training)], axis=-1)

    def backward(self, g: Array) -> Array:
        """The part of x directly, plus what comes through the body."""
        body = self.body.backward(np.ascontiguousarray(g[..., self._inputs :]))
        return g[..., : self._inputs] + body
