"""DenseNet for small images (Huang et al. 2017, the basic form without bottleneck): each layer sees all before it."""

import numpy as np

from golden.nn.activation import ReLU
from golden.nn.compose import Concatenated, Sequential
from golden.nn.conv import Conv2d
from golden.nn.layer import Layer
from golden.nn.linear import Linear
from golden.nn.norm import BatchNorm
from golden.nn.pooling import AveragePool, GlobalAveragePool

__all__ = ["densenet"]


def densenet(
    input_shape: tuple[int, ...], classes: int, rng: np.random.Generator, *, depth: int = 40, growth: int = 12
) -> Sequential:
    """Three blocks of (depth - 4) / 3 layers norm-ReLU-3x3 convolution, each adding `growth` channels, on 16 at first.

    Between blocks norm-ReLU-1x1 convolution (same width) and 2x2 mean pooling, at the end norm-ReLU and the mean over
    pixels. About 1.0 M parameters at depth 40, growth 12. Images of at least 4x4.
    """
    if depth < 7 or depth % 3 != 1:
        raise ValueError(f"DenseNet of depth {depth}: 3n + 4 with n >= 1 wanted (7, 10, ..., 40)")
    channels = 16
    layers: dict[str, Layer] = {"conv1": Conv2d(input_shape[2], channels, 3, rng, padding=1, input_gradient=False)}
    for block in (1, 2, 3):
        for layer in range(1, (depth - 4) // 3 + 1):
            convolution = Conv2d(channels, growth, 3, rng, padding=1)
            added = Sequential(norm=BatchNorm(channels), relu=ReLU(), conv=convolution)
            layers[f"block{block}_layer{layer}"] = Concatenated(added)
            channels += growth
        if block < 3:
            layers[f"transition{block}"] = Sequential(
                norm=BatchNorm(channels), relu=ReLU(), conv=Conv2d(channels, channels, 1, rng), pool=AveragePool(2)
            )
    layers |= {"norm": BatchNorm(channels), "relu": ReLU(), "pool": GlobalAveragePool()}
    return Sequential(**layers, fc=Linear(channels, classes, rng, gain=1.0))
