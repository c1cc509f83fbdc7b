"""Arithmetic of any small float, on codes: multiply, add, fused multiply-add, sums and dot products, RNE.

Codes are unsigned integers, sign on top. Everything is done in 64-bit integers (products of FP32 significands have 48),
exact or with a sticky bit that stands for what is below, and rounded once: to nearest, ties to even, gradual underflow,
overflow to infinity (E4M3, which has none: to NaN), -0 + -0 = -0, other exact zeros of a sum +0. Every NaN that comes
out is the canonical one.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.formats import FloatFormat

__all__ = ["accumulate", "add", "dot", "dot_fused", "float_dtype", "fma", "multiply", "round_fraction", "value"]

Codes = NDArray[np.unsignedinteger[Any]]
Ints = NDArray[np.int64]


def float_dtype(fmt: FloatFormat) -> np.dtype[np.unsignedinteger[Any]]:
    """The unsigned type that codes are kept in."""
    return np.dtype(np.uint8 if fmt.bits <= 8 else np.uint16 if fmt.bits <= 16 else np.uint32)


@dataclass(frozen=True, slots=True)
class _Parts:
    """value = significand * 2^exponent, the sign apart; zeros have the lowest exponent."""

    negative: NDArray[np.bool_]
    significand: Ints
    exponent: Ints
    infinite: NDArray[np.bool_]
    nan: NDArray[np.bool_]


def _unpack(codes: Any, fmt: FloatFormat) -> _Parts:
    words = np.asarray(codes).astype(np.int64)
    magnitude = words & (fmt.sign - 1)
    field, fraction = magnitude >> fmt.fraction_bits, magnitude & ((1 << fmt.fraction_bits) - 1)
    significand = fraction + np.where(field > 0, 1 << fmt.fraction_bits, 0)
    nan = magnitude == fmt.nan if fmt.finite else magnitude > fmt.infinity
    infinite = (magnitude == fmt.infinity) & ~nan
    return _Parts(words >= fmt.sign, significand, np.maximum(field, 1) - 1 + fmt.lowest, infinite, nan)


def _bit_length(values: Ints) -> Ints:
    """Of integers 0 <= value < 2^62."""
    found, rest = np.zeros(values.shape, np.int64), values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        above = rest >= np.int64(1) << step
        found += np.where(above, step, 0)
        rest = np.where(above, rest >> step, rest)
    return found + (rest > 0)


def _round(magnitude: Ints, exponent: Ints, fmt: FloatFormat) -> Ints:
    """Code, without sign, of the float nearest to magnitude * 2^exponent; 0 <= magnitude < 2^62."""
    digits = fmt.fraction_bits + 1
    # The result's last place: below the leading digit by the precision, or the least subnormal's.
    unit = np.maximum(exponent + _bit_length(magnitude) - digits, fmt.lowest)
    right = np.minimum(unit - exponent, 63)
    dropped = np.maximum(right, 0)
    kept = np.where(right > 0, magnitude >> dropped, magnitude << np.clip(-right, 0, digits))
    rest = magnitude - (kept << np.minimum(dropped, 62))
    half = np.int64(1) << np.clip(dropped - 1, 0, 62)
    up = (right > 0) & ((rest > half) | ((rest == half) & (kept % 2 == 1)))
    # A normal number's leading one adds one to the field; so does a carry out of the fraction.
    code = ((unit - fmt.lowest) << fmt.fraction_bits) + kept + up
    return np.minimum(np.where(magnitude == 0, 0, code), fmt.infinity)


def _pack(negative: Any, magnitude: Any, nan: Any, fmt: FloatFormat) -> Codes:
    nan = nan | (magnitude == fmt.nan)
    return np.where(nan, fmt.nan, magnitude + np.where(negative, fmt.sign, 0)).astype(float_dtype(fmt))


def multiply(a: Any, b: Any, fmt: FloatFormat) -> Codes:
    """a * b, elementwise and broadcast; zero times infinity is NaN."""
    product = _product(a, b, fmt)
    code = _round(product.significand, product.exponent, fmt)
    return _pack(product.negative, np.where(product.infinite, fmt.infinity, code), product.nan, fmt)


def add(a: Any, b: Any, fmt: FloatFormat) -> Codes:
    """a + b, elementwise and broadcast; infinities of both signs give NaN."""
    return _add(_unpack(a, fmt), _unpack(b, fmt), fmt)


def fma(a: Any, b: Any, c: Any, fmt: FloatFormat) -> Codes:
    """a * b + c with one rounding; zero times infinity is NaN, whatever c is."""
    return _add(_product(a, b, fmt), _unpack(c, fmt), fmt)


def _product(a: Any, b: Any, fmt: FloatFormat) -> _Parts:
    """a * b, exact."""
    x, y = _unpack(a, fmt), _unpack(b, fmt)
    infinite = x.infinite | y.infinite
    zero = (x.significand == 0) & ~x.infinite | (y.significand == 0) & ~y.infinite
    nan = x.nan | y.nan | infinite & zero
    return _Parts(x.negative ^ y.negative, x.significand * y.significand, x.exponent + y.exponent, infinite & ~nan, nan)


def _add(x: _Parts, y: _Parts, fmt: FloatFormat) -> Codes:
    """x + y, where x may be an exact product of 48 bits and y has 24."""
    # A zero takes the other's exponent: it needs no aligning.
    ex = np.where(x.significand == 0, y.exponent, x.exponent)
    ey = np.where(y.significand == 0, ex, y.exponent)
    # Aligned to the lower exponent, but no further than 12 places left of x or 28 of y: what then is shifted out of the
    # other one lies below its last place, where only a sticky bit counts. 48 + 12 and 24 + 28 bits fit.
    distance = ex - ey
    left_x, left_y = np.clip(distance, 0, 12), np.clip(-distance, 0, 28)
    mx = _sticky_right(x.significand << left_x, -distance - left_y)
    my = _sticky_right(y.significand << left_y, distance - left_x)
    total = np.where(x.negative, -mx, mx) + np.where(y.negative, -my, my)
    code = _round(np.abs(total), np.where(distance >= 0, ex - left_x, ey - left_y), fmt)
    infinite = x.infinite | y.infinite
    nan = x.nan | y.nan | x.infinite & y.infinite & (x.negative != y.negative)
    negative = np.where(total == 0, x.negative & y.negative, total < 0)
    negative = np.where(infinite, np.where(x.infinite, x.negative, y.negative), negative)
    return _pack(negative, np.where(infinite, fmt.infinity, code), nan, fmt)


def _sticky_right(values: Ints, right: Ints) -> Ints:
    """Shifted right where positive; one in the last place for whatever was shifted out."""
    amount = np.clip(right, 0, 62)
    kept = values >> amount
    return kept | (kept << amount != values)


def accumulate(values: Any, first: Any, fmt: FloatFormat) -> Codes:
    """Running sums of (n,) codes in order, from +0 at each mark of `first`: each addition rounded."""
    codes = np.asarray(values)
    sums = np.zeros(len(codes), float_dtype(fmt))
    starts = np.flatnonzero(np.asarray(first, np.bool_) | (np.arange(len(codes)) == 0))
    ends = np.append(starts[1:], len(codes))
    totals = np.zeros(len(starts), float_dtype(fmt))
    for step in range(int((ends - starts).max(initial=0))):  # all runs advance together
        running = starts + step < ends
        at = starts[running] + step
        totals[running] = sums[at] = add(totals[running], codes[at], fmt)
    return sums


def dot(a: Any, b: Any, fmt: FloatFormat) -> Codes:
    """Dot products of (..., n) codes, every product and every addition rounded, added up as a balanced tree.

    Neighbours are added first, an odd one goes up a level.
    """
    terms = multiply(a, b, fmt)
    while terms.shape[-1] > 1:
        even = terms.shape[-1] & ~1
        pairs = add(terms[..., 0:even:2], terms[..., 1:even:2], fmt)
        terms = np.concatenate([pairs, terms[..., even:]], axis=-1)
    return terms[..., 0]


def value(code: int, fmt: FloatFormat) -> Fraction:
    """A finite code as a fraction."""
    parts = _unpack(np.array([code]), fmt)
    if parts.nan[0] or parts.infinite[0]:
        raise ValueError(f"{fmt.name} code {code:#x}: a number wanted")
    magnitude = int(parts.significand[0]) * Fraction(2) ** int(parts.exponent[0])
    return -magnitude if parts.negative[0] else magnitude


def round_fraction(exact: Fraction, fmt: FloatFormat) -> int:
    """Code of the float nearest to a fraction, ties to even; zero is +0. The definition in rationals."""
    magnitude, unit = abs(exact), fmt.lowest
    while magnitude >= Fraction(2) ** (unit + fmt.fraction_bits + 1):
        unit += 1
    code = round(magnitude / Fraction(2) ** unit)  # Python rounds a tie to even
    code += (unit - fmt.lowest) << fmt.fraction_bits
    if code >= fmt.infinity:
        return fmt.nan if fmt.finite else fmt.infinity | (fmt.sign if exact < 0 else 0)
    return code | (fmt.sign if exact < 0 else 0)


def dot_fused(a: Any, b: Any, fmt: FloatFormat) -> Codes:
    """Dot products of (rows, n) codes: products and their sum exact, one rounding. Plain integers, row by row.

    An exact zero is +0 unless every product is -0.
    """
    terms = _product(a, b, fmt)
    negative = terms.negative
    plus, minus = (np.asarray((terms.infinite & sign).any(axis=-1)) for sign in (~negative, negative))
    nan = np.asarray(terms.nan.any(axis=-1) | plus & minus)
    codes = np.zeros(len(nan), np.int64)
    for k in range(len(nan)):
        if nan[k] or plus[k] or minus[k]:
            codes[k] = fmt.nan if nan[k] else fmt.infinity | (fmt.sign if minus[k] else 0)
            continue
        row = zip(negative[k], terms.significand[k], terms.exponent[k], strict=True)
        total = sum((-1 if n else 1) * (int(s) << int(e) - 2 * fmt.lowest) for n, s, e in row)
        codes[k] = round_fraction(total * Fraction(2) ** (2 * fmt.lowest), fmt)
        if total == 0 and negative[k].all():
            codes[k] = fmt.sign
    return codes.astype(float_dtype(fmt))
