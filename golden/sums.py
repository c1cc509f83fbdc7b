"""Exact sums of products inside a block: how wide they get, and how to hold and round the ones beyond 64 bits.

Elements are integers of one unit per block (`BlockArray.integers`), so a block's sum is an integer too. Up to 63 bits
it is an int64. Past that (E5M2: 70 bits) operands are cut in two limbs of 16 bits and more, four partial sums stay
exact, and the sum is `high * 2^16 + low`: enough to round it once, without integers of any length.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.formats import BlockFormat, Specials
from golden.rounding import canonical_nan, to_fp32

__all__ = ["Limbs", "limb_sums", "round_limbs", "special_sums", "sum_bound", "with_specials"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_LIMB = 16
_OPERAND_BITS = 34  # 8-bit minifloats need 32; 1024 products of so many bits make 78, 62 of them above the low limb


def sum_bound(a: BlockFormat, b: BlockFormat) -> int:
    """The largest magnitude that a block's exact sum can have, for any stored codes."""
    for fmt in (a, b):
        if fmt.max_integer >= 1 << _OPERAND_BITS:
            width = fmt.max_integer.bit_length()
            raise ValueError(f"{fmt.name}: elements are integers of {width} bits, at most {_OPERAND_BITS} wanted")
    return a.block * a.max_integer * b.max_integer


class Limbs(NamedTuple):
    """Integers high * 2^16 + low with 0 <= low < 2^16 and |high| <= 2^62."""

    high: Ints
    low: Ints

    def exact(self) -> NDArray[np.object_]:
        """The same as Python integers."""
        return (self.high.astype(object) << _LIMB) + self.low.astype(object)


def limb_sums(a: Ints, b: Ints, product: Callable[[Ints, Ints], Ints]) -> Limbs:
    """`product(a, b)`, a bilinear sum, for operands whose sums leave 64 bits.

    Operands have at most 34 bits and a sign, limbs at most 18; 1024 products of limbs stay below 2^46, which float64
    holds as well, so `product` may be a GEMM.
    """
    a_high, a_low, b_high, b_low = a >> _LIMB, a & 0xFFFF, b >> _LIMB, b & 0xFFFF
    low = product(a_low, b_low)
    middle = product(a_high, b_low) + product(a_low, b_high) + (low >> _LIMB)
    return Limbs((product(a_high, b_high) << _LIMB) + middle, low & 0xFFFF)


def round_limbs(limbs: Limbs, exponents: Ints) -> Floats:
    """limbs * 2^exponents to FP32 with one RNE."""
    high, low = limbs
    # Where 64 bits do not hold it all, the low limb shrinks to one sticky bit, at least 20 bits below the rounding.
    small = np.abs(high) < 1 << 62 - _LIMB
    integers = np.where(small, (high << _LIMB) + low, (high << 1) | (low != 0))
    return to_fp32(integers, exponents + np.where(small, 0, _LIMB - 1))


def with_specials(a: BlockArray, b: BlockArray) -> tuple[Floats, Floats] | None:
    """Signs of both operands' elements (..., blocks, block) with received infinities and NaN in their places.

    None where there are no such elements. The IEEE product sum of these is what formats.md 3.3 asks of a block: NaN for
    a NaN element, for Inf * 0 and for infinite products of both signs, else an infinity; finite elements count by
    their sign alone, so a finite sum says that no special took part. Poison is not looked at.
    """
    if all(x.format.element.specials is Specials.NONE for x in (a, b)):
        return None
    found = [np.where(x.poison[..., np.newaxis], np.float32(0), x.specials) for x in (a, b)]
    if not any((values != 0).any() for values in found):
        return None
    signs = [np.sign(x.integers).astype(np.float32) for x in (a, b)]
    first, second = (np.where(x == 0, sign, x) for x, sign in zip(found, signs, strict=True))
    return first, second


def special_sums(pair: tuple[Floats, Floats], product: Callable[[Floats, Floats], Floats]) -> Floats:
    """+-Inf or NaN where `product` of a pair `with_specials` is one, +0 elsewhere."""
    with np.errstate(invalid="ignore"):
        total = product(*pair)
    return np.where(np.isfinite(total), np.float32(0), canonical_nan(total))
