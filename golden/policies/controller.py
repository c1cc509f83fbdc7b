"""DFQ's recurrent controller: one LSTM over the blocks of a network, one small gate per block (policies.md 6).

Step l reads the output of block l and decides, per sample, which of K precisions block l + 1 runs in. All of it is FP32
and small beside the network (`controller_macs`). Works in the dtype of its parameters.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.nn.layer import Array, Layer, Parameter

__all__ = ["Controller", "Gate", "choose", "controller_macs", "softmax_backward"]

_REDUCED, _SIZE = 32, 16


def controller_macs(channels: int, choices: int) -> int:
    """Multiply-accumulates of one decision for one sample: two 1x1 convolutions, the LSTM, the projection."""
    return channels * _REDUCED + _REDUCED * _SIZE + 4 * _SIZE * (_SIZE + _SIZE) + _SIZE * choices


def _parameter(rng: np.random.Generator, *shape: int) -> Parameter:
    return Parameter((rng.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32), decay=False)


def _zeros(size: int) -> Parameter:
    return Parameter(np.zeros(size, np.float32), decay=False)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def choose(p: Array) -> NDArray[np.int64]:
    """The hard choice of each sample, the lower one of equals; its gradient passes straight through to p."""
    return p.argmax(axis=1)


def softmax_backward(p: Array, dp: Array) -> Array:
    """Gradient to the logits from that to p = softmax(logits)."""
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))


class Gate(Layer):
    """(N, ..., C) -> (N, 16): mean over pixels, 1x1 convolution to 32, ReLU, 1x1 convolution to 16."""

    def __init__(self, channels: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.first, self.first_bias = _parameter(rng, channels, _REDUCED), _zeros(_REDUCED)
        self.second, self.second_bias = _parameter(rng, _REDUCED, _SIZE), _zeros(_SIZE)

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, ..., C) -> (N, 16)."""
        means = x.reshape(len(x), -1, x.shape[-1]).mean(axis=1)
        hidden = np.maximum(means @ self.first.value + self.first_bias.value, 0)
        if training:
            self.saved |= {"means": means, "hidden": hidden, "shape": np.array(x.shape)}
        return hidden @ self.second.value + self.second_bias.value

    def backward(self, g: Array) -> Array:
        """(N, 16) -> (N, ..., C)."""
        means, hidden, shape = (self.saved.pop(key) for key in ("means", "hidden", "shape"))
        self.second.grad, self.second_bias.grad = hidden.T @ g, g.sum(axis=0)
        dh = (g @ self.second.value.T) * (hidden > 0)
        self.first.grad, self.first_bias.grad = means.T @ dh, dh.sum(axis=0)
        pixels = int(np.prod(shape[1:-1]))
        dx = (dh @ self.first.value.T / pixels).reshape(len(means), *[1] * (len(shape) - 2), -1)
        return np.broadcast_to(dx, shape).astype(g.dtype)


class Controller(Layer):
    """The LSTM (input 16, hidden 16, gates in the order i, f, g, o) and its projection to K choices.

    `begin` starts a forward pass with a state of zeros; `step` and, in reverse order, `step_back` go along with the
    blocks. Gradients of a pass are complete after its last `step_back`.
    """

    def __init__(self, choices: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.weight, self.bias = _parameter(rng, 2 * _SIZE, 4 * _SIZE), _zeros(4 * _SIZE)
        self.project, self.project_bias = _parameter(rng, _SIZE, choices), _zeros(choices)
        self._tape: list[dict[str, Any]] = []
        self._state: tuple[Array, Array] | None = None
        self._carry: tuple[Array, Array] | None = None

    def begin(self) -> None:
        """A forward pass begins."""
        self._tape, self._state, self._carry = [], None, None

    def step(self, x: Array, *, training: bool) -> Array:
        """(N, 16) -> probabilities (N, K)."""
        h, c = self._state or (np.zeros_like(x), np.zeros_like(x))
        joined = np.concatenate([x, h], axis=1)
        i, f, g, o = np.split(joined @ self.weight.value + self.bias.value, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        new = f * c + i * g
        bent = np.tanh(new)
        h = o * bent
        self._state = h, new
        logits = h @ self.project.value + self.project_bias.value
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        if training:
            kept = {"joined": joined, "c": c, "i": i, "f": f, "g": g, "o": o, "bent": bent, "h": h, "p": p}
            self._tape.append(kept)
        return p

    def step_back(self, dp: Array) -> Array:
        """Gradient to p of the latest step that has not been gone back -> gradient to its input (N, 16)."""
        kept = self._tape.pop()
        if self._carry is None:  # the last step of the pass comes first
            for parameter in self.parameters():
                parameter.grad = np.zeros_like(parameter.value)
            self._carry = np.zeros_like(kept["h"]), np.zeros_like(kept["h"])
        i, f, g, o, bent = (kept[key] for key in ("i", "f", "g", "o", "bent"))
        dlogits = softmax_backward(kept["p"], dp)
        self.project.grad += kept["h"].T @ dlogits
        self.project_bias.grad += dlogits.sum(axis=0)
        dh = self._carry[0] + dlogits @ self.project.value.T
        dc = self._carry[1] + dh * o * (1 - bent**2)
        bent_gates = [dc * g * i * (1 - i), dc * kept["c"] * f * (1 - f), dc * i * (1 - g**2), dh * bent * o * (1 - o)]
        before = np.concatenate(bent_gates, axis=1)
        self.weight.grad += kept["joined"].T @ before
        self.bias.grad += before.sum(axis=0)
        joined = before @ self.weight.value.T
        self._carry = joined[:, _SIZE:], dc * f
        return joined[:, :_SIZE]
