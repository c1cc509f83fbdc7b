"""Products of block arrays: exact integer sums inside a block, FP32 between blocks (formats.md 0.6, 1.6).

Operands may differ in mantissa width, not in block size. Inside one block the products share one exponent, so their
sum is an integer; it is rounded once. Blocks are accumulated in increasing order from +0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.blocks import BlockArray
from golden.rounding import NAN, canonical_nan, power_of_two, to_fp32

__all__ = ["block_dot", "block_sums", "dot", "dot_fused", "fused_add", "matmul"]

Floats = NDArray[np.float32]


def block_sums(a: BlockArray, b: BlockArray) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Bare results (..., blocks): integer sum, exponent of its LSB, poison; a poisoned block gives (0, 0, True)."""
    _check(a, b)
    poison = a.poison | b.poison
    sums = np.einsum("...k,...k->...", a.mantissas, b.mantissas)
    return np.where(poison, 0, sums), np.where(poison, 0, _lsb(a) + _lsb(b)), poison


def block_dot(a: BlockArray, b: BlockArray) -> Floats:
    """One FP32 per block, (..., blocks): the exact block result with one RNE."""
    sums, exponents, poison = block_sums(a, b)
    return np.where(poison, NAN.view(np.float32), to_fp32(sums, exponents))


def dot(a: BlockArray, b: BlockArray) -> Floats:
    """(..., K) x (..., K) -> (...): block results added in FP32 (RNE) in block order from +0."""
    parts = block_dot(a, b)
    total = np.zeros(parts.shape[:-1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in range(parts.shape[-1]):
            total = total + parts[..., block]
    return canonical_nan(total)


def dot_fused(a: BlockArray, b: BlockArray) -> Floats:
    """`dot` in the accumulation mode `fused`: each block's exact sum joins the accumulator before its one rounding."""
    sums, exponents, poison = block_sums(a, b)
    total = np.zeros(sums.shape[:-1], np.float32)
    for block in range(sums.shape[-1]):
        total = fused_add(total, sums[..., block], exponents[..., block], poison[..., block])
    return total


def fused_add(
    accumulator: Floats, sums: NDArray[np.int64], exponents: NDArray[np.int64], poison: NDArray[np.bool_]
) -> Floats:
    """RNE to FP32 of accumulator + sums * 2^exponents, elementwise, rounded once; |sums| < 2^53.

    An exact zero is +0, a nonzero result that underflows keeps its sign; poison and a NaN accumulator give 0x7FC00000.
    """
    # Far outside FP32 the term's size stops to matter (see to_fp32); inside, both operands are exact in float64.
    term = sums.astype(np.float64) * power_of_two(np.clip(exponents, -400, 200))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        augend = accumulator.astype(np.float64)
        total = augend + term
        # Knuth's exact error of that addition; where there is one, round to odd instead of to nearest: 53 bits whose
        # last is sticky, from which the cast to 24 rounds as if from the exact sum (Boldo and Melquiond 2008).
        back = total - augend
        error = (augend - (total - back)) + (term - back)
        even = (total.view(np.int64) & 1) == 0
        towards = np.where(error > 0, np.inf, -np.inf)
        total = np.where((error != 0) & even & np.isfinite(total), np.nextafter(total, towards), total)
        result = total.astype(np.float32)
    return canonical_nan(np.where(poison, NAN.view(np.float32), result))


def matmul(a: BlockArray, b: BlockArray) -> Floats:
    """(M, K) x (K, N) -> (M, N), blocks along K in both: each element the `dot` of a row and a column, to the bit."""
    if len(a.shape) != 2 or len(b.shape) != 2 or a.axis != 1 or b.axis != 0:
        raise ValueError(
            f"matmul of {a.shape} in blocks along axis {a.axis} and {b.shape} along {b.axis}: "
            "(M, K) along 1 and (K, N) along 0 wanted"
        )
    _check_blocks(a, b)
    # Integers in a GEMM of floats are exact in any order of summation while every partial sum fits the significand.
    largest = a.format.block * a.format.element.max_integer * b.format.element.max_integer
    exact: np.dtype[Any] = np.dtype(np.float32 if largest < 1 << 24 else np.float64)
    a_mantissas, b_mantissas = a.mantissas.astype(exact), b.mantissas.astype(exact)  # (M or N, blocks, block)
    a_units, b_units = power_of_two(_lsb(a)), power_of_two(_lsb(b))
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for block in range(a.scales.shape[-1]):
            sums = a_mantissas[:, block] @ b_mantissas[:, block].T
            # Exact in float64, whose least subnormal is 2^-1074, or an infinity of the right sign: one RNE, the cast.
            total += (sums * a_units[:, block, np.newaxis] * b_units[:, block]).astype(np.float32)
    poison = np.logical_or.outer(a.poison.any(axis=-1), b.poison.any(axis=-1))
    return canonical_nan(np.where(poison, NAN.view(np.float32), total))


def _lsb(x: BlockArray) -> NDArray[np.int64]:
    """Exponent of one unit of the mantissas, per block."""
    return x.exponents + x.format.element.lsb_exponent


def _check_blocks(a: BlockArray, b: BlockArray) -> None:
    if a.format.block != b.format.block or a.shape[a.axis] != b.shape[b.axis]:
        raise ValueError(
            f"{a.format.name} of length {a.shape[a.axis]} with {b.format.name} of length {b.shape[b.axis]}: "
            "equal blocks and lengths wanted"
        )


def _check(a: BlockArray, b: BlockArray) -> None:
    _check_blocks(a, b)
    np.broadcast_shapes(a.scales.shape, b.scales.shape)  # raises ValueError with both shapes
