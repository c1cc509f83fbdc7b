"""Patterns of the blocks that enter dot products and converters: the alphabet of every batch of stored codes.

Weights say how often a pattern is drawn; each operand of a transfer draws its own, so that corners meet each other.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import elements
from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, Specials
from tb.batches import Config, element_field, exponent_codes, scale_field, scale_powers, signed_codes

__all__ = ["EXPONENTS", "Codes", "Rng", "choice", "element_codes", "element_patterns", "exponents", "pairs_of_blocks"]

Rng = np.random.Generator
Codes = NDArray[Any]  # unsigned

_EDGES = (-151, -150, -149, -127, -126, 127, 128)  # exponents of one unit where FP32 results change their nature

_ELEMENTS = {
    "uniform": 5,
    "real": 4,
    "positive": 2,
    "maximum": 2,
    "minimum": 1,
    "extreme": 2,
    "single": 2,
    "tiny": 2,
    "zero": 1,
    "minus zero": 1,
}
# Where the exponents of a pair of blocks lie.
EXPONENTS = {
    "uniform": 3,
    "common": 6,
    "subnormal": 4,
    "overflow": 4,
    "edge": 4,
    "lowest": 1,
    "highest": 1,
    "poison": 1,
}


def choice(weights: Mapping[str, int], count: int, rng: Rng) -> NDArray[Any]:
    """`count` names, as often as their weights say."""
    shares = np.array(list(weights.values()), float)
    return rng.choice(list(weights), count, p=shares / shares.sum())


def element_patterns(fmt: BlockFormat) -> dict[str, int]:
    """Weights of the patterns of a format's elements: those of every format, and those of its own codes."""
    weights = dict(_ELEMENTS)
    if fmt.element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        weights |= {"lowest": 3, "lowest or largest": 2}
    if fmt.element.specials is not Specials.NONE:
        weights |= {"special": 2}
    if fmt.element.specials is Specials.IEEE:
        weights |= {"infinite": 2}
    return weights


@cache
def _values(fmt: BlockFormat) -> NDArray[np.float64]:
    """Magnitudes behind the finite magnitude codes, in order."""
    top = np.arange(fmt.element.max_code + 1)
    return np.abs(elements.decode(top.astype(np.uint16), fmt.element)).astype(np.float64)


def element_codes(fmt: BlockFormat, kinds: NDArray[Any], rng: Rng, lane: NDArray[Any] | None = None) -> Codes:
    """Stored elements (n, block), row i of pattern kinds[i]; `lane` is where a single element goes."""
    element, shape, top = fmt.element, (len(kinds), fmt.block), fmt.element.max_code
    negative = rng.integers(0, 2, shape).astype(np.bool_)
    uniform = rng.integers(0, top + 1, shape)
    # The largest of a block near the top of the range.
    normal = np.abs(rng.standard_normal(shape)) * (_values(fmt)[-1] / 3)
    real = np.minimum(np.searchsorted(_values(fmt), normal), top)
    lane = rng.integers(0, fmt.block, len(kinds)) if lane is None else lane
    at_lane = np.arange(fmt.block) == lane[:, np.newaxis]
    no, yes = np.False_, np.True_
    patterns: dict[str, tuple[Any, Any]] = {
        "uniform": (uniform, negative),
        "real": (real, negative),
        "positive": (uniform, no),  # sums that use their whole width
        "maximum": (top, no),
        "minimum": (top, yes),
        "extreme": (top, negative),
        "single": (np.where(at_lane, np.maximum(uniform, 1), 0), negative & at_lane),
        "one": (at_lane, negative & at_lane),
        "tiny": (uniform & 1, negative),
        "zero": (0, no),
        "minus zero": (0, negative),
    }
    codes = np.zeros(shape, np.uint8 if element.bits <= 8 else np.uint16)
    for kind, (magnitude, sign) in patterns.items():
        codes = np.where((kinds == kind)[:, np.newaxis], signed_codes(fmt, magnitude, sign), codes)
    sign_bit = codes.dtype.type(1 << element.bits - 1)
    lowest = np.where(
        (kinds == "lowest or largest")[:, np.newaxis] & negative, sign_bit - codes.dtype.type(1), sign_bit
    )
    codes = np.where(np.isin(kinds, ["lowest", "lowest or largest"])[:, np.newaxis], lowest, codes)
    return _with_specials(fmt, codes, kinds, rng, at_lane)


def _with_specials(fmt: BlockFormat, codes: Codes, kinds: NDArray[Any], rng: Rng, at_lane: NDArray[Any]) -> Codes:
    """One or more specials among finite elements, or among none; infinities of a block have one sign or both."""
    element, n = fmt.element, len(kinds)
    if element.specials is Specials.NONE:
        return codes
    first, last = element.max_code + 1, (1 << element.bits - 1) - 1
    among = signed_codes(fmt, rng.integers(0, element.max_code + 1, codes.shape), rng.integers(0, 2, codes.shape))
    among = np.where(rng.random((n, 1)) < 0.3, codes.dtype.type(0), among)
    place = at_lane | (rng.random(codes.shape) < rng.choice([0.0, 0.1], (n, 1)))
    sign = np.where(rng.random((n, 1)) < 0.5, rng.integers(0, 2, (n, 1)), rng.integers(0, 2, codes.shape))
    special = signed_codes(fmt, rng.integers(first, last + 1, codes.shape), sign)
    infinite = signed_codes(fmt, np.full(codes.shape, first), sign)
    codes = np.where((kinds == "special")[:, np.newaxis], np.where(place, special, among), codes)
    return np.where((kinds == "infinite")[:, np.newaxis], np.where(place, infinite, among), codes)


