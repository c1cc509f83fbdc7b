"""Fully connected layer: y = x W + b over the last axis."""

import numpy as np

from golden.nn.layer import NO_GRADIENT, Array, Parameter
from golden.nn.matmul_layer import MatmulLayer

__all__ = ["Linear"]


class Linear(MatmulLayer):
    """(..., inputs) -> (..., outputs). weight (inputs, outputs), normal with deviation `gain` / sqrt(inputs); bias 0.

    `gain` sqrt(2) suits a ReLU behind it (He et al. 2015), 1 a linear output. With `input_gradient` False (first layer
    of a model) backward saves that product and returns NO_GRADIENT.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rng: np.random.Generator,
        *,
        bias: bool = True,
        gain: float = 2**0.5,
        input_gradient: bool = True,
    ) -> None:
        super().__init__()
        weight = rng.standard_normal((inputs, outputs)) * (gain / inputs**0.5)
        self.weight = Parameter(weight.astype(np.float32), quantised=True)
        self.bias = Parameter(np.zeros(outputs, np.float32), decay=False) if bias else None
        self.input_gradient = input_gradient

    def forward(self, x: Array, *, training: bool) -> Array:
        """(..., inputs) -> (..., outputs)."""
        x = self.stash(x)
        if training:
            self.saved["x"] = x
        weight = self.weight.value
        y = self.products.linear_forward(x.reshape(-1, weight.shape[0]), weight)
        if self.bias is not None:
            y += self.bias.value
        return y.reshape(*x.shape[:-1], weight.shape[1])

    def backward(self, g: Array) -> Array:
        """(..., outputs) -> (..., inputs)."""
        x = self.saved.pop("x")
        rows = g.reshape(-1, g.shape[-1])
        self.weight.grad = self.products.linear_weight(x.reshape(len(rows), -1), rows)
        if self.bias is not None:
            self.bias.grad = rows.sum(axis=0)
        if not self.input_gradient:
            return NO_GRADIENT
        return self.stash.backward(self.products.linear_data(rows, self.weight.value).reshape(x.shape))
