"""NVFP4's two scales, in Transformer Engine's order of operations: each is one FP32 operation, RNE (formats.md 4).

encode = min(2688 / amax, FLT_MAX), 1 for an all-zero tensor         2688 = 448 * 6
decode = 1 / encode                                                  the tensor scale
scale  = E4M3(min(block amax * (encode * fl(1/6)), 448))
y      = clamp(x * min(1 / (scale * decode), FLT_MAX), -6, 6)        rounded to E2M1 by the caller
"""

import numpy as np
from numpy.typing import NDArray

from golden.elements import encode, to_float32
from golden.formats import BlockFormat, ElementFormat, Rounding
from golden.rounding import INFINITY

__all__ = ["block_scales", "scaled", "tensor_factors"]

Floats = NDArray[np.float32]

_FLT_MAX = np.finfo(np.float32).max
_ONE = np.float32(1)


def _minifloat(fmt: BlockFormat) -> ElementFormat:
    if fmt.scale.minifloat is None:
        raise ValueError(f"{fmt.name} has no minifloat scale")
    return fmt.scale.minifloat


def _largest(element: ElementFormat) -> np.float32:
    return np.float32(element.max_integer * 2.0**element.lsb_exponent)


def tensor_factors(bits: NDArray[np.uint32], fmt: BlockFormat) -> tuple[np.float32, np.float32]:
    """(encode, decode) of a whole tensor of FP32 patterns, from its largest finite magnitude."""
    magnitudes = bits & 0x7FFFFFFF
    maximum = np.where(magnitudes < INFINITY, magnitudes, np.uint32(0)).max().view(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        reach = _largest(_minifloat(fmt)) * _largest(fmt.element)
        factor = _ONE if maximum == 0 else min(reach / maximum, _FLT_MAX)
        return factor, _ONE / factor


def block_scales(maxima: NDArray[np.uint32], factor: np.float32, fmt: BlockFormat) -> NDArray[np.uint8]:
    """Stored scales of blocks with these largest magnitudes (finite FP32 patterns) under a tensor's encode factor."""
    scale = _minifloat(fmt)
    with np.errstate(over="ignore", under="ignore"):
        wanted = np.minimum(maxima.view(np.float32) * (factor * (_ONE / _largest(fmt.element))), _largest(scale))
    return encode(wanted.view(np.uint32), 0, scale, Rounding.RNE).astype(np.uint8)


def scaled(
    bits: NDArray[np.uint32], scales: NDArray[np.uint8], decode_factor: np.float32, fmt: BlockFormat
) -> NDArray[np.uint32]:
    """Patterns (n, block) of the elements under their scales (n), to be rounded by the caller."""
    largest = _largest(fmt.element)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        factors = np.minimum(_ONE / (to_float32(scales, _minifloat(fmt)) * decode_factor), _FLT_MAX)
        return np.clip(bits.view(np.float32) * factors[:, np.newaxis], -largest, largest).view(np.uint32)
