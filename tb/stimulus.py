"""Seeded input batches whose alphabets are the corners: every draw mixes patterns that stress a unit with plain data.

Each transfer picks patterns independently (both operands' mantissas, where the exponents lie), so that corners also meet
each other. `tb.testpoints` counts what was really reached. Nothing here knows expected results.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from tb.models import Batch, Config, expected, length, rows, transfers
from tb.plan import hit_masks
from tb.scenarios import exponent_codes, scenario_batch

__all__ = ["corner_batch", "least_transfers", "random_batch"]

Rng = np.random.Generator
Codes = NDArray[np.unsignedinteger[Any]]

_POOL = 1 << 20  # elements to pick corners from
_HITS = 3  # picks per test point

_EDGES = (-151, -150, -149, -127, -126, 127, 128)  # exponents of one unit where FP32 results change their nature

# Weights of the patterns of one operand's mantissas, and of where the exponents of a pair lie.
_MANTISSAS = {
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
_EXPONENTS = {"uniform": 3, "common": 6, "subnormal": 4, "overflow": 4, "edge": 4, "lowest": 1, "highest": 1, "poison": 1}


def random_batch(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    """About `count` input transfers (whole blocks and whole turns of all contexts) for the unit of `config`."""
    return _RANDOM[config["unit"]](config, count, rng)


def least_transfers(config: Config) -> int:
    """Input transfers from which a random batch has an output to show: a tile's block takes that many sums."""
    return 3 * get_format(config["to"]).block if config["unit"] == "tile" else transfers(config)[0]