def microexponent_codes(fmt: BlockFormat, count: int, rng: Rng) -> Codes:
    """Microexponents (count, pairs): anything, or all of them the same, or at the ends of their range."""
    top, shape = fmt.max_microexponent, (count, fmt.microexponents)
    anything = rng.integers(0, top + 1, shape)
    ends = rng.integers(0, 2, shape) * top
    same = rng.choice([0, top], (count, 1))
    kind = rng.integers(0, 4, (count, 1))
    return np.select([kind == 0, kind == 1], [np.broadcast_to(same, shape), ends], anything).astype(np.uint8)


def exponents(
    a: BlockFormat, b: BlockFormat, kinds: NDArray[Any], rng: Rng, ones: NDArray[np.bool_]
) -> tuple[Codes, Codes]:
    """Exponent codes (n,) of a pair of blocks; kinds[i] says where their product lies in the range of FP32.

    Near an edge, a sum of one unit (`ones`) lies on it; other sums, up to `width` bits long, are moved towards it.
    """
    n, unit = len(kinds), a.unit_exponent + b.unit_exponent
    width = (a.block * a.max_integer * b.max_integer).bit_length()  # of the largest sum
    total = np.select(
        [kinds == "common", kinds == "edge", kinds == "subnormal", kinds == "overflow"],
        [
            rng.integers(-8, 9, n),
            rng.choice(_EDGES, n) - rng.integers(0, width, n) * ~ones - unit,
            rng.integers(-151 - width, -124, n) - unit,
            rng.integers(126 - width, 130, n) - unit,
        ],
        0,
    )
    powers_a, powers_b = scale_powers(a), scale_powers(b)
    first = np.clip(total // 2 + rng.integers(-6, 7, n), powers_a[0], powers_a[-1])
    second = np.clip(total - first, powers_b[0], powers_b[-1])
    first = np.clip(total - second, powers_a[0], powers_a[-1])  # takes over what b's range could not
    uniform = (kinds == "uniform") | (kinds == "poison")
    first = np.where(uniform, rng.integers(powers_a[0], powers_a[-1] + 1, n), first)
    second = np.where(uniform, rng.integers(powers_b[0], powers_b[-1] + 1, n), second)
    for kind, end in (("lowest", 0), ("highest", -1)):
        first = np.where(kinds == kind, powers_a[end], first)
        second = np.where(kinds == kind, powers_b[end], second)
    which = np.where(kinds == "poison", rng.integers(1, 4, n), 0)
    plain = uniform | (kinds == "common") & ~ones
    return (
        _any_scale(a, exponent_codes(a, first, (which & 1) > 0), plain & (which & 1 == 0), rng),
        _any_scale(b, exponent_codes(b, second, (which & 2) > 0), plain & (which & 2 == 0), rng),
    )


def _any_scale(fmt: BlockFormat, codes: Codes, plain: NDArray[np.bool_], rng: Rng) -> Codes:
    """Minifloat scales are more than powers of two: any code where the range does not matter, either NaN for poison."""
    if fmt.scale.minifloat is None:
        return codes
    poison = codes == fmt.scale.poison_code
    sign = rng.integers(0, 2, len(codes)) << fmt.scale.bits - 1
    anything = rng.integers(0, 1 << fmt.scale.bits, len(codes))
    return np.select([poison, plain], [codes | sign, anything], codes).astype(codes.dtype)


def pairs_of_blocks(config: Config, count: int, rng: Rng, where: NDArray[Any] | None = None) -> dict[str, Codes]:
    """`count` pairs of blocks "a." and "b."; a tenth of them cancel, exactly or but for one product.

    `where` names patterns of EXPONENTS.
    """
    a, b = get_format(config["format"]), get_format(config["format_b"])
    kinds = [choice(element_patterns(fmt), count, rng) for fmt in (a, b)]
    where = choice(EXPONENTS, count, rng) if where is None else where
    ones = rng.random(count) < 0.1  # +-1 units, whose exponent says where the result lies
    for kind in kinds:
        kind[ones] = "one"
    lane = rng.integers(0, a.block, count)
    x, y = element_codes(a, kinds[0], rng, lane), element_codes(b, kinds[1], rng, lane)
    cancel = rng.random(count) < 0.1
    pairs = a.block // 2 * 2
    x[cancel, 1:pairs:2], y[cancel, 1:pairs:2] = x[cancel, :pairs:2], _negated(b, y[cancel, :pairs:2])
    y[cancel, pairs:] = 0
    nearly = cancel & (rng.random(count) < 0.5)
    y[nearly, 0] ^= 1
    batch: dict[str, Codes] = {}
    for prefix, fmt, codes, scale in zip(("a.", "b."), (a, b), (x, y), exponents(a, b, where, rng, ones), strict=True):
        batch[prefix + element_field(fmt)] = codes
        if fmt.microexponents:
            shared = microexponent_codes(fmt, count, rng)
            shared[cancel] = shared[cancel, :1]
            shared[ones] = fmt.max_microexponent
            batch[prefix + "microexponent"] = shared
        batch[prefix + scale_field(fmt)] = scale
    return batch


def _negated(fmt: BlockFormat, codes: Codes) -> Codes:
    """Codes of the opposite values, but for the lowest two's-complement one, which has none."""
    if fmt.element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return (-codes.astype(np.int64) & ((1 << fmt.element.bits) - 1)).astype(codes.dtype)
    return codes ^ codes.dtype.type(1 << fmt.element.bits - 1)
