"""How a tensor lies in blocks: along one axis, its last block filled up with +0 (formats.md 0.10).

In blocks that axis is always last and split in two, (..., blocks, block), whatever axis of the tensor it was; ... are
the other axes in order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import BlockFormat

__all__ = ["blocked_shape", "from_blocked", "normalized_axis", "to_blocked"]


def normalized_axis(shape: tuple[int, ...], axis: int) -> int:
    """The axis counted from the front; ValueError for a shape that has no blocks along it."""
    if not shape or 0 in shape:
        raise ValueError(f"shape {shape}: at least one axis and one element wanted")
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis}: {-len(shape)}..{len(shape) - 1} for shape {shape}")
    return axis % len(shape)


def blocked_shape(shape: tuple[int, ...], axis: int, fmt: BlockFormat) -> tuple[int, ...]:
    """(..., blocks, block) for a tensor of `shape` along a normalized axis."""
    return (*shape[:axis], *shape[axis + 1 :], -(-shape[axis] // fmt.block), fmt.block)


def to_blocked(tensor: NDArray[Any], axis: int, fmt: BlockFormat) -> NDArray[Any]:
    """(..., blocks, block) of a tensor, the last block filled up with zero bits."""
    rows = np.moveaxis(tensor, axis, -1)
    if tail := -rows.shape[-1] % fmt.block:
        rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, tail)])
    return rows.reshape(blocked_shape(tensor.shape, axis, fmt))


def from_blocked(blocks: NDArray[Any], shape: tuple[int, ...], axis: int) -> NDArray[Any]:
    """The tensor of `shape` back from (..., blocks, block), the fill dropped."""
    rows = blocks.reshape(*blocks.shape[:-2], -1)[..., : shape[axis]]
    return np.ascontiguousarray(np.moveaxis(rows, -1, axis))
