"""FP32 scales of tensors as stimulus: beside the sums of a dot product they end where multiplications go wrong."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from tb.batches import Config, tensor_scales
from tb.operands import Rng, choice

__all__ = ["CORNER_SCALES", "corner_scales", "random_scales"]

# 1 and its neighbours, 1.5, signs, subnormals, ends of the range, powers of two on the way, infinity, NaN
CORNER_SCALES = np.array(
    [
        0x3F800000, 0x3F7FFFFF, 0x3F800001, 0x3FC00000, 0xBF800000, 0x00000000, 0x80000000, 0x00000001, 0x007FFFFF,
        0x00800000, 0x7F7FFFFF, 0x1F800000, 0x20000001, 0x5F800000, 0x33FFFFFF, 0x7F800000, 0x7FC00000, 0xFF800001,
    ],
    np.uint32,
)  # fmt: skip

_KINDS = {"common": 4, "short": 3, "low": 3, "high": 2, "any": 2, "corner": 2}


def random_scales(config: Config, count: int, rng: Rng) -> dict[str, NDArray[np.uint32]]:
    """Scales (count,) of each tensor that has one; together they lie around 1, the subnormals or the overflow."""
    fields = tensor_scales(config)
    kinds = choice(_KINDS, count, rng)
    total = np.select(
        [kinds == "low", kinds == "high"],
        [rng.integers(-170, -110, count), rng.integers(110, 140, count)],
        rng.integers(-12, 13, count),
    )
    made = {}
    for k, name in enumerate(fields):
        left = len(fields) - k
        power = total if left == 1 else total // left + rng.integers(-12, 13, count)
        total = total - power
        fraction = rng.integers(0, 1 << 23, count)
        fraction = np.where(kinds == "short", fraction >> 18 << 18, fraction)  # products of few bits: ties
        codes = np.clip(power + 127, 0, 254) << 23 | fraction
        anything = rng.integers(0, 1 << 32, count)
        corner = rng.choice(CORNER_SCALES, count)
        made[name] = np.select([kinds == "any", kinds == "corner"], [anything, corner], codes).astype(np.uint32)
    return made


def corner_scales(config: Config) -> dict[str, NDArray[np.uint32]]:
    """Every combination of corner scales."""
    fields = tensor_scales(config)
    pairs = np.array(list(product(CORNER_SCALES, repeat=len(fields))), np.uint32)
    return {name: pairs[:, k] for k, name in enumerate(fields)}
