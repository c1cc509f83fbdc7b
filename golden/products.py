"""Products of block arrays: exact integer sums inside a block, FP32 between blocks (formats.md 0.6, 1.6, 2.5, 3.3, 4).

Operands may differ in format, not in block size. Inside one block the products share one unit, so their sum is an
integer; it is rounded once. Blocks are accumulated in increasing order from +0, and tensor scales multiply the end.
Poison makes NaN. So do a received NaN, Inf * 0 and infinities of both signs; other infinities stay infinite.
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.rounding import NAN, canonical_nan, power_of_two, sticky_int64, to_fp32, unpack_fp32
from golden.sums import limb_sums, round_limbs, special_sums, sum_bound, with_specials

__all__ = ["block_dot", "block_specials", "block_sums", "dot", "dot_fused", "fused_add", "matmul", "tensor_scaled"]

Floats = NDArray[np.float32]
Sums = NDArray[np.int64] | NDArray[np.object_]


def block_sums(a: BlockArray, b: BlockArray) -> tuple[Sums, NDArray[np.int64], NDArray[np.bool_]]:
    """Bare results (..., blocks): integer sum, exponent of its LSB, poison; a poisoned block gives (0, 0, True).

    Sums are int64 where the formats' sums fit 63 bits and the sign, else Python integers. Bare results have no
    infinity: any of `block_specials` is poison.
    """
    exponents = _units(a, b)
    if sum_bound(a.format, b.format) < 1 << 63:
        sums: Sums = _row_product(a.integers, b.integers)
    else:
        sums = limb_sums(a.integers, b.integers, _row_product).exact()
    poison = block_specials(a, b) != 0
    return np.where(poison, 0, sums), np.where(poison, 0, exponents), poison


def block_specials(a: BlockArray, b: BlockArray) -> Floats:
    """(..., blocks): NaN (0x7FC00000) or the infinity that a block's result is, +0 where it is finite."""
    _check(a, b)
    pair = with_specials(a, b)
    found = np.float32(0) if pair is None else special_sums(pair, _row_product)
    return np.where(a.poison | b.poison, NAN.view(np.float32), found)


def block_dot(a: BlockArray, b: BlockArray) -> Floats:
    """One FP32 per block, (..., blocks): the exact block result with one RNE, before any tensor scale."""
    exponents, special = _units(a, b), block_specials(a, b)
    if sum_bound(a.format, b.format) < 1 << 63:
        results = to_fp32(_row_product(a.integers, b.integers), exponents)
    else:
        results = round_limbs(limb_sums(a.integers, b.integers, _row_product), exponents)
    return np.where(special != 0, special, results)


