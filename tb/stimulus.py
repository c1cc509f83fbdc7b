"""Seeded input batches whose alphabets are the corners: every draw mixes patterns that stress a unit with plain data.

Each transfer picks patterns independently (both operands' mantissas, where the exponents lie), so that corners also
meet each other. `tb.testpoints` counts what was really reached. Nothing here knows expected results.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from tb.batches import (
    Batch,
    Config,
    element_field,
    exponent_codes,
    length,
    prefixes,
    rows,
    signed_codes,
    stitch,
    tensor_scales,
)
from tb.convert import convert_batch, convert_corners
from tb.directed import all_codes, all_values, grouped
from tb.dropback import dropback_batch, dropback_corners
from tb.models import expected, transfers
from tb.models_floats import FLOAT_MODELS
from tb.models_gecko import GECKO_MODELS
from tb.operands import (
    EXPONENTS,
    Rng,
    choice,
    element_codes,
    element_patterns,
    microexponent_codes,
    pairs_of_blocks,
)
from tb.patterns import float_blocks
from tb.plan import hit_masks
from tb.scenarios import scenario_batch
from tb.shifter import shifter_batch, shifter_corners
from tb.sliced import sliced_batch, sliced_corners
from tb.stimulus_floats import float_batch, float_corners
from tb.stimulus_gecko import gecko_batch, gecko_corners
from tb.tensor_scales import corner_scales, random_scales

__all__ = ["corner_batch", "least_transfers", "random_batch"]


_POOL = 1 << 20  # elements to pick corners from
_HITS = 3  # picks per test point
# Exponents of the least subnormal, the least normal number and the top binade of what blocks convert to.
_RANGES = {"fp32": (-149, -126, 127), "bf16": (-133, -126, 127), "fp16": (-24, -14, 15)}


def random_batch(config: Config, count: int, rng: Rng) -> dict[str, Any]:
    """About `count` input transfers (whole blocks and whole turns of all contexts) for the unit of `config`."""
    batch = _RANDOM[config["unit"]](config, count, rng)
    return batch | random_scales(config, length(batch), rng) if tensor_scales(config) else batch


def least_transfers(config: Config) -> int:
    """Input transfers from which a random batch has an output to show: a tile's block takes that many sums."""
    return 3 * get_format(config["to"]).block if config["unit"] == "tile" else transfers(config)[0]


