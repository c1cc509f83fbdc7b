"""Blocks of a Transformer (Vaswani et al. 2017) in pre-norm order: x + attention(norm(x)), then x + MLP(norm(x))."""

import numpy as np

from golden.nn.activation import GELU, Dropout
from golden.nn.attention import Mask, MultiHeadAttention
from golden.nn.compose import Sequential
from golden.nn.layer import Array, Layer
from golden.nn.linear import Linear
from golden.nn.norm import LayerNorm

__all__ = ["DecoderBlock", "EncoderBlock"]


def _mlp(features: int, rng: np.random.Generator) -> Sequential:
    """features -> 4 features -> features, GELU between."""
    fc1, fc2 = Linear(features, 4 * features, rng), Linear(4 * features, features, rng, gain=1.0)
    return Sequential(fc1=fc1, gelu=GELU(), fc2=fc2)


class EncoderBlock(Layer):
    """Self-attention and MLP, each with a layer norm in front and dropout behind; causal in a language model."""

    def __init__(
        self, features: int, heads: int, rng: np.random.Generator, *, causal: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(features)
        self.attention = MultiHeadAttention(features, heads, rng, causal=causal)
        self.drop1 = Dropout(dropout, int(rng.integers(1 << 32)))
        self.norm2 = LayerNorm(features)
        self.mlp = _mlp(features, rng)
        self.drop2 = Dropout(dropout, int(rng.integers(1 << 32)))

    def forward(self, x: Array, *, training: bool, keep: Mask | None = None) -> Array:
        """(B, T, features) -> same shape; `keep` (B, T) is False at padding."""
        seen = self.attention.forward(self.norm1.forward(x, training=training), training=training, keep=keep)
        x = x + self.drop1.forward(seen, training=training)
        thought = self.mlp.forward(self.norm2.forward(x, training=training), training=training)
        return x + self.drop2.forward(thought, training=training)

    def backward(self, g: Array) -> Array:
        """(B, T, features) -> same shape."""
        g = g + self.norm2.backward(self.mlp.backward(self.drop2.backward(g)))
        return g + self.norm1.backward(self.attention.backward(self.drop1.backward(g)))


class DecoderBlock(Layer):
    """Causal self-attention, attention to the encoder's output, MLP; norms and dropout as in the encoder.

    Backward leaves the gradient with respect to the memory in `cross.memory_gradient`.
    """

    def __init__(self, features: int, heads: int, rng: np.random.Generator, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm(features)
        self.attention = MultiHeadAttention(features, heads, rng, causal=True)
        self.drop1 = Dropout(dropout, int(rng.integers(1 << 32)))
        self.norm2 = LayerNorm(features)
        self.cross = MultiHeadAttention(features, heads, rng)
        self.drop2 = Dropout(dropout, int(rng.integers(1 << 32)))
        self.norm3 = LayerNorm(features)
        self.mlp = _mlp(features, rng)
        self.drop3 = Dropout(dropout, int(rng.integers(1 << 32)))

    def forward(self, x: Array, *, training: bool, memory: Array | None = None, keep: Mask | None = None) -> Array:
        """(B, T, features) -> same shape; memory (B, S, features), `keep` (B, S) False at its padding."""
        if memory is None:
            raise ValueError("a decoder block needs the encoder's output as `memory`")
        seen = self.attention.forward(self.norm1.forward(x, training=training), training=training)
        x = x + self.drop1.forward(seen, training=training)
        asked = self.norm2.forward(x, training=training)
        told = self.cross.forward(asked, training=training, memory=memory, keep=keep)
        x = x + self.drop2.forward(told, training=training)
        thought = self.mlp.forward(self.norm3.forward(x, training=training), training=training)
        return x + self.drop3.forward(thought, training=training)

    def backward(self, g: Array) -> Array:
        """(B, T, features) -> same shape."""
        g = g + self.norm3.backward(self.mlp.backward(self.drop3.backward(g)))
        g = g + self.norm2.backward(self.cross.backward(self.drop2.backward(g)))
        return g + self.norm1.backward(self.attention.backward(self.drop1.backward(g)))
