"""Patterns of operands and values: the alphabet from which every batch is drawn, plain data and corners alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from tb.models import Config
from tb.scenarios import exponent_codes

__all__ = ["EXPONENTS", "MANTISSAS", "Codes", "Rng", "choice", "exponents", "float_blocks", "mantissas"]

Rng = np.random.Generator
Codes = NDArray[Any]  # unsigned

_EDGES = (-151, -150, -149, -127, -126, 127, 128)  # exponents of one unit where FP32 results change their nature

# Weights of the patterns of one operand's mantissas, and of where the exponents of a pair lie.
MANTISSAS = {
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


def mantissas(fmt: BlockFormat, kinds: NDArray[Any], rng: Rng, lane: NDArray[Any] | None = None) -> Codes:
    """Sign-magnitude codes (n, block), row i of pattern kinds[i]; `lane` is where a single element goes."""
    shape, m, top = (len(kinds), fmt.block), fmt.element.mantissa_bits, fmt.element.max_code
    sign = rng.integers(0, 2, shape, np.uint16) << m
    codes = sign | rng.integers(0, top + 1, shape, np.uint16)
    scaled = np.abs(rng.standard_normal(shape)) * (top + 1) / 3  # the largest of a block near the top of the range
    patterns: dict[str, Any] = {
        "real": sign | np.minimum(np.rint(scaled), top).astype(np.uint16),
        "positive": codes & top,  # sums that use their whole width
        "maximum": np.uint16(top),
        "minimum": np.uint16(1 << m | top),
        "extreme": sign | np.uint16(top),
        "tiny": sign | (codes & 1),
        "zero": np.uint16(0),
        "minus zero": sign,
    }
    for kind, pattern in patterns.items():
        codes = np.where((kinds == kind)[:, np.newaxis], pattern, codes)
    lane = rng.integers(0, fmt.block, len(kinds)) if lane is None else lane
    single = np.arange(fmt.block) == lane[:, np.newaxis]
    codes = np.where((kinds == "single")[:, np.newaxis], np.where(single, codes | 1, 0), codes)
    codes = np.where((kinds == "one")[:, np.newaxis], np.where(single, sign | 1, 0), codes)
    return codes.astype(np.uint8 if fmt.element.bits <= 8 else np.uint16)


def exponents(
    a: BlockFormat, b: BlockFormat, kinds: NDArray[Any], rng: Rng, ones: NDArray[np.bool_]
) -> tuple[Codes, Codes]:
    """Exponent codes (n,) of a pair of blocks; kinds[i] says where their product lies in the range of FP32.

    Near an edge, a sum of one unit (`ones`) lies on it; other sums, up to `width` bits long, are moved towards it.
    """
    n = len(kinds)
    m = a.element.mantissa_bits + b.element.mantissa_bits
    width = m + (a.block - 1).bit_length()  # of the largest sum
    total = np.select(
        [kinds == "common", kinds == "edge", kinds == "subnormal", kinds == "overflow"],
        [
            rng.integers(-8, 9, n),
            rng.choice(_EDGES, n) - rng.integers(0, width, n) * ~ones + m,
            rng.integers(-151 - width, -124, n) + m,
            rng.integers(126 - width, 130, n) + m,
        ],
        0,
    )
    first = np.clip(total // 2 + rng.integers(-6, 7, n), a.scale.lowest, a.scale.highest)
    second = np.clip(total - first, b.scale.lowest, b.scale.highest)
    first = np.clip(total - second, a.scale.lowest, a.scale.highest)  # takes over what b's range could not
    uniform = (kinds == "uniform") | (kinds == "poison")
    first = np.where(uniform, rng.integers(a.scale.lowest, a.scale.highest + 1, n), first)
    second = np.where(uniform, rng.integers(b.scale.lowest, b.scale.highest + 1, n), second)
    for kind, end in (("lowest", "lowest"), ("highest", "highest")):
        first = np.where(kinds == kind, getattr(a.scale, end), first)
        second = np.where(kinds == kind, getattr(b.scale, end), second)
    which = np.where(kinds == "poison", rng.integers(1, 4, n), 0)
    return exponent_codes(a, first, (which & 1) > 0), exponent_codes(b, second, (which & 2) > 0)


# Fields of the source formats: exponent bits, fraction bits.
_FLOATS = {"fp32": (8, 23), "bf16": (8, 7), "fp16": (5, 10)}
_VALUES = {
    "codes": 3, "cluster": 5, "real": 5, "tie": 5, "spread": 3, "saturate": 3, "power": 1, "single": 1, "zero": 1,
    "subnormal": 2, "maximum": 1, "special": 2,
}  # fmt: skip


def float_blocks(config: Config, count: int, rng: Rng) -> Codes:
    """Source codes (count, block) for a converter; each block of one pattern around an exponent of its own."""
    fmt, (exponent_bits, fraction_bits) = get_format(config["format"]), _FLOATS[config["source"]]
    shape, m = (count, fmt.block), fmt.element.mantissa_bits
    top, sign_bit = (1 << exponent_bits) - 1, exponent_bits + fraction_bits
    kinds = choice(_VALUES, count, rng)[:, np.newaxis]
    sign = rng.integers(0, 2, shape, np.uint32) << sign_bit
    fraction = rng.integers(0, 1 << fraction_bits, shape, np.uint32)
    # Half of the blocks lie anywhere, the others near the ends of the range.
    base = rng.integers(1, top, (count, 1))
    ends = np.where(rng.random((count, 1)) < 0.5, rng.integers(1, 5, (count, 1)), top - rng.integers(1, 3, (count, 1)))
    base = np.where(rng.random((count, 1)) < 0.3, ends, base)
    down = rng.geometric(0.4, shape) - 1
    field = np.clip(base - down, 0, top - 1)

    # A tie is an odd multiple of half the last place, below a largest element that sets the exponent.
    bits = min(m + 1, fraction_bits + 1)
    odd = rng.integers(0, 1 << bits - 1, shape) * 2 + 1
    lift = odd.astype(np.float64)
    place = np.frexp(lift)[1] - 1
    tie = np.ldexp(lift, fraction_bits - place).astype(np.uint32) & ((1 << fraction_bits) - 1)
    tie |= np.maximum(base - m + place, 0).astype(np.uint32) << fraction_bits
    lead = np.choose(rng.integers(0, 3, count), [0, fmt.block - 1, rng.integers(0, fmt.block, count)])
    leader = np.arange(fmt.block) == lead[:, np.newaxis]
    leading = base.astype(np.uint32) << fraction_bits
    if fmt.block > 1:
        tie = np.where(leader, leading, tie)

    full = np.uint32(((top - 1) << fraction_bits) | ((1 << fraction_bits) - 1))
    near = (1 << fraction_bits) - 1 - rng.integers(0, 1 << max(fraction_bits - m, 1), shape, np.uint32)
    plain = fraction | field.astype(np.uint32) << fraction_bits
    special = np.uint32(top << fraction_bits) | np.where(rng.random(shape) < 0.5, fraction, 0)
    scaled = _real(config["source"], rng.standard_normal(shape) * np.exp2(base - (top >> 1)))
    patterns: dict[str, Any] = {
        "codes": rng.integers(0, 1 << sign_bit, shape, np.uint32),
        "real": scaled,
        "tie": tie,
        "spread": fraction | rng.integers(0, top, shape, np.uint32) << fraction_bits,
        "saturate": np.where(leader, near | leading, plain),
        "power": np.where(rng.random(shape) < 0.5, leading, field.astype(np.uint32) << fraction_bits),
        "single": np.where(leader, plain, 0),
        "zero": np.uint32(0),
        "subnormal": np.where(rng.random((count, 1)) < 0.5, fraction, fraction & 7),
        "maximum": full,
        "special": np.where(leader, special, plain),
    }
    codes = plain
    for kind, pattern in patterns.items():
        codes = np.where(kinds == kind, pattern, codes)
    # One block in eight has one sign throughout
    sign = np.where(rng.random((count, 1)) < 0.125, sign[:, :1], sign)
    return (codes | sign).astype(np.uint32 if sign_bit > 15 else np.uint16)


def _real(source: str, values: NDArray[np.float64]) -> Codes:
    """Magnitude codes of ordinary numbers in the source format, cut rather than rounded; beyond its range: maximum."""
    with np.errstate(over="ignore", under="ignore"):
        if source == "fp16":
            return np.minimum(np.abs(values).astype(np.float16).view(np.uint16), 0x7BFF).astype(np.uint32)
        codes = np.minimum(np.abs(values).astype(np.float32).view(np.uint32), 0x7F7FFFFF)
    return codes >> 16 if source == "bf16" else codes
