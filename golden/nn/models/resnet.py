"""Residual networks for small images as in section 4.2 of He et al. 2016 (CIFAR-10): 6n + 2 layers, three stages."""

import numpy as np

from golden.nn.activation import ReLU
from golden.nn.compose import Residual, Sequential
from golden.nn.conv import Conv2d
from golden.nn.layer import Layer
from golden.nn.linear import Linear
from golden.nn.norm import BatchNorm
from golden.nn.pooling import GlobalAveragePool
from golden.nn.shape import PadChannels

__all__ = ["resnet"]


def resnet(
    input_shape: tuple[int, ...],
    classes: int,
    rng: np.random.Generator,
    *,
    depth: int,
    width: int = 16,
    shortcut: str = "A",
) -> Sequential:
    """3x3 convolutions without bias, batch norm, ReLU; widths `width`, 2x, 4x at strides 1, 2, 2; mean over pixels.

    depth = 6n + 2 counts the convolutions on the main path and the last linear layer; n blocks of two per stage. Where
    the shape changes the shortcut is the paper's option A (every second pixel, new channels zero, no parameters) or
    "B" (1x1 convolution with batch norm). 269,722 parameters at depth 20 with option A and 10 classes. Any image size.
    """
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"ResNet of depth {depth}: 6n + 2 with n >= 1 wanted (8, 14, 20, ...)")
    if shortcut not in ("A", "B"):
        raise ValueError(f"shortcut {shortcut!r}: 'A' (padded identity) or 'B' (1x1 convolution) wanted")
    layers: dict[str, Layer] = {
        "conv1": Conv2d(input_shape[2], width, 3, rng, padding=1, input_gradient=False),
        "norm1": BatchNorm(width),
        "relu1": ReLU(),
    }
    inputs = width
    for stage in (1, 2, 3):
        outputs = width << stage - 1
        for block in range(1, (depth - 2) // 6 + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            layers[f"stage{stage}_block{block}"] = _block(inputs, outputs, stride, shortcut, rng)
            inputs = outputs
    layers |= {"pool": GlobalAveragePool(), "fc": Linear(inputs, classes, rng, gain=1.0)}
    return Sequential(**layers)


def _block(inputs: int, outputs: int, stride: int, option: str, rng: np.random.Generator) -> Sequential:
    body = Sequential(
        conv1=Conv2d(inputs, outputs, 3, rng, stride=stride, padding=1),
        norm1=BatchNorm(outputs),
        relu=ReLU(),
        conv2=Conv2d(outputs, outputs, 3, rng, padding=1),
        norm2=BatchNorm(outputs),
    )
    shortcut: Layer | None = None
    if inputs != outputs or stride != 1:
        if option == "A":
            shortcut = PadChannels(outputs - inputs, stride)
        else:
            shortcut = Sequential(conv=Conv2d(inputs, outputs, 1, rng, stride=stride), norm=BatchNorm(outputs))
    return Sequential(sum=Residual(body, shortcut), relu=ReLU())