def dot(a: BlockArray, b: BlockArray) -> Floats:
    """(..., K) x (..., K) -> (...): block results added in FP32 (RNE) in block order from +0."""
    parts = block_dot(a, b)
    total = np.zeros(parts.shape[:-1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in range(parts.shape[-1]):
            total = total + parts[..., block]
    return _finished(total, a, b)


def dot_fused(a: BlockArray, b: BlockArray) -> Floats:
    """`dot` in the accumulation mode `fused`: each block's exact sum joins the accumulator before its one rounding."""
    sums, exponents, _ = block_sums(a, b)
    special = block_specials(a, b)
    total = np.zeros(sums.shape[:-1], np.float32)
    for block in range(sums.shape[-1]):
        total = fused_add(total, sums[..., block], exponents[..., block], special[..., block])
    return _finished(total, a, b)


def fused_add(
    accumulator: Floats,
    sums: Sums,
    exponents: NDArray[np.int64],
    special: NDArray[np.bool_] | Floats,
) -> Floats:
    """RNE to FP32 of accumulator + sums * 2^exponents, elementwise, rounded once; int64 sums or Python integers.

    An exact zero is +0, a nonzero result that underflows keeps its sign. `special` says where the term is no number:
    poison (True) or one of `block_specials`; those are added as FP32. A NaN accumulator gives 0x7FC00000.
    """
    if special.dtype == np.bool_:
        special = np.where(special, NAN.view(np.float32), np.float32(0))
    add = _fused_float64
    if sums.dtype == object or (np.abs(sums) >= 1 << 53).any():
        add = _fused_integers
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        result = np.where(special != 0, accumulator + special, add(accumulator, sums, exponents))
    return canonical_nan(result)


def _fused_float64(accumulator: Floats, sums: Sums, exponents: NDArray[np.int64]) -> Floats:
    """For |sums| < 2^53. Warnings of overflow are the caller's."""
    # Far outside FP32 the term's size stops to matter (see to_fp32); inside, both operands are exact in float64.
    term = sums.astype(np.float64) * power_of_two(np.clip(exponents, -400, 200))
    augend = accumulator.astype(np.float64)
    total = augend + term
    # Knuth's exact error of that addition; where there is one, round to odd instead of to nearest: 53 bits whose
    # last is sticky, from which the cast to 24 rounds as if from the exact sum (Boldo and Melquiond 2008).
    back = total - augend
    error = (augend - (total - back)) + (term - back)
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    total = np.where((error != 0) & even & np.isfinite(total), np.nextafter(total, towards), total)
    return total.astype(np.float32)


def _fused_integers(accumulator: Floats, sums: Sums, exponents: NDArray[np.int64]) -> Floats:
    """For sums of any length, slowly: both operands as Python integers of the smaller unit."""
    shape = np.broadcast_shapes(accumulator.shape, sums.shape)
    # one dimension throughout: operators on object arrays of none return bare objects
    augend, addend, unit = (np.broadcast_to(x, shape).ravel() for x in (accumulator, sums, exponents))
    finite = np.isfinite(augend)
    sign, significand, place = unpack_fp32(np.where(finite, augend, np.float32(0)).view(np.uint32))
    lowest = np.minimum(place, unit)
    whole = np.where(sign, -significand, significand).astype(object) << (place - lowest).astype(object)
    total = whole + (addend.astype(object) << (unit - lowest).astype(object))
    return np.where(finite, to_fp32(*sticky_int64(total, lowest)), augend).reshape(shape)


def matmul(a: BlockArray, b: BlockArray) -> Floats:
    """(M, K) x (K, N) -> (M, N), blocks along K in both: each element the `dot` of a row and a column, to the bit."""
    if len(a.shape) != 2 or len(b.shape) != 2 or a.axis != 1 or b.axis != 0:
        raise ValueError(
            f"matmul of {a.shape} in blocks along axis {a.axis} and {b.shape} along {b.axis}: "
            "(M, K) along 1 and (K, N) along 0 wanted"
        )
    _check_blocks(a, b)
    specials, total = with_specials(a, b), np.zeros((a.shape[0], b.shape[1]), np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for block, results in enumerate(_block_products(a, b)):
            if specials is not None:
                found = special_sums((specials[0][:, block], specials[1][:, block]), _sums_of_pairs)
                results = np.where(found == 0, results, found)
            total += results
    poison = np.logical_or.outer(a.poison.any(axis=-1), b.poison.any(axis=-1))
    return _finished(np.where(poison, NAN.view(np.float32), total), a, b)


def _block_products(a: BlockArray, b: BlockArray) -> Iterator[Floats]:
    """Results (M, N) of one block after the other, each rounded once; specials and poison count as 0.

    Integers in a GEMM of floats are exact in any order of summation while every partial sum fits the significand.
    """
    bound = sum_bound(a.format, b.format)
    exact: np.dtype[Any] = np.dtype(np.float32 if bound < 1 << 24 else np.float64)
    wide = bound >= 1 << 53
    a_integers, b_integers = (x.integers if wide else x.integers.astype(exact) for x in (a, b))
    a_exponents, b_exponents = a.unit_exponents, b.unit_exponents  # (M or N, blocks)
    a_units, b_units = power_of_two(a_exponents), power_of_two(b_exponents)
    for block in range(a.scales.shape[-1]):
        x, y = a_integers[:, block], b_integers[:, block]
        if wide:
            exponents = a_exponents[:, block, np.newaxis] + b_exponents[:, block]
            yield round_limbs(limb_sums(x, y, _gemm), exponents)
        else:
            # Exact in float64, whose least subnormal is 2^-1074, or an infinity of the right sign: one RNE, the cast.
            yield ((x @ y.T) * a_units[:, block, np.newaxis] * b_units[:, block]).astype(np.float32)


def _gemm(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    return (x.astype(np.float64) @ y.astype(np.float64).T).astype(np.int64)


def _sums_of_pairs(x: Floats, y: Floats) -> Floats:
    return np.einsum("mk,nk->mn", x, y)  # infinities and NaN: no BLAS


def _row_product(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    return np.einsum("...k,...k->...", x, y)


def _finished(total: Floats, a: BlockArray, b: BlockArray) -> Floats:
    return tensor_scaled(total, *(x.tensor_scale for x in (a, b) if x.tensor_scale is not None))


def tensor_scaled(total: Floats, *scales: Floats) -> Floats:
    """Totals times the tensors' scales (broadcast), the scales' product first, every operation FP32; NaN canonical.

    Any FP32 patterns: what a unit makes of scales that no converter gives.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return canonical_nan(total * reduce(np.multiply, scales) if scales else total)


def _units(a: BlockArray, b: BlockArray) -> NDArray[np.int64]:
    _check(a, b)
    return a.unit_exponents + b.unit_exponents


def _check_blocks(a: BlockArray, b: BlockArray) -> None:
    if a.format.block != b.format.block or a.shape[a.axis] != b.shape[b.axis]:
        raise ValueError(
            f"{a.format.name} of length {a.shape[a.axis]} with {b.format.name} of length {b.shape[b.axis]}: "
            "equal blocks and lengths wanted"
        )


def _check(a: BlockArray, b: BlockArray) -> None:
    _check_blocks(a, b)
    np.broadcast_shapes(a.scales.shape, b.scales.shape)  # raises ValueError with both shapes