def corner_batch(config: Config, rng: Rng) -> dict[str, Any]:
    """Every test point a few times: the directed sums of an accumulator, then what a large draw offers."""
    if config["unit"] in GECKO_MODELS:
        return gecko_corners(config, rng)
    if config["unit"] == "convert":
        return convert_corners(config, rng)
    if config["unit"] == "microexponent_shifter":
        return shifter_corners(config, rng)
    if config["unit"] == "dot_sliced":
        return sliced_corners(config, rng)
    if config["unit"] == "dropback_weight":
        return dropback_corners(config, rng)
    if config["unit"] in FLOAT_MODELS:
        return float_corners(config, rng)
    if config["unit"] == "dot" and config["accumulate"] == "none":
        return stitch([_picked(config, rng), all_codes(config, rng)])
    if config["unit"] == "dequantize":
        return stitch([_picked(config, rng), all_codes(config, rng)])
    if config["unit"] == "quantize":
        picked = stitch([_picked(config, rng), all_values(config, rng)])
        if config.get("random") != "xorshift" or config["rounding"] != "sr":
            return picked
        # Its own words cannot be picked: what they meet takes numbers.
        return stitch([picked, random_batch(config, 12000 // config["lanes"] + 1, rng)])
    # Sums of one block each, in every context; a tile's results also need company that suits them in their block.
    contexts = config.get("contexts", 1)
    alone = {"unit": "dot", "result": "fp32", "accumulate": "none"}
    single = stitch([_picked({**config, **alone}, rng), all_codes({**config, **alone}, rng)])
    parts = [
        grouped(config, scenario_batch(config, rng), rng),
        _marked({k: np.repeat(v, contexts, axis=0) for k, v in single.items()}),
    ]
    if config["unit"] == "tile":
        filler = rows(parts[1], np.arange(-sum(int(p["last"].sum()) for p in parts) % get_format(config["to"]).block))
        parts += [filler, _company(config, rng)]
    batch = stitch(parts)
    if tensor_scales(config):
        scales = corner_scales(config)
        sums = _marked(dot_operands(config, length(scales), rng))
        batch = stitch([batch | random_scales(config, length(batch), rng), sums | scales])
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
        return np.repeat(choice(weights, blocks, rng), block)

    x = element_codes(a, patterns({"positive": 4, "uniform": 2, "single": 2, "zero": 1}), rng)
    y = element_codes(b, patterns({"positive": 3, "uniform": 2, "one": 3}), rng)
    magnitude = y & y.dtype.type((1 << b.element.bits - 1) - 1)
    y[negative] = signed_codes(b, magnitude[negative], True)
    # One in three blocks is louder in its first result, one in its last.
    place, loud = np.arange(blocks * block) % block, np.repeat(rng.integers(0, 3, blocks), block)
    louder = ((loud == 1) & (place == 0)) | ((loud == 2) & (place == block - 1))
    nowhere = np.zeros(blocks * block, bool)
    # Sums of a few products of large elements lie around 1,
    quiet = np.repeat(rng.integers(-3, 4, blocks), block) + 4 * louder - a.element.emax - b.element.emax
    # and one in eight lies where a shared exponent of 8 bits ends.
    low = np.repeat(np.where(rng.random(blocks) < 0.125, -130, 0), block)
    scales = {"a.": quiet, "b.": low}
    pool: dict[str, NDArray[Any]] = {}
    for prefix, fmt, codes in (("a.", a, x), ("b.", b, y)):
        pool[prefix + element_field(fmt)] = codes
        if fmt.microexponents:
            pool[prefix + "microexponent"] = microexponent_codes(fmt, len(codes), rng)
        wanted = np.clip(scales[prefix], fmt.scale.lowest, fmt.scale.highest)
        pool[prefix + "exponent"] = exponent_codes(fmt, wanted, nowhere)
    pool = _marked(pool)
    alone = {**config, "contexts": 1}
    masks = hit_masks(alone, pool, expected(alone, pool))
    found = [np.flatnonzero(hits)[:_HITS] for name, hits in masks.items() if name.startswith("tile: ")]
    picked = np.unique(np.concatenate([*found, [0]]))
    return rows(pool, (picked[:, np.newaxis] * block + np.arange(block)).ravel())


def dot_operands(config: Config, count: int, rng: Rng, where: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """Operands of `count` transfers: pairs of blocks, or of groups of blocks whose exponents mostly lie together."""
    if config.get("mode") != "f25":
        return pairs_of_blocks(config, count, rng, where)
    where = choice(EXPONENTS, count, rng) if where is None else where
    poisoned = where == "poison"
    groups = zip(prefixes(config, "a"), prefixes(config, "b"), strict=True)
    batch: dict[str, NDArray[Any]] = {}
    for a, b in groups:
        kinds = np.where(poisoned & (rng.integers(0, 4, count) > 0), "common", where)
        elsewhere = choice({"common": 3, "uniform": 1}, count, rng)
        pair = pairs_of_blocks(config, count, rng, np.where(rng.random(count) < 0.8, kinds, elsewhere))
        silent = rng.random(count) < 0.3  # its exponent, often the largest, must not count
        pair["a." + element_field(get_format(config["format"]))][silent] = 0
        batch |= {(a if name[0] == "a" else b) + name[2:]: codes for name, codes in pair.items()}
    return batch


def _random_dot(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    if config.get("accumulate") == "none":
        return dot_operands(config, count, rng)
    contexts = config.get("contexts", 1)
    count = -(-count // contexts) * contexts
    # Terms of one sum mostly lie in one range, so that they meet in the adder; a tenth of the sums are long.
    last = rng.random(count) < np.where(rng.random(count) < 0.9, 0.4, 0.1)
    first = rng.random(count) < 0.3
    where = np.repeat(choice(EXPONENTS, -(-count // (8 * contexts)), rng), 8 * contexts)[:count]
    where = np.where(rng.random(count) < 0.7, where, choice(EXPONENTS, count, rng))
    marks = {"first": first.astype(np.uint8), "last": last.astype(np.uint8)}
    return dot_operands(config, count, rng, where) | marks


def _random_dequantize(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    element, scale = fmt.element, fmt.scale
    bottom, normal, top = _RANGES[config["target"]]
    span = element.emax - element.lsb_exponent
    kinds = choice(EXPONENTS, count, rng)
    values = np.select(
        [kinds == "common", kinds == "subnormal", kinds == "overflow", kinds == "lowest", kinds == "highest"],
        [
            rng.integers(-8, 9, count),
            rng.integers(bottom - 2, normal + 2, count) - element.lsb_exponent - rng.integers(0, span + 2, count),
            rng.integers(top - 2, top + 4, count) - element.lsb_exponent - rng.integers(0, span + 2, count),
            np.full(count, scale.lowest),
            np.full(count, scale.highest),
        ],
        rng.integers(scale.lowest, scale.highest + 1, count),
    )
    batch: dict[str, NDArray[Any]] = {
        element_field(fmt): element_codes(fmt, choice(element_patterns(fmt), count, rng), rng),
        "exponent": exponent_codes(fmt, np.clip(values, scale.lowest, scale.highest), kinds == "poison"),
    }
    return batch | ({"microexponent": microexponent_codes(fmt, count, rng)} if fmt.microexponents else {})


def _random_quantize(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    steps, _ = transfers(config)
    blocks = -(-count // steps)
    batch: dict[str, NDArray[Any]] = {"value": float_blocks(config, blocks, rng).reshape(-1, config["lanes"])}
    if config["rounding"] == "sr" and config["random"] == "port":
        words = rng.integers(0, 1 << config["random_bits"], batch["value"].shape, np.uint32)
        ends = rng.random(len(words))[:, np.newaxis]
        words = np.where(ends < 0.1, 0, np.where(ends > 0.9, (1 << config["random_bits"]) - 1, words))
        batch["random"] = words.astype(np.uint32)
    return batch


_RANDOM: dict[str, Callable[[Config, int, Rng], dict[str, Any]]] = {
    "dot": _random_dot,
    "tile": _random_dot,
    "quantize": _random_quantize,
    "dequantize": _random_dequantize,
    "convert": convert_batch,
    "microexponent_shifter": shifter_batch,
    "dropback_weight": dropback_batch,
    "dot_sliced": sliced_batch,
    **dict.fromkeys(FLOAT_MODELS, float_batch),
    **dict.fromkeys(GECKO_MODELS, gecko_batch),
}
