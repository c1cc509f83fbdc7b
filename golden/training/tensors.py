"""The tensors of a training step that memory has to hold: weights, and what layers keep for their backward pass."""

from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

from golden.nn.layer import Layer
from golden.nn.precision import Order

__all__ = ["Tensor", "stashed_tensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A weight or an activation of a layer with a matrix product. Activations count a whole batch.

    `groups` x `length`: the tensor as rows along the dimension in which blocks lie where it is read; with `tiled`,
    blocks are squares of that matrix.
    """

    layer: str
    role: str  # "weight", "activation"
    shape: tuple[int, ...]
    groups: int
    length: int
    tiled: bool = False

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)

    @property
    def key(self) -> str:
        """Name in logs and reports; attention keeps several activations, so that the shape is part of it there."""
        return f"{self.layer}/{self.role}"


def stashed_tensors(model: Layer, example: Any, order: Order) -> list[Tensor]:
    """Every operand that stays in memory for a training step on a batch like `example`, in order of execution.

    Only layers with matrix products count: weights as the forward product reads them (blocks along the inputs, with
    `order` im2col along inputs and taps), activations as the weight gradient reads them: blocks along the batch at each
    pixel, or with im2col along all pixels of the batch, in linear layers along all rows; with `order` emulator along
    the inputs, as forward. Attention keeps queries, keys, values and probabilities (blocks along the last axis). The
    model is not touched: a copy runs forward.
    """
    copy = deepcopy(model)
    copy.forward(example, training=True)
    found: list[Tensor] = []
    for layer in copy.matmul_layers():
        weight = layer.own_parameters().get("weight")
        if weight is None:
            for kept, value in layer.saved.items():
                shape = tuple(value.shape)
                found.append(_tensor(layer.name, f"activation {kept}", shape, shape[-1]))
            continue
        for role, value in (("weight", weight.value), ("activation", layer.saved["x"])):
            shape = tuple(value.shape)
            length = (_weight_length if role == "weight" else _activation_length)(shape, order)
            found.append(_tensor(layer.name, role, shape, length, order is Order.TILE2D))
    return found


def _weight_length(shape: tuple[int, ...], order: Order) -> int:
    """(in, out), (kh, kw, in, out), depthwise (kh, kw, channels): what the forward product sums over, or its inputs."""
    if len(shape) == 3 or order in (Order.IM2COL, Order.TILE2D):
        return prod(shape[:-1])
    return shape[-2]


def _activation_length(shape: tuple[int, ...], order: Order) -> int:
    """(n, h, w, channels) or (..., features): what the weight gradient sums over, or the batch of it."""
    if order is Order.EMULATOR:
        return shape[-1]
    return shape[0] if len(shape) == 4 and order is Order.CHANNEL else prod(shape[:-1])


def _tensor(layer: str, role: str, shape: tuple[int, ...], length: int, tiled: bool = False) -> Tensor:
    return Tensor(layer=layer, role=role, shape=shape, groups=prod(shape) // length, length=length, tiled=tiled)
