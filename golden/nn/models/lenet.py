"""LeNet-5 (LeCun et al. 1998) as it is trained today: ReLU, max pooling, all maps connected."""

import numpy as np

from golden.nn.activation import ReLU
from golden.nn.compose import Sequential
from golden.nn.conv import Conv2d
from golden.nn.layer import Layer
from golden.nn.linear import Linear
from golden.nn.pooling import MaxPool
from golden.nn.shape import Flatten

__all__ = ["lenet5"]


def lenet5(input_shape: tuple[int, ...], classes: int, rng: np.random.Generator, *, width: float = 1.0) -> Sequential:
    """Two 5x5 convolutions (6 and 16 maps) each with 2x2 pooling, then 120-84-classes; all widths scaled by `width`.

    61,706 parameters on 28x28x1 with 10 classes. The first convolution is padded by 2; so is the second where images
    are smaller than 20 pixels, so that 8x8 works.
    """
    height, wide, channels = input_shape
    if min(height, wide) < 4:
        raise ValueError(f"images {height}x{wide}: at least 4x4 wanted for two poolings")
    maps1, maps2, fc1, fc2 = (round(n * width) for n in (6, 16, 120, 84))
    padding = 0 if min(height, wide) >= 20 else 2
    shrink = 4 - 2 * padding
    pixels = ((height // 2 - shrink) // 2) * ((wide // 2 - shrink) // 2)
    layers: dict[str, Layer] = {
        "conv1": Conv2d(channels, maps1, 5, rng, padding=2, bias=True, input_gradient=False),
        "relu1": ReLU(),
        "pool1": MaxPool(2),
        "conv2": Conv2d(maps1, maps2, 5, rng, padding=padding, bias=True),
        "relu2": ReLU(),
        "pool2": MaxPool(2),
        "flatten": Flatten(),
        "fc1": Linear(pixels * maps2, fc1, rng),
        "relu3": ReLU(),
        "fc2": Linear(fc1, fc2, rng),
        "relu4": ReLU(),
        "fc3": Linear(fc2, classes, rng, gain=1.0),
    }
    return Sequential(**layers)
