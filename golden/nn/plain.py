"""The products that layers ask for, as an interface, and its plain implementation on BLAS in FP32 or FP64.

Shapes: x (M, in), w (in, out), g (M, out); images x (N, H, W, C), w (kh, kw, C, out), g (N, H', W', out) with
H' = (H + 2 padding - kh) // stride + 1. A depthwise w is (kh, kw, C). Reductions: forward along in (or kh, kw, C), data
gradient along out (kh, kw, out), weight gradient along M (H', W', N).
"""

from typing import Protocol

from golden.nn import plain_conv
from golden.nn.layer import Array

__all__ = ["BATCHED_ROLES", "PlainProducts", "Products"]

BATCHED_ROLES = ("scores", "context", "d_probabilities", "d_value", "d_query", "d_key")
"""Products of attention: the first two forward; in the others the first operand is a gradient."""


class Products(Protocol):
    """Every dot product of a layer. Results have the dtype of the operands; operands are not changed."""

    def linear_forward(self, x: Array, w: Array) -> Array:
        """(M, in) x (in, out) -> (M, out)."""
        ...

    def linear_data(self, g: Array, w: Array) -> Array:
        """(M, out) x (in, out) -> dx (M, in)."""
        ...

    def linear_weight(self, x: Array, g: Array) -> Array:
        """(M, in) x (M, out) -> dw (in, out)."""
        ...

    def conv_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N, H, W, C) x (kh, kw, C, out) -> (N, H', W', out)."""
        ...

    def conv_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N, H', W', out) x (kh, kw, C, out) -> dx of shape `x_shape`."""
        ...

    def conv_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(N, H, W, C) x (N, H', W', out) -> dw of shape `w_shape`."""
        ...

    def depthwise_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N, H, W, C) x (kh, kw, C) -> (N, H', W', C)."""
        ...

    def depthwise_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N, H', W', C) x (kh, kw, C) -> dx of shape `x_shape`."""
        ...

    def depthwise_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(N, H, W, C) x (N, H', W', C) -> dw of shape `w_shape`."""
        ...

    def batched(self, a: Array, b: Array, role: str) -> Array:
        """(..., M, K) x (..., K, N) -> (..., M, N); `role` is one of `BATCHED_ROLES`."""
        ...


class PlainProducts:
    """The products in the operands' own precision: BLAS, no quantisation, sums in whatever order BLAS likes."""

    def linear_forward(self, x: Array, w: Array) -> Array:
        """x @ w."""
        return x @ w

    def linear_data(self, g: Array, w: Array) -> Array:
        """g @ w^T."""
        return g @ w.T

    def linear_weight(self, x: Array, g: Array) -> Array:
        """x^T @ g."""
        return x.T @ g

    def conv_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.forward(x, w, stride, padding)

    def conv_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.data_gradient(g, w, stride, padding, x_shape)

    def conv_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.weight_gradient(x, g, stride, padding, w_shape)

    def depthwise_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.depthwise(x, w, stride, padding)

    def depthwise_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.depthwise_data(g, w, stride, padding, x_shape)

    def depthwise_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """See `golden.nn.plain_conv`."""
        return plain_conv.depthwise_weight(x, g, stride, padding, w_shape)

    def batched(self, a: Array, b: Array, role: str) -> Array:
        """a @ b, whatever the role."""
        return a @ b
