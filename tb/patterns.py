"""Patterns of the values that enter a converter: the alphabet of every batch of floats, plain data and corners."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from tb.batches import Config
from tb.operands import Codes, Rng, choice

__all__ = ["float_blocks"]

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
    span = fmt.element.emax - fmt.element.lsb_exponent  # from an element's largest binade to its last place
    weights = _VALUES | ({"deep": 3} if fmt.element.is_float else {}) | ({"pairs": 4} if fmt.microexponents else {})
    kinds = choice(weights, count, rng)[:, np.newaxis]
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
    tie |= np.maximum(base - span - 1 + place, 0).astype(np.uint32) << fraction_bits
    if fmt.element.is_float:
        # Below so many bits of the fraction: half the last place of a normal element, of a subnormal one fewer.
        kept = rng.integers(-1, m + 1, shape)
        half = ((fraction.astype(np.int64) >> (fraction_bits - kept)) << 1 | 1) << (fraction_bits - kept - 1)
        tie = np.where(kept < 0, 0, half & ((1 << fraction_bits) - 1)).astype(np.uint32)
        tie |= np.maximum(base - rng.integers(0, span + 3, shape), 0).astype(np.uint32) << fraction_bits
    # One in four has one more bit somewhere below, or borrows one: every sticky bit decides alone now and then.
    beyond = rng.choice([0, 0, 0, 0, 0, 0, 1, -1], shape) << rng.integers(0, max(fraction_bits - m, 1), shape)
    tie = np.maximum(tie.astype(np.int64) + beyond, 0).astype(np.uint32)
    lead = np.choose(rng.integers(0, 3, count), [0, fmt.block - 1, rng.integers(0, fmt.block, count)])
    leader = np.arange(fmt.block) == lead[:, np.newaxis]
    leading = base.astype(np.uint32) << fraction_bits
    if fmt.block > 1:
        tie = np.where(leader, leading, tie)

    full = np.uint32(((top - 1) << fraction_bits) | ((1 << fraction_bits) - 1))
    near = (1 << fraction_bits) - 1 - rng.integers(0, 1 << max(fraction_bits - m, 1), shape, np.uint32)
    plain = fraction | field.astype(np.uint32) << fraction_bits
    deep = np.clip(base - rng.integers(0, span + 6, shape), 0, top - 1).astype(np.uint32)
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
        "deep": np.where(leader, leading, fraction | deep << fraction_bits),
        "pairs": _pairs(fmt, base, down, leader, fraction_bits, rng) | fraction,
    }
    codes = plain
    for kind, pattern in patterns.items():
        codes = np.where(kinds == kind, pattern, codes)
    # One block in eight has one sign throughout
    sign = np.where(rng.random((count, 1)) < 0.125, sign[:, :1], sign)
    return (codes | sign).astype(np.uint32 if sign_bit > 15 else np.uint16)


def _pairs(fmt: BlockFormat, base: Any, down: Any, leader: Any, fraction_bits: int, rng: Rng) -> Codes:
    """Exponent fields by pair, up to two more below the block's than a microexponent can say; some pairs are zero."""
    count, pairs = len(base), max(fmt.microexponents, 1)
    below = np.repeat(rng.integers(0, fmt.max_microexponent + 3, (count, pairs)), fmt.block // pairs, axis=1)
    below += np.where(rng.random(below.shape) < 0.5, 0, down)
    gone = np.repeat(rng.random((count, pairs)) < 0.1, fmt.block // pairs, axis=1) * (1 << 10)
    field = np.maximum(base - np.where(leader, 0, below + gone), 0)
    return field.astype(np.uint32) << fraction_bits


def _real(source: str, values: NDArray[np.float64]) -> Codes:
    """Magnitude codes of ordinary numbers in the source format, cut rather than rounded; beyond its range: maximum."""
    with np.errstate(over="ignore", under="ignore"):
        if source == "fp16":
            return np.minimum(np.abs(values).astype(np.float16).view(np.uint16), 0x7BFF).astype(np.uint32)
        codes = np.minimum(np.abs(values).astype(np.float32).view(np.uint32), 0x7F7FFFFF)
    return codes >> 16 if source == "bf16" else codes
