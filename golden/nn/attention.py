"""Multi-head attention (Vaswani et al. 2017): of a sequence to itself or to another, with masks."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from golden.nn.layer import NO_GRADIENT, Array, Layer, Stash
from golden.nn.linear import Linear
from golden.nn.matmul_layer import MatmulLayer

__all__ = ["OPERANDS", "AttentionCore", "MultiHeadAttention"]

Mask = NDArray[np.bool_]

OPERANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "scores": ("q", "k"),
        "context": ("p", "v"),
        "d_probabilities": ("context", "v"),
        "d_value": ("context", "p"),
        "d_query": ("scores", "k"),
        "d_key": ("scores", "q"),
    }
)
"""Both operands of each product (`plain.BATCHED_ROLES`), in the order of the calls of a step: tensors that are kept for
backward, or, first in the last four, the gradient of what the product of that name gave."""


class AttentionCore(MatmulLayer):
    """softmax(q k^T / sqrt(d) + mask) v per head: two products forward, four backward (`OPERANDS`).

    A query that may see no key at all gets zeros. Queries, keys, values and probabilities each pass a stash of their
    own: what it returns enters the products of both passes and, of p, the gradient of the softmax.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stashes = {part: Stash() for part in "qkvp"}

    def attend(self, q: Array, k: Array, v: Array, mask: Mask | None, *, training: bool) -> Array:
        """q (B, heads, T, d), k and v (B, heads, S, d), mask broadcast to (B, heads, T, S), True: may see -> as q."""
        q, k, v = (self.stashes[part](x) for part, x in zip("qkv", (q, k, v), strict=True))
        scores = self.products.batched(q, k.swapaxes(-1, -2), "scores") * q.dtype.type(q.shape[-1] ** -0.5)
        if mask is not None:
            scores = np.where(mask, scores, -np.inf)
        largest = scores.max(axis=-1, keepdims=True)
        p = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
        total = p.sum(axis=-1, keepdims=True)
        p /= np.where(total == 0, 1, total)
        p = self.stashes["p"](p)
        if training:
            self.saved |= {"q": q, "k": k, "v": v, "p": p}
        return self.products.batched(p, v, "context")

    def backward_all(self, g: Array) -> tuple[Array, Array, Array]:
        """g as q -> (dq, dk, dv). Gradients come first in each product; a transposed one is transposed back."""
        q, k, v, p = (self.saved.pop(key) for key in "qkvp")
        dp = self.products.batched(g, v.swapaxes(-1, -2), "d_probabilities")
        dv = self.products.batched(g.swapaxes(-1, -2), p, "d_value").swapaxes(-1, -2)
        dp = self.stashes["p"].backward(dp)
        ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * q.dtype.type(q.shape[-1] ** -0.5)
        dq = self.products.batched(ds, k, "d_query")
        dk = self.products.batched(ds.swapaxes(-1, -2), q, "d_key")
        return self.stashes["q"].backward(dq), self.stashes["k"].backward(dk), self.stashes["v"].backward(dv)


class MultiHeadAttention(Layer):
    """(B, T, features) -> same: four projections with bias around `heads` cores of features / heads each.

    With `memory` (B, S, features) keys and values come from there (cross attention) and backward leaves the gradient
    with respect to it in `memory_gradient`. `causal`: position t sees keys up to t. `keep` (B, S): False at padding.
    """

    def __init__(self, features: int, heads: int, rng: np.random.Generator, *, causal: bool = False) -> None:
        super().__init__()
        if features % heads:
            raise ValueError(f"{features} features in {heads} heads: a multiple wanted")
        self.heads, self.causal = heads, causal
        self.query = Linear(features, features, rng, gain=1.0)
        self.key = Linear(features, features, rng, gain=1.0)
        self.value = Linear(features, features, rng, gain=1.0)
        self.core = AttentionCore()
        self.output = Linear(features, features, rng, gain=1.0)
        self.memory_gradient = NO_GRADIENT
        self._crossed = False

    def forward(self, x: Array, *, training: bool, memory: Array | None = None, keep: Mask | None = None) -> Array:
        """(B, T, features) -> same shape."""
        self._crossed = memory is not None
        source = x if memory is None else memory
        q = self._split(self.query.forward(x, training=training))
        k = self._split(self.key.forward(source, training=training))
        v = self._split(self.value.forward(source, training=training))
        mask = None if keep is None else keep[:, np.newaxis, np.newaxis, :]
        if self.causal:
            past = np.tri(x.shape[1], source.shape[1], dtype=bool)
            mask = past if mask is None else mask & past
        context = self.core.attend(q, k, v, mask, training=training)
        return self.output.forward(self._join(context), training=training)

    def backward(self, g: Array) -> Array:
        """Gradient with respect to x; without memory that through keys and values is in it."""
        dq, dk, dv = self.core.backward_all(self._split(self.output.backward(g)))
        dx = self.query.backward(self._join(dq))
        aside = self.key.backward(self._join(dk)) + self.value.backward(self._join(dv))
        self.memory_gradient = aside if self._crossed else NO_GRADIENT
        return dx if self._crossed else dx + aside

    def _split(self, x: Array) -> Array:
        b, t, f = x.shape
        return x.reshape(b, t, self.heads, f // self.heads).transpose(0, 2, 1, 3)

    def _join(self, x: Array) -> Array:
        b, heads, t, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(b, t, heads * d)
