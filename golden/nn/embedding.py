"""Tokens to vectors, and where they stand in the sequence."""

import numpy as np
from numpy.typing import NDArray

from golden.nn.layer import NO_GRADIENT, Array, Layer, Parameter

__all__ = ["Embedding", "Positions"]


class Embedding(Layer):
    """Integers (...) in 0..vocabulary - 1 -> rows of weight (vocabulary, features), deviation 1 / sqrt(features).

    A look-up, not a dot product: its weight is not quantised.
    """

    def __init__(self, vocabulary: int, features: int, rng: np.random.Generator) -> None:
        super().__init__()
        weight = rng.standard_normal((vocabulary, features)) / features**0.5
        self.weight = Parameter(weight.astype(np.float32), decay=False)

    def forward(self, x: NDArray[np.integer], *, training: bool) -> Array:
        """(...) -> (..., features)."""
        if training:
            self.saved["tokens"] = x
        return self.weight.value[x]

    def backward(self, g: Array) -> Array:
        """Sums each token's gradients, in order of position; tokens have no gradient themselves."""
        tokens = self.saved.pop("tokens").ravel()
        order = np.argsort(tokens, kind="stable")
        found, first = np.unique(tokens[order], return_index=True)
        self.weight.grad = np.zeros_like(self.weight.value)
        self.weight.grad[found] = np.add.reduceat(g.reshape(len(tokens), -1)[order], first, axis=0)
        return NO_GRADIENT


class Positions(Layer):
    """Adds sinusoids to (B, T, features): sin(t / 10000^(2i / features)) and cos, interleaved (Vaswani et al. 2017).

    `gain` multiplies what they are added to; sqrt(features) there.
    """

    def __init__(self, features: int, *, gain: float = 1.0) -> None:
        super().__init__()
        if features % 2:
            raise ValueError(f"{features} features: sines and cosines come in pairs, an even number is wanted")
        self.features, self.gain = features, gain

    def forward(self, x: Array, *, training: bool) -> Array:
        """Same shape."""
        rates = 10000.0 ** (-np.arange(0, self.features, 2) / self.features)
        angles = np.arange(x.shape[-2])[:, np.newaxis] * rates
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(x.shape[-2], self.features)
        return x * x.dtype.type(self.gain) + table.astype(x.dtype)

    def backward(self, g: Array) -> Array:
        """Same shape."""
        return g * g.dtype.type(self.gain)