def corner_batch(config: Config, rng: Rng) -> dict[str, NDArray[Any]]:
    """Every test point a few times: the directed sums of an accumulator, then what a large draw offers."""
    if config["unit"] == "dot" and config["accumulate"] == "none":
        return _picked(config, rng)
    if config["unit"] in ("quantize", "dequantize"):
        return _picked(config, rng)
    # Sums of one block each, in every context; a tile's results also need company that suits them in their block.
    contexts = config.get("contexts", 1)
    alone = {"unit": "dot", "result": "fp32", "accumulate": "none"}
    single = _picked({**config, **alone}, rng)
    parts = [scenario_batch(config, rng), _marked({k: np.repeat(v, contexts, axis=0) for k, v in single.items()})]
    if config["unit"] == "tile":
        filler = rows(parts[1], np.arange(-sum(int(p["last"].sum()) for p in parts) % get_format(config["to"]).block))
        parts += [filler, _company(config, rng)]
    batch = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return rows(batch, slice(length(batch) // contexts * contexts))


def _marked(batch: Batch) -> dict[str, NDArray[Any]]:
    marks = np.ones(length(batch), np.uint8)
    return {**batch, "first": marks, "last": marks}


def _picked(config: Config, rng: Rng) -> dict[str, NDArray[Any]]:
    """From a large draw, the first transfers (whole blocks) that hit each test point."""
    steps, _ = transfers(config)
    size = max(4000, min(8000, _POOL // get_format(config["format"]).block))
    pool = random_batch(config, size * steps, rng)
    masks = hit_masks(config, pool, expected(config, pool))
    found = [np.flatnonzero(hits)[:_HITS] for hits in masks.values()]
    blocks = rng.permutation(np.unique(np.concatenate(found)))
    return rows(pool, (blocks[:, np.newaxis] * steps + np.arange(steps)).ravel())


def _company(config: Config, rng: Rng) -> dict[str, NDArray[Any]]:
    """Sums of one block each whose results share an exponent, `to` block by `to` block: ties are then common."""
    a, b, block = get_format(config["format"]), get_format(config["format_b"]), get_format(config["to"]).block
    blocks = max(64, min(2000, _POOL // (a.block * block)))
    negative = np.repeat(rng.random(blocks) < 0.2, block)

    def patterns(weights: dict[str, int]) -> NDArray[Any]:
        return np.repeat(_choice(weights, blocks, rng), block)

    x = mantissas(a, patterns({"positive": 4, "uniform": 2, "single": 2, "zero": 1}), rng)
    y = mantissas(b, patterns({"positive": 3, "uniform": 2, "one": 3}), rng)
    y[negative] |= np.uint8(1) << b.element.mantissa_bits
    # One in three blocks is louder in its first result, one in its last.
    place, loud = np.arange(blocks * block) % block, np.repeat(rng.integers(0, 3, blocks), block)
    louder = ((loud == 1) & (place == 0)) | ((loud == 2) & (place == block - 1))
    nowhere = np.zeros(blocks * block, bool)
    pool = _marked(
        {
            "a.mantissa": x,
            "a.exponent": exponent_codes(a, np.repeat(rng.integers(-3, 4, blocks), block) + 4 * louder, nowhere),
            "b.mantissa": y,
            "b.exponent": exponent_codes(b, np.zeros(len(y), np.int64), nowhere),
        }
    )
    alone = {**config, "contexts": 1}
    masks = hit_masks(alone, pool, expected(alone, pool))
    found = [np.flatnonzero(hits)[:_HITS] for name, hits in masks.items() if name.startswith("tile: ")]
    picked = np.unique(np.concatenate([*found, [0]]))
    return rows(pool, (picked[:, np.newaxis] * block + np.arange(block)).ravel())


def _choice(weights: Mapping[str, int], count: int, rng: Rng) -> NDArray[Any]:
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
    uniform = (kinds == "uniform") | (kinds == "poison")
    first = np.where(uniform, rng.integers(a.scale.lowest, a.scale.highest + 1, n), first)
    second = np.clip(total - first, b.scale.lowest, b.scale.highest)
    second = np.where(uniform, rng.integers(b.scale.lowest, b.scale.highest + 1, n), second)
    for kind, end in (("lowest", "lowest"), ("highest", "highest")):
        first = np.where(kinds == kind, getattr(a.scale, end), first)
        second = np.where(kinds == kind, getattr(b.scale, end), second)
    which = np.where(kinds == "poison", rng.integers(1, 4, n), 0)
    return exponent_codes(a, first, (which & 1) > 0), exponent_codes(b, second, (which & 2) > 0)


def dot_operands(config: Config, count: int, rng: Rng, where: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """`count` pairs of blocks; a tenth of them cancel, exactly or but for one product."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    kinds = [_choice(_MANTISSAS, count, rng) for _ in "ab"]
    where = _choice(_EXPONENTS, count, rng) if where is None else where
    ones = rng.random(count) < 0.1  # +-1 units, whose exponent says where the result lies
    for kind in kinds:
        kind[ones] = "one"
    lane = rng.integers(0, a.block, count)
    x, y = mantissas(a, kinds[0], rng, lane), mantissas(b, kinds[1], rng, lane)
    cancel = rng.random(count) < 0.1
    pairs = a.block // 2 * 2
    flip = 1 << b.element.mantissa_bits
    x[cancel, 1:pairs:2], y[cancel, 1:pairs:2] = x[cancel, :pairs:2], y[cancel, :pairs:2] ^ flip
    y[cancel, pairs:] = 0
    nearly = cancel & (rng.random(count) < 0.5)
    y[nearly, 0] ^= 1
    ea, eb = exponents(a, b, where, rng, ones)
    return {"a.mantissa": x, "a.exponent": ea, "b.mantissa": y, "b.exponent": eb}


def _random_dot(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    if config.get("accumulate") == "none":
        return dot_operands(config, count, rng)
    contexts = config.get("contexts", 1)
    count = -(-count // contexts) * contexts
    # Terms of one sum mostly lie in one range, so that they meet in the adder; a tenth of the sums are long.
    last = rng.random(count) < np.where(rng.random(count) < 0.9, 0.4, 0.1)
    first = rng.random(count) < 0.3
    where = np.repeat(_choice(_EXPONENTS, -(-count // (8 * contexts)), rng), 8 * contexts)[:count]
    where = np.where(rng.random(count) < 0.7, where, _choice(_EXPONENTS, count, rng))
    marks = {"first": first.astype(np.uint8), "last": last.astype(np.uint8)}
    return dot_operands(config, count, rng, where) | marks


def _random_dequantize(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    m, scale = fmt.element.mantissa_bits, fmt.scale
    kinds = _choice(_EXPONENTS, count, rng)
    values = np.select(
        [kinds == "common", kinds == "subnormal", kinds == "overflow", kinds == "lowest", kinds == "highest"],
        [
            rng.integers(-8, 9, count),
            rng.integers(-151, -124, count) + rng.integers(0, m + 1, count),
            rng.integers(125, 131, count) + rng.integers(0, m + 1, count),
            np.full(count, scale.lowest),
            np.full(count, scale.highest),
        ],
        rng.integers(scale.lowest, scale.highest + 1, count),
    )
    codes = exponent_codes(fmt, np.clip(values, scale.lowest, scale.highest), kinds == "poison")
    return {"mantissa": mantissas(fmt, _choice(_MANTISSAS, count, rng), rng), "exponent": codes}


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
    kinds = _choice(_VALUES, count, rng)[:, np.newaxis]
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


def _random_quantize(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    fmt, (steps, _) = get_format(config["format"]), transfers(config)
    blocks = -(-count // steps)
    batch: dict[str, NDArray[Any]] = {"value": float_blocks(config, blocks, rng).reshape(-1, config["lanes"])}
    if config["rounding"] == "sr" and config["random"] == "port":
        words = rng.integers(0, 1 << config["random_bits"], batch["value"].shape, np.uint32)
        ends = rng.random(len(words))[:, np.newaxis]
        words = np.where(ends < 0.1, 0, np.where(ends > 0.9, (1 << config["random_bits"]) - 1, words))
        batch["random"] = words.astype(np.uint32)
    return batch


_RANDOM = {"dot": _random_dot, "tile": _random_dot, "quantize": _random_quantize, "dequantize": _random_dequantize}
