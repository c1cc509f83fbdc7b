"""What a model multiplies: shapes of every product of one forward pass, seen by recording products."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.nn.layer import Layer
from golden.nn.plain import PlainProducts
from golden.policies.formats import Role, Tensor

__all__ = ["Survey", "survey"]

Array = NDArray[Any]


class Survey:
    """Tensors and multiply-accumulates of a batch, by layer in order of execution."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.macs: dict[str, int] = {}


class _Recorder(PlainProducts):
    """Plain products that note what they were asked for."""

    def __init__(self, layer: str, found: Survey) -> None:
        self._layer, self._found = layer, found

    def _note(self, x: Array, w: Array, y: Array) -> Array:
        sizes = {Role.WEIGHT: w.size, Role.ACTIVATION: x.size, Role.GRADIENT: y.size}
        self._found.tensors += [Tensor(layer=self._layer, role=role, values=size) for role, size in sizes.items()]
        self._found.macs[self._layer] = y.size * w.size // w.shape[-1]
        return y

    def linear_forward(self, x: Array, w: Array) -> Array:
        """Note the shapes."""
        return self._note(x, w, super().linear_forward(x, w))

    def conv_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """Note the shapes."""
        return self._note(x, w, super().conv_forward(x, w, stride, padding))

    def depthwise_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """Note the shapes."""
        return self._note(x, w, super().depthwise_forward(x, w, stride, padding))

    def batched(self, a: Array, b: Array, role: str) -> Array:
        """Attention: two products forward, counted together; its operands are no tensors of a policy."""
        y = super().batched(a, b, role)
        self._found.macs[self._layer] = self._found.macs.get(self._layer, 0) + y.size * a.shape[-1]
        return y


def survey(model: Layer, batch: Any, forward: Callable[..., Array] | None = None) -> Survey:
    """Run one forward pass in evaluation and say what was multiplied; the model is left as it was."""
    layers: list[Any] = model.matmul_layers()
    before = [layer.products for layer in layers]
    found = Survey()
    try:
        for layer in layers:
            layer.products = _Recorder(layer.name, found)
        with np.errstate(all="ignore"):
            (forward or model.forward)(batch, training=False)
    finally:
        for layer, products in zip(layers, before, strict=True):
            layer.products = products
    return found
