"""Block products in NumPy: in-block sums exact on BLAS, rounded once to FP32, added in block order.

Why BLAS may be used at all: within a block all products are multiples of one power of two, so where every partial sum
fits the significand no order of summation, no fused multiply-add and no split of the loop can change a bit. The
accumulation must not be left to BLAS (beta = 1 would join the block's first product to the sum before it), so every
block has a GEMM of its own, and one addition.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from golden.nn.engines import Engine
from golden.nn.layer import Array

__all__ = ["block_product", "extremes"]

_CHUNK = 1 << 20  # elements of the left operand unfolded at a time


def extremes(values: NDArray[np.float32]) -> tuple[int, int]:
    """Bit patterns without sign: the smallest that is not zero (0 if there is none) and the largest."""
    magnitudes = values.view(np.uint32) & np.uint32(0x7FFFFFFF)
    largest = int(magnitudes.max())
    magnitudes -= np.uint32(1)  # zeros become the largest of all
    return (int(magnitudes.min()) + 1) & 0xFFFFFFFF, largest


def block_product(
    a: Array,
    b: Array,
    block: int,
    engine: Engine,
    wide: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None],
) -> NDArray[np.float32]:
    """a (T, *rows, *K), any strides, b (T, *K, N) -> (T, *rows, N); `Backend.product` says what it is.

    Blocks of `block` along the last axis of K. `wide`, like a and b, marks the blocks whose sums one float64 may not
    hold; None for no such block.
    """
    exact = np.float32 if engine is Engine.FLOAT32 else np.float64
    axes = a.ndim - (b.ndim - 2)  # before K
    depth, length = int(np.prod(b.shape[1:-1])), b.shape[-2]
    matrices = b.reshape(len(b), depth, -1)
    out = np.zeros((*a.shape[:axes], b.shape[-1]), np.float32)
    step = max(1, _CHUNK * a.shape[1] // a[0].size)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for batch, start in product(range(len(b)), range(0, a.shape[1], step)):
            part = batch, slice(start, start + step)
            left = a[part].reshape(-1, depth).astype(exact, copy=False)
            right = matrices[batch].astype(exact, copy=False)
            left_wide = None if wide[0] is None else wide[0][part].reshape(left.shape)
            right_wide = None if wide[1] is None else wide[1][batch].reshape(right.shape)
            total = out[part].reshape(len(left), -1)
            for columns in _blocks(depth, length, block):
                sums = left[:, columns] @ right[columns]
                rows = np.zeros(len(left), np.bool_)
                if left_wide is not None:
                    rows |= left_wide[:, columns].any(axis=1)
                if right_wide is not None:
                    rows |= right_wide[columns].any()
                if rows.any():
                    sums[rows] = _carried(left[rows, columns], right[columns])
                total += sums.astype(np.float32, copy=False)
    return out


def _blocks(depth: int, length: int, block: int) -> Iterator[slice]:
    for group in range(0, depth, length):
        for start in range(group, group + length, block):
            yield slice(start, min(start + block, group + length))


def _carried(a: Array, b: Array) -> Array:
    """a @ b in float64 for sums of up to 96 bits, rounded to odd: 24 bits round from it as from the exact sum.

    Each addition's error is kept beside the sum. Errors are multiples of the products' unit and small beside 2^53 of
    it, so their float64 sum is exact, and sum and error together are the exact result (Boldo and Melquiond 2008 on
    rounding to odd).
    """
    total, error = np.zeros((len(a), b.shape[1])), np.zeros((len(a), b.shape[1]))
    for k in range(len(b)):
        total, lost = _two_sum(total, a[:, k, np.newaxis] * b[k])
        error += lost
    total, error = _two_sum(total, error)
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where((error != 0) & even, np.nextafter(total, towards), total)


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """x + y rounded, and what that rounding lost, exactly (Knuth)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)
