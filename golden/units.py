"""What whole units compute, beyond the conversions and products of the other modules."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.blocks import BlockArray, quantize
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.products import dot, dot_fused
from golden.rounding import canonical_nan

__all__ = ["microexponent_shift", "relu", "tile"]


def relu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """x > 0 ? x : +0, elementwise; a NaN stays NaN, as 0x7FC00000 (formats.md 0.6)."""
    return canonical_nan(np.where(x <= 0, np.float32(0), x))


def microexponent_shift(products: NDArray[np.int64], largest: int, *microexponents: NDArray[Any]) -> NDArray[np.int64]:
    """Sums of groups of products (..., group) in their block's unit (...), exact (formats.md 2.5).

    An operand with the microexponent t stands max - t places above the block's unit: `microexponents` (...) of the
    operands that have one, whose largest values add up to `largest`.
    """
    places = largest - sum(t.astype(np.int64) for t in microexponents)
    return products.sum(axis=-1, dtype=np.int64) << places


def tile(
    a: BlockArray,
    b: BlockArray,
    fmt: BlockFormat | str,
    *,
    fused: bool = False,
    rounding: Rounding | str = Rounding.RNE,
    scale_rule: ScaleRule | str = ScaleRule.FLOOR,
    random: NDArray[np.unsignedinteger[Any]] | None = None,
    random_bits: int | None = None,
) -> BlockArray:
    """Dot products of (..., N, K) with (..., N, K), ReLU, and N results at a time as blocks of `fmt`: (..., N).

    The products accumulate as `dot`, or as `dot_fused`; `rounding` and what follows it are those of `quantize`.
    """
    results = relu((dot_fused if fused else dot)(a, b))
    return quantize(results, fmt, rounding=rounding, scale_rule=scale_rule, random=random, random_bits=random_bits)
