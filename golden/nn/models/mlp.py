"""Multi-layer perceptrons on flattened inputs; LeNet-300-100 of LeCun et al. 1998."""

from itertools import pairwise
from math import prod

import numpy as np

from golden.nn.activation import ReLU
from golden.nn.compose import Sequential
from golden.nn.layer import Layer
from golden.nn.linear import Linear
from golden.nn.shape import Flatten

__all__ = ["lenet300", "mlp"]


def mlp(
    input_shape: tuple[int, ...], classes: int, rng: np.random.Generator, *, hidden: tuple[int, ...] = (128, 64)
) -> Sequential:
    """Linear layers with ReLU between them: fc1, relu1, fc2, ...; `hidden` gives the widths between."""
    widths = [prod(input_shape), *hidden]
    layers: dict[str, Layer] = {"flatten": Flatten()}
    for i, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        layers |= {f"fc{i}": Linear(inputs, outputs, rng, input_gradient=i > 1), f"relu{i}": ReLU()}
    layers[f"fc{len(widths)}"] = Linear(widths[-1], classes, rng, gain=1.0, input_gradient=len(hidden) > 0)
    return Sequential(**layers)


def lenet300(input_shape: tuple[int, ...], classes: int, rng: np.random.Generator, *, width: float = 1.0) -> Sequential:
    """784-300-100-10 on MNIST (266,610 parameters); any input, hidden widths scaled by `width`."""
    return mlp(input_shape, classes, rng, hidden=(round(300 * width), round(100 * width)))
