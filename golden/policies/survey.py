"""What a model multiplies: shapes of every product of one forward pass, seen by recording products."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.nn.attention import OPERANDS
from golden.nn.layer import Layer
from golden.nn.plain import PlainProducts
from golden.policies.formats import Product, Role, Tensor

__all__ = ["Survey", "survey"]

Array = NDArray[Any]


class Survey:
    """Tensors and products of a batch, in order of execution."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.products: list[Product] = []


class _Recorder(PlainProducts):
    """Plain products that note what they were asked for."""

    def __init__(self, layer: str, found: Survey) -> None:
        self._layer, self._found = layer, found

    def _note(self, x: Array, w: Array, y: Array) -> Array:
        sizes = {Role.WEIGHT: w.size, Role.ACTIVATION: x.size, Role.GRADIENT: y.size}
        tensors = [Tensor(layer=self._layer, role=role, values=size) for role, size in sizes.items()]
        self._add(self._layer, tensors, y.size * w.size // w.shape[-1])
        return y

    def _add(self, name: str, tensors: list[Tensor], macs: int) -> None:
        """A product whose weight, activation and gradient these are."""
        weight, activation, gradient = (tensor.key for tensor in tensors)
        self._found.tensors += tensors
        self._found.products.append(Product(name=name, operands=(weight, activation, gradient), macs=macs))

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
        """Attention: both operands are activations, kept for backward; b stands for the weight in the cost."""
        y = super().batched(a, b, role)
        name, (first, second) = f"{self._layer}.{role}", OPERANDS[role]
        tensors = [
            Tensor(layer=f"{self._layer}.{second}", role=Role.ACTIVATION, values=b.size),
            Tensor(layer=f"{self._layer}.{first}", role=Role.ACTIVATION, values=a.size),
            Tensor(layer=name, role=Role.GRADIENT, values=y.size),
        ]
        self._add(name, tensors, y.size * a.shape[-1])
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
