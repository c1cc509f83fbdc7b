"""Puts DFQ's gates into a model: blocks that run in every candidate precision, mixed by the controller's choice."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from golden.nn.compose import Sequential
from golden.nn.layer import Array, Layer
from golden.policies.controller import Controller, Gate, choose

__all__ = ["GatedBlock", "gate"]


class Chooser(Protocol):
    """What a gated block needs of its policy."""

    pairs: tuple[tuple[int, int], ...]
    candidate: int
    picked: dict[int, NDArray[np.float64]]

    def cost_gradient(self, block: int) -> NDArray[np.float64]:
        """d(cost term)/d(choice)."""
        ...


class GatedBlock(Layer):
    """`body` in the precision that the controller picks for each sample of its input, the output of the block before.

    Backward is that of the mixture sum_k choice_k body_k(x): through the body once per candidate in use, and straight
    through the choices to the controller.
    """

    def __init__(self, index: int, body: Layer, gate: Gate, controller: Controller, policy: Chooser) -> None:
        super().__init__()
        self.body, self.gate = body, gate
        if index == 0:
            self.controller = controller  # a child of the first block: its parameters are listed once
        self._controller, self._policy, self._index = [controller], policy, index
        self._candidates: list[tuple[dict[str, dict[str, Any]], Array]] = []
        self._picked: NDArray[np.int64] = np.zeros(0, np.int64)

    def forward(self, x: Array, *, training: bool) -> Array:
        """As the body's."""
        controller, policy = self._controller[0], self._policy
        if self._index == 0:
            controller.begin()
        self._picked = choose(controller.step(self.gate.forward(x, training=training), training=training))
        policy.picked[self._index] = np.bincount(self._picked, minlength=len(policy.pairs)) / len(x)
        self._candidates, y = [], None
        for k in range(len(policy.pairs)):
            chosen = self._picked == k
            if not training and not chosen.any():
                continue
            policy.candidate = k
            out = self.body.forward(x, training=training)
            self._candidates.append((self._snapshot(), out) if training else ({}, out))
            y = np.zeros_like(out) if y is None else y
            y[chosen] = out[chosen]
        assert y is not None  # every sample picks something
        return y

    def backward(self, g: Array) -> Array:
        """As the body's, and what the controller reads of x."""
        policy = self._policy
        pixels = tuple(range(1, g.ndim))
        scores = np.stack([(g * out).sum(axis=pixels) for _, out in self._candidates], axis=1)
        features = self._controller[0].step_back(scores + policy.cost_gradient(self._index).astype(g.dtype))
        parameters = self.body.parameters()
        sums = [np.zeros_like(parameter.value) for parameter in parameters]
        dx = self.gate.backward(features)
        for k, (snapshot, _) in enumerate(self._candidates):
            chosen = self._picked == k
            if not chosen.any():
                continue
            policy.candidate = k
            self._restore(snapshot)
            mask = chosen.reshape(-1, *[1] * (g.ndim - 1))
            dx = dx + self.body.backward(np.where(mask, g, g.dtype.type(0)))
            for total, parameter in zip(sums, parameters, strict=True):
                total += parameter.grad
        for total, parameter in zip(sums, parameters, strict=True):
            parameter.grad = total
        self._candidates = []
        return dx

    def _snapshot(self) -> dict[str, dict[str, Any]]:
        """What a forward pass of the body left for its backward, of layers and of their products."""
        kept = {}
        for layer in self.body.layers():
            products: Any = getattr(layer, "products", None)
            state = products.operands() if hasattr(products, "operands") else None
            kept[layer.name] = {"saved": dict(layer.saved), "operands": state}
        return kept

    def _restore(self, snapshot: dict[str, dict[str, Any]]) -> None:
        for layer in self.body.layers():
            layer.saved = dict(snapshot[layer.name]["saved"])
            if snapshot[layer.name]["operands"] is not None:
                layer.products.set_operands(snapshot[layer.name]["operands"])  # type: ignore[attr-defined]


class _Channels(Layer):
    """Notes how many channels come in."""

    def __init__(self, body: Layer) -> None:
        super().__init__()
        self.body, self.channels = body, 0

    def forward(self, x: Array, *, training: bool) -> Array:
        self.channels = x.shape[-1]
        return self.body.forward(x, training=training)


def gate(policy: Chooser, model: Layer, batch: Any, seed: int) -> list[list[str]]:
    """Gate the inner blocks of a stack of layers; the names of the gated layers with products, block by block.

    Inner: all children with products but the first and the last. Layers on a shortcut path stay as they are. Raises
    ValueError for models that are no stack.
    """
    if not isinstance(model, Sequential):
        raise ValueError("--policy dfq: models that are a stack of layers, such as resnet8 or lenet5")
    stack = model._layers
    inner = [name for name, child in stack.items() if child.matmul_layers()][1:-1]
    if not inner:
        raise ValueError("--policy dfq: at least three layers with products")
    probes = {name: _Channels(stack[name]) for name in inner}
    stack.update(probes)
    model.forward(batch, training=False)
    rng = np.random.Generator(np.random.PCG64([seed, 6]))
    controller = Controller(len(policy.pairs), rng)
    controller.rename("controller")
    found = []
    for index, name in enumerate(inner):
        body = probes[name].body
        own = Gate(probes[name].channels, rng)
        own.rename(f"gate{index}")
        stack[name] = GatedBlock(index, body, own, controller, policy)
        stack[name].name = name
        names = [layer.name for layer in body.matmul_layers() if "shortcut" not in layer.name]
        found.append(names)
    return found
