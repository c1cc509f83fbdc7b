"""Dot products in the mode `f25`: the fixed-point reduction tree of the microexponent papers (formats.md 2.5).

Groups of 64 elements are added in 25 bits, aligned to the group's largest block; what lies below is cut off, towards
minus infinity. One RNE per group, FP32 between groups. Lossy, and beside the exact mode a named one.
"""

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.formats import ElementEncoding
from golden.products import block_sums
from golden.rounding import NAN, canonical_nan, to_fp32
from golden.sums import sum_bound

__all__ = ["F25_BITS", "F25_GROUP", "align", "dot_f25"]

F25_BITS = 25  # of the fixed-point sum, sign included
F25_GROUP = 64  # elements that meet in it

Ints = NDArray[np.int64]


def align(sums: Ints, exponents: Ints, width: int) -> tuple[Ints, Ints]:
    """Block sums (..., blocks) of `width` bits, in units 2^exponents, as 25-bit addends of one unit 2^L: (addends, L).

    L lets as many sums as large as the widest, next to the largest exponent of a nonzero one, fit their 25-bit sum.
    """
    blocks = sums.shape[-1]
    nonzero = sums != 0
    largest = np.where(nonzero, exponents, np.iinfo(np.int64).min).max(axis=-1, keepdims=True)
    unit = np.where(nonzero.any(axis=-1, keepdims=True), largest + width + (blocks - 1).bit_length() - F25_BITS, 0)
    left = exponents - unit
    # A zero sum may want any shift, and 63 places to the right leave 0 or -1 of a sum: shifts by more change nothing.
    aligned = np.where(nonzero, sums, 0) << np.where(nonzero, np.clip(left, 0, F25_BITS), 0) >> np.clip(-left, 0, 63)
    return aligned, unit[..., 0]


def dot_f25(a: BlockArray, b: BlockArray) -> NDArray[np.float32]:
    """(..., K) x (..., K) -> (...) for sign-magnitude formats (MX9/6/4, MSFP, BFP) whose block divides 64.

    A short last group is filled up with zero blocks. Any poison makes the result NaN.
    """
    for fmt in (a.format, b.format):
        if fmt.element.encoding is not ElementEncoding.SIGN_MAGNITUDE or F25_GROUP % fmt.block:
            raise ValueError(f"{fmt.name}: f25 wants sign-magnitude elements and a block that divides {F25_GROUP}")
    sums, exponents, poison = block_sums(a, b)
    width = sum_bound(a.format, b.format).bit_length() + 1
    blocks = F25_GROUP // a.format.block
    tail = [(0, 0)] * (sums.ndim - 1) + [(0, -sums.shape[-1] % blocks)]
    shape = (*sums.shape[:-1], -1, blocks)
    addends, units = align(np.pad(sums, tail).reshape(shape), np.pad(exponents, tail).reshape(shape), width)
    groups = to_fp32(addends.sum(axis=-1), units)
    total = np.zeros(groups.shape[:-1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for group in range(groups.shape[-1]):
            total = total + groups[..., group]
    return canonical_nan(np.where(poison.any(axis=-1), NAN.view(np.float32), total))
