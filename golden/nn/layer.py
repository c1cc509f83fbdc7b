"""What a layer is: forward and backward over arrays, parameters and child layers found by attribute, stable names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from golden.nn.matmul_layer import MatmulLayer

__all__ = ["NO_GRADIENT", "Array", "Layer", "Parameter", "Stash"]

Array = NDArray[Any]  # float32 in training, float64 in gradient checks; integers only as tokens and targets

NO_GRADIENT: Array = np.empty(0, np.float32)
"""What `backward` returns where nobody wants the gradient: integer inputs, a model's first layer."""


@dataclass(eq=False, slots=True)
class Parameter:
    """A trained array. `grad` is overwritten by each backward pass (not accumulated over passes).

    decay: weight decay applies (weights yes; biases, normalisation no). quantised: an operand of a product, so it
    lives in the wide storage format where one is set (formats.md 1.5). `name` is dotted, given by `Layer.rename`.
    """

    value: Array
    decay: bool = True
    quantised: bool = False
    name: str = ""
    grad: Array = field(init=False)

    def __post_init__(self) -> None:
        self.grad = np.zeros_like(self.value)


class Stash:
    """Hook on the tensor that a layer keeps for backward: what it returns is used forward and kept. Identity here.

    The array it returned is in the layer's `saved` as "x" (an input) or "y" (an output). Attention has a stash each for
    q, k, v and its probabilities p; masks and statistics pass none. A subclass may quantise in `__call__`; `backward`
    sees the gradient with respect to the array returned and returns the one with respect to the array given (straight
    through: the same).
    """

    def __call__(self, x: Array) -> Array:
        """What is passed on and kept in place of x; x itself is not changed."""
        return x

    def backward(self, g: Array) -> Array:
        """Gradient with respect to what `__call__` was given."""
        return g


class Layer:
    """Base of all layers. Attributes that are parameters or layers are found by themselves, in order of assignment.

    That order is the order of execution. `saved` holds by role ("x", "y", ...) the arrays kept from a forward pass
    with training=True until backward, which takes them out; between the two they are what memory a training step
    needs. `buffers` are arrays that belong to the state but are not trained (running statistics).
    """

    def __init__(self) -> None:
        self.name = ""
        self.stash = Stash()
        self.saved: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def forward(self, x: Any, *, training: bool) -> Array:
        """Output of the layer; with `training`, what backward needs is kept and statistics are updated."""
        raise NotImplementedError  # not abstract: a layer of several operands, like attention's core, has other methods

    def backward(self, g: Array) -> Array:
        """Gradient with respect to the input from that of the output; parameters' gradients are set. Once a forward."""
        raise NotImplementedError  # as above

    def children(self) -> dict[str, "Layer"]:
        """Child layers by local name, in order of execution."""
        return {key: value for key, value in vars(self).items() if isinstance(value, Layer)}

    def own_parameters(self) -> dict[str, Parameter]:
        """This layer's own parameters by local name."""
        return {key: value for key, value in vars(self).items() if isinstance(value, Parameter)}

    def layers(self) -> Iterator["Layer"]:
        """This layer and all below it, in order of execution."""
        yield self
        for child in self.children().values():
            yield from child.layers()

    def parameters(self) -> list[Parameter]:
        """All parameters, in the order of `layers`."""
        return [parameter for layer in self.layers() for parameter in layer.own_parameters().values()]

    def matmul_layers(self) -> "list[MatmulLayer]":
        """The layers that have `products`, which can be quantised, in order of execution."""
        from golden.nn.matmul_layer import MatmulLayer  # it is a Layer itself

        return [layer for layer in self.layers() if isinstance(layer, MatmulLayer)]

    def rename(self, name: str = "") -> None:
        """Give this layer and all below it dotted names: `block1.conv`, its parameter `block1.conv.weight`."""
        self.name = name
        prefix = f"{name}." if name else ""
        for key, parameter in self.own_parameters().items():
            parameter.name = prefix + key
        for key, child in self.children().items():
            child.rename(prefix + key)

    def state(self) -> dict[str, Array]:
        """Parameters and buffers by dotted name, as views: all that a checkpoint needs of a model."""
        return {parameter.name: parameter.value for parameter in self.parameters()} | self.statistics()

    def statistics(self) -> dict[str, Array]:
        """Buffers of this layer and all below it by dotted name, as views."""
        named = ((layer.name, layer.buffers) for layer in self.layers())
        return {f"{name}.{key}".lstrip("."): value for name, buffers in named for key, value in buffers.items()}

    def load(self, state: dict[str, Array]) -> None:
        """Copy a `state` in; ValueError unless names and shapes agree exactly."""
        own = self.state()
        shapes = {key: value.shape for key, value in own.items()}
        given = {key: np.shape(value) for key, value in state.items()}
        if shapes != given:
            differ = sorted(key for key in shapes.keys() | given.keys() if shapes.get(key) != given.get(key))
            raise ValueError(f"state of another model: {', '.join(differ[:3])} of {len(differ)} that differ")
        for key, value in own.items():
            value[...] = state[key]

    def to(self, dtype: DTypeLike) -> "Layer":
        """This layer, its floating-point parameters and buffers converted in place to float32 or float64."""
        for parameter in self.parameters():
            parameter.value, parameter.grad = parameter.value.astype(dtype), parameter.grad.astype(dtype)
        for layer in self.layers():
            for key, value in layer.buffers.items():
                layer.buffers[key] = value.astype(dtype) if value.dtype.kind == "f" else value
        return self
