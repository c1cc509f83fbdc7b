"""FracTrain's affine quantiser, and the cost of a multiplication in it (policies.md 5).

Integers of b bits over the range of a tensor, dequantised at once. The zero point is the FP32 minimum, so that 0.0 is
generally not representable. FP32 throughout, in the order written.
"""

import numpy as np
from numpy.typing import NDArray

from golden.words import Words

__all__ = ["affine", "mac_cost", "noise_of", "quantize_gradient", "quantize_weight", "tensor_range"]

Array = NDArray[np.float32]
_LEAST_SCALE = np.float32(1e-8)


def affine(x: Array, bits: int, low: Array | np.float32, high: Array | np.float32, noise: Array | None = None) -> Array:
    """round(clamp((x - low) / scale + noise, 0, 2^b - 1)) * scale + low; scale = (high - low) / (2^b - 1), >= 1e-8.

    Rounds to nearest even; `low` and `high` broadcast against x.
    """
    if not 1 <= bits <= 23:
        raise ValueError(f"bits {bits}: 1..23")
    most = np.float32((1 << bits) - 1)
    scale = np.maximum((high - low) / most, _LEAST_SCALE)
    q = (x - low) / scale
    if noise is not None:
        q = q + noise
    return (np.rint(np.clip(q, np.float32(0), most)) * scale + low).astype(np.float32)


def tensor_range(x: Array) -> tuple[np.float32, np.float32]:
    """Minimum and maximum of a whole tensor: of an activation or gradient."""
    return np.min(x), np.max(x)


def quantize_weight(w: Array, bits: int) -> Array:
    """Weights over the range of each output channel, the last axis."""
    axes = tuple(range(w.ndim - 1))
    return affine(w, bits, w.min(axis=axes, keepdims=True), w.max(axis=axes, keepdims=True))


def noise_of(words: Words) -> Array:
    """Uniform noise in [-1/2, 1/2): the top 24 bits of each word, exact in FP32."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24) - np.float32(0.5)


def quantize_gradient(g: Array, bits: int, words: Words) -> Array:
    """Gradients over the whole tensor's range, stochastically; one word per element, in C order."""
    return affine(g, bits, *tensor_range(g), noise=noise_of(words).reshape(g.shape))


def mac_cost(weight: float, activation: float, gradient: float) -> float:
    """Mean cost of the three products of a layer, in multiplications of 32 by 32 bits: forward b_w*b_a, error b_w*g,
    weight gradient b_a*g, all over 32^2.
    """  # fmt: skip
    return (weight * activation + weight * gradient + activation * gradient) / (3 * 32**2)
