"""Convolutions over images (N, H, W, C), full and depthwise."""

import numpy as np

from golden.nn.channels import channel_sums, long_rows, repeated
from golden.nn.layer import NO_GRADIENT, Array, Parameter
from golden.nn.matmul_layer import MatmulLayer

__all__ = ["Conv2d", "DepthwiseConv2d"]


class Conv2d(MatmulLayer):
    """(N, H, W, inputs) -> (N, H', W', outputs), H' = (H + 2 padding - kernel) // stride + 1, zeros as padding.

    weight (kernel, kernel, inputs, outputs), normal with deviation sqrt(2 / (kernel^2 inputs)) (He et al. 2015);
    bias 0, none in front of a normalisation. With `input_gradient` False (first layer of a model) backward saves that
    product and returns NO_GRADIENT.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        rng: np.random.Generator,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
        input_gradient: bool = True,
    ) -> None:
        super().__init__()
        weight = rng.standard_normal((kernel, kernel, inputs, outputs)) * (2 / (kernel**2 * inputs)) ** 0.5
        self.weight = Parameter(weight.astype(np.float32), quantised=True)
        self.bias = Parameter(np.zeros(outputs, np.float32), decay=False) if bias else None
        self.stride, self.padding = stride, padding
        self.input_gradient = input_gradient

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, inputs) -> (N, H', W', outputs)."""
        x = self.stash(x)
        if training:
            self.saved["x"] = x
        y = self.products.conv_forward(x, self.weight.value, self.stride, self.padding)
        if self.bias is not None:
            rows = long_rows(y)
            y = np.add(rows, repeated(self.bias.value, rows), out=rows).reshape(y.shape)
        return y

    def backward(self, g: Array) -> Array:
        """(N, H', W', outputs) -> (N, H, W, inputs)."""
        x, w = self.saved.pop("x"), self.weight.value
        self.weight.grad = self.products.conv_weight(x, g, self.stride, self.padding, w.shape)
        if self.bias is not None:
            self.bias.grad = channel_sums(g)
        if not self.input_gradient:
            return NO_GRADIENT
        return self.stash.backward(self.products.conv_data(g, w, self.stride, self.padding, x.shape))


class DepthwiseConv2d(MatmulLayer):
    """(N, H, W, channels) -> (N, H', W', channels): each channel its own kernel, weight (kernel, kernel, channels)."""

    def __init__(
        self, channels: int, kernel: int, rng: np.random.Generator, *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        weight = rng.standard_normal((kernel, kernel, channels)) * (2**0.5 / kernel)
        self.weight = Parameter(weight.astype(np.float32), quantised=True)
        self.stride, self.padding = stride, padding

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, H, W, channels) -> (N, H', W', channels)."""
        x = self.stash(x)
        if training:
            self.saved["x"] = x
        return self.products.depthwise_forward(x, self.weight.value, self.stride, self.padding)

    def backward(self, g: Array) -> Array:
        """(N, H', W', channels) -> (N, H, W, channels)."""
        x, w = self.saved.pop("x"), self.weight.value
        self.weight.grad = self.products.depthwise_weight(x, g, self.stride, self.padding, w.shape)
        return self.stash.backward(self.products.depthwise_data(g, w, self.stride, self.padding, x.shape))
