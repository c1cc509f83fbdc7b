"""Directed batches: every element code beside fixed partners, every shared exponent, every binade of a source.

Random data meets these one by one, never all of them; test points ask for complete sets (`testpoints.complete`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import elements
from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, Specials
from golden.scales import decode_scales
from tb.batches import (
    Batch,
    Config,
    element_field,
    exponent_codes,
    flushes,
    group_blocks,
    length,
    scale_field,
    scale_powers,
    signed_codes,
    stitch,
    to_code,
)
from tb.operands import Codes, Rng, element_codes, microexponent_codes

__all__ = [
    "MOST_BITS",
    "MOST_STEPS",
    "all_codes",
    "all_values",
    "blocks_of_all_codes",
    "grouped",
    "partners",
    "thresholds",
]

MOST_BITS = 8  # of an element or a scale whose codes are driven one by one
MOST_STEPS = 8  # transfers of a block whose binades are

Columns = dict[str, NDArray[Any]]


def partners(fmt: BlockFormat) -> list[int]:
    """Stored codes that every code of the other operand meets: least, middle, largest negative, and infinity."""
    top = fmt.element.max_code
    finite = signed_codes(fmt, np.array([1, top // 2 + 1, top]), np.array([False, False, True]))
    return [int(c) for c in finite] + ([top + 1] if fmt.element.specials is Specials.IEEE else [])


def grouped(config: Config, batch: Columns, rng: Rng) -> Columns:
    """Pairs of blocks as transfers of their unit: in the mode f25 one place among blocks of zeros, drawn at random."""
    blocks = group_blocks(config)
    if config.get("mode") != "f25":
        return batch
    n = length(batch)
    place = rng.integers(0, blocks, n)
    made: Columns = {name: codes for name, codes in batch.items() if name in ("first", "last")}
    for operand, key in (("a", "format"), ("b", "format_b")):
        fmt = get_format(config[key])
        for k in range(blocks):
            for name in (name for name in batch if name.startswith(f"{operand}.")):
                here, codes = place == k, batch[name]
                silent = np.zeros_like(codes)
                if name.endswith("exponent") and codes.ndim == 1:
                    exponents = rng.integers(fmt.scale.lowest, fmt.scale.highest + 1, n)
                    silent = exponent_codes(fmt, exponents, np.zeros(n, np.bool_)).astype(codes.dtype)
                chosen = np.where(here if codes.ndim == 1 else here[:, np.newaxis], codes, silent)
                made[f"{operand}[{k}]{name[1:]}"] = chosen
    return made


def all_codes(config: Config, rng: Rng) -> Columns:
    """Every element code of either operand and every stored exponent, for formats whose codes have up to 8 bits."""
    if config["unit"] == "dequantize":
        return blocks_of_all_codes(get_format(config["format"]), rng)
    a, b = get_format(config["format"]), get_format(config["format_b"])
    parts = [_extremes(a, b, rng)]
    for fmt, other, swap in ((a, b, False), (b, a, True)):
        made = []
        if fmt.element.bits <= MOST_BITS:
            made += [_each_code(fmt, other, partner, rng) for partner in partners(other)]
        if fmt.scale.bits <= MOST_BITS:
            made.append(_each_scale(fmt, other, rng))
        parts += [_joined_pair(y, x) if swap else _joined_pair(x, y) for x, y in made]
    return grouped(config, stitch(parts), rng)


def _joined_pair(x: Columns, y: Columns) -> Columns:
    return {f"a.{name}": codes for name, codes in x.items()} | {f"b.{name}": codes for name, codes in y.items()}


def _extremes(a: BlockFormat, b: BlockFormat, rng: Rng) -> Columns:
    """Blocks of the largest and of the least element in all four pairs, microexponents at 0: the widest sums."""
    rows = []
    for fmt, repeats in ((a, (2, 1)), (b, (1, 2))):
        most = int(signed_codes(fmt, np.array(fmt.element.max_code), False))
        least = int(signed_codes(fmt, np.array(fmt.element.max_code), True))
        if fmt.element.encoding is ElementEncoding.TWOS_COMPLEMENT:
            least = 1 << fmt.element.bits - 1
        codes = np.tile(np.repeat([most, least], repeats[0]), repeats[1])
        fields = _block(fmt, np.repeat(codes[:, np.newaxis], fmt.block, axis=1), 0, rng)
        if fmt.scale.minifloat is not None:  # the largest significand, under a sign of its own
            ones = (1 << fmt.scale.bits - 2) - 1
            fields[scale_field(fmt)] = np.full(len(codes), ones | rng.integers(0, 2) << fmt.scale.bits - 1, np.uint16)
        rows.append(fields | {name: np.zeros_like(t) for name, t in fields.items() if name == "microexponent"})
    return _joined_pair(*rows)


def _block(fmt: BlockFormat, codes: Codes, exponents: Any, rng: Rng) -> Columns:
    """Fields of blocks (n, N) whose exponents are clipped to what can be stored; any microexponents."""
    n = len(codes)
    powers = scale_powers(fmt)
    wanted = np.clip(np.broadcast_to(exponents, n), powers[0], powers[-1])
    fields: Columns = {
        element_field(fmt): codes.astype(np.uint8 if fmt.element.bits <= 8 else np.uint16),
        scale_field(fmt): exponent_codes(fmt, wanted, np.zeros(n, np.bool_)),
    }
    return fields | ({"microexponent": microexponent_codes(fmt, n, rng)} if fmt.microexponents else {})


def _each_code(fmt: BlockFormat, other: BlockFormat, partner: int, rng: Rng) -> tuple[Columns, Columns]:
    """Each code alone in its block, lane by lane, against one code of the other operand."""
    codes = np.arange(1 << fmt.element.bits)
    x, y = (np.zeros((len(codes), f.block), np.int64) for f in (fmt, other))
    lane = codes % fmt.block
    x[codes, lane], y[codes, lane] = codes, partner
    return _block(fmt, x, 0, rng), _block(other, y, 0, rng)


def _each_scale(fmt: BlockFormat, other: BlockFormat, rng: Rng) -> tuple[Columns, Columns]:
    """Each stored exponent, poison included, with the other one such that the result lies near 1."""
    stored = np.arange(1 << fmt.scale.bits).astype(np.uint16)
    values = decode_scales(stored, fmt.scale)
    kinds = np.full(len(stored), "positive")  # so that no sum is zero
    x = _block(fmt, element_codes(fmt, kinds, rng), 0, rng)
    y = _block(other, element_codes(other, kinds, rng), -values - fmt.element.emax - other.element.emax, rng)
    return x | {scale_field(fmt): stored}, y


def blocks_of_all_codes(fmt: BlockFormat, rng: Rng) -> Columns:
    """Every code under the lowest, the highest and a middle exponent, and every exponent on a block of numbers."""
    parts = [_block(fmt, np.zeros((1, fmt.block)), 0, rng)]
    if fmt.element.bits <= MOST_BITS:
        count = -(-(1 << fmt.element.bits) // fmt.block)
        codes = (np.arange(count * fmt.block) & ((1 << fmt.element.bits) - 1)).reshape(count, fmt.block)
        parts += [_block(fmt, codes, exponent, rng) for exponent in (fmt.scale.lowest, 0, fmt.scale.highest)]
    if fmt.scale.bits <= MOST_BITS:
        stored = np.arange(1 << fmt.scale.bits).astype(np.uint16)
        kinds = np.full(len(stored), "real")
        parts.append(_block(fmt, element_codes(fmt, kinds, rng), 0, rng) | {"exponent": stored})
    return stitch(parts)


# Fields of the source formats: exponent bits, fraction bits.
SOURCES = {"fp32": (8, 23), "bf16": (8, 7), "fp16": (5, 10)}


def thresholds(fmt: BlockFormat) -> dict[str, float]:
    """Significands in [1, 2) on which a scale rule turns: the last that `ceil`, the first that `even` (not) keeps."""
    largest = fmt.element.max_integer
    return {"ceil": largest / (1 << largest.bit_length() - 1), "even": 2 - 2.0**-fmt.element.precision}


def all_values(config: Config, rng: Rng) -> Batch:
    """Values for a converter whose blocks take a few transfers at most: see the parts."""
    fmt, source = get_format(config["format"]), config["source"]
    blocks: list[Codes] = [np.zeros((1, fmt.block), np.int64)]
    if flushes(config):
        blocks.append(_around_normal(fmt, source, rng))
    if fmt.block // config["lanes"] <= MOST_STEPS:
        blocks += [_each_binade(fmt, source, rng), _at_thresholds(fmt, source, rng)]
        if fmt.block > 1 and fmt.element.bits <= MOST_BITS:
            blocks.append(_each_element(fmt, source))
    dtype = np.uint32 if source == "fp32" else np.uint16
    values = np.concatenate([block.astype(dtype) for block in blocks]).reshape(-1, config["lanes"])
    words: Columns = {}
    if config["rounding"] == "sr" and config["random"] == "port":
        words["random"] = rng.integers(0, 1 << config["random_bits"], values.shape).astype(np.uint32)
    return {"value": values} | words


def _each_element(fmt: BlockFormat, source: str) -> Codes:
    """Values that become every element code; every other one is the largest, so that exponents stay 0."""
    finite = np.arange(fmt.element.max_code + 1)
    codes = signed_codes(fmt, np.tile(finite, 2), np.repeat([False, True], len(finite)))
    values = to_code(elements.to_float32(codes, fmt.element), source)
    per_block = fmt.block // 2
    block = np.full((-(-len(values) // per_block), fmt.block), values[fmt.element.max_code])
    block[:, 1 : 2 * per_block : 2] = np.resize(values, (len(block), per_block))
    return block


def _each_binade(fmt: BlockFormat, source: str, rng: Rng) -> Codes:
    """Maxima in every binade of the source, one a block; the others reach down past the smallest element."""
    exponent_bits, fraction_bits = SOURCES[source]
    field = np.arange((1 << exponent_bits) - 1)[:, np.newaxis]
    down = rng.integers(0, fmt.element.emax - fmt.element.lsb_exponent + 4, (len(field), fmt.block))
    down[np.arange(len(field)), rng.integers(0, fmt.block, len(field))] = 0
    fraction = rng.integers(0, 1 << fraction_bits, down.shape)
    sign = rng.integers(0, 2, down.shape) << exponent_bits + fraction_bits
    return np.maximum(field - down, 0) << fraction_bits | fraction | sign


def _around_normal(fmt: BlockFormat, source: str, rng: Rng) -> Codes:
    """The least and the largest subnormal, alone and beside one least normal number, infinity or NaN; any signs."""
    exponent_bits, fraction_bits = SOURCES[source]
    normal, infinity = 1 << fraction_bits, ((1 << exponent_bits) - 1) << fraction_bits
    made = []
    for rest in (1, normal - 1):
        for leader in (rest, normal, infinity, infinity + 1):
            for place in (0, fmt.block - 1):
                codes = np.full(fmt.block, rest)
                codes[place] = leader
                made.append(codes | rng.integers(0, 2, fmt.block) << exponent_bits + fraction_bits)
    return np.stack(made)


def _at_thresholds(fmt: BlockFormat, source: str, rng: Rng) -> Codes:
    """Maxima of blocks, and of pairs one binade lower, on the scale rules' thresholds and a last place off them."""
    exponent_bits, fraction_bits = SOURCES[source]
    middle = 1 << exponent_bits - 1
    made = []
    for significand in thresholds(fmt).values():
        for off in (-1, 0, 1):
            code = (middle << fraction_bits) + int((significand - 1) * (1 << fraction_bits)) + off
            for lower in (0, 1 << fraction_bits):  # the rest of the block, or its own leader, lies a binade away
                rest = np.full(fmt.block, code - (1 << fraction_bits))
                rest[rng.integers(0, fmt.block)] = code if lower == 0 else middle << fraction_bits
                made.append(rest | rng.integers(0, 2, fmt.block) << exponent_bits + fraction_bits)
    return np.stack(made)
