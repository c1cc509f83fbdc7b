"""Transformers over token sequences: a causal language model, and an encoder-decoder for translation."""

import numpy as np
from numpy.typing import NDArray

from golden.nn.compose import Sequential
from golden.nn.embedding import Embedding, Positions
from golden.nn.layer import NO_GRADIENT, Array, Layer
from golden.nn.linear import Linear
from golden.nn.norm import LayerNorm
from golden.nn.transformer_block import DecoderBlock, EncoderBlock

__all__ = ["PADDING", "TransformerSeq2Seq", "transformer_lm", "transformer_seq2seq"]

PADDING = 0  # token that fills short sequences: no key sees it, the loss ignores it
Tokens = NDArray[np.integer]


def transformer_lm(
    input_shape: tuple[int, ...],
    classes: int,
    rng: np.random.Generator,
    *,
    width: int = 128,
    depth: int = 4,
    heads: int = 4,
    dropout: float = 0.0,
) -> Sequential:
    """Tokens (B, T) of a vocabulary of `classes` -> logits (B, T, classes) of the next token; any T.

    Pre-norm blocks of `width` features, sinusoidal positions, untied output layer.
    """
    layers: dict[str, Layer] = {
        "embedding": Embedding(classes, width, rng),
        "positions": Positions(width, gain=width**0.5),
    }
    for block in range(1, depth + 1):
        layers[f"block{block}"] = EncoderBlock(width, heads, rng, causal=True, dropout=dropout)
    return Sequential(**layers, norm=LayerNorm(width), output=Linear(width, classes, rng, gain=1.0))


class TransformerSeq2Seq(Layer):
    """(source (B, S), target so far (B, T)) -> logits (B, T, classes); one vocabulary, two embeddings.

    `PADDING` in the source is masked as a key. In the target it stands at the end, where causality hides it.
    """

    def __init__(
        self, classes: int, rng: np.random.Generator, *, width: int, depth: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.source_embedding = Embedding(classes, width, rng)
        self.source_positions = Positions(width, gain=width**0.5)
        self.encoder = [EncoderBlock(width, heads, rng, dropout=dropout) for _ in range(depth)]
        self.encoder_norm = LayerNorm(width)
        self.target_embedding = Embedding(classes, width, rng)
        self.target_positions = Positions(width, gain=width**0.5)
        self.decoder = [DecoderBlock(width, heads, rng, dropout=dropout) for _ in range(depth)]
        self.decoder_norm = LayerNorm(width)
        self.output = Linear(width, classes, rng, gain=1.0)

    def children(self) -> dict[str, Layer]:
        """Blocks are encoder1, ..., decoder1, ..., each list in its place."""
        found: dict[str, Layer] = {}
        for key, value in vars(self).items():
            if isinstance(value, Layer):
                found[key] = value
            elif key in ("encoder", "decoder"):
                found |= {f"{key}{number}": block for number, block in enumerate(value, start=1)}
        return found

    def forward(self, x: tuple[Tokens, Tokens], *, training: bool) -> Array:
        """Encode the source, decode the target against it."""
        source, target = x
        keep = source != PADDING
        memory = self.source_positions.forward(
            self.source_embedding.forward(source, training=training), training=training
        )
        for encoder in self.encoder:
            memory = encoder.forward(memory, training=training, keep=keep)
        memory = self.encoder_norm.forward(memory, training=training)
        y = self.target_positions.forward(self.target_embedding.forward(target, training=training), training=training)
        for decoder in self.decoder:
            y = decoder.forward(y, training=training, memory=memory, keep=keep)
        return self.output.forward(self.decoder_norm.forward(y, training=training), training=training)

    def backward(self, g: Array) -> Array:
        """Decoder first; the memory's gradients of all its blocks add up and go through the encoder."""
        g = self.decoder_norm.backward(self.output.backward(g))
        memory_gradient: Array = np.zeros((), g.dtype)
        for decoder in reversed(self.decoder):
            g = decoder.backward(g)
            memory_gradient = memory_gradient + decoder.cross.memory_gradient
        self.target_embedding.backward(self.target_positions.backward(g))
        g = self.encoder_norm.backward(memory_gradient)
        for encoder in reversed(self.encoder):
            g = encoder.backward(g)
        self.source_embedding.backward(self.source_positions.backward(g))
        return NO_GRADIENT


def transformer_seq2seq(
    input_shape: tuple[int, ...],
    classes: int,
    rng: np.random.Generator,
    *,
    width: int = 128,
    depth: int = 3,
    heads: int = 4,
    dropout: float = 0.0,
) -> TransformerSeq2Seq:
    """Encoder and decoder of `depth` blocks each over one vocabulary of `classes`; any sequence lengths."""
    return TransformerSeq2Seq(classes, rng, width=width, depth=depth, heads=heads, dropout=dropout)
