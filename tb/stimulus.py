"""Seeded input batches whose alphabets are the corners: every draw mixes patterns that stress a unit with plain data.

Each transfer picks patterns independently (both operands' mantissas, where the exponents lie), so that corners also
meet each other. `tb.testpoints` counts what was really reached. Nothing here knows expected results.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from tb.models import Batch, Config, expected, length, rows, transfers
from tb.models_gecko import GECKO_MODELS
from tb.patterns import EXPONENTS, MANTISSAS, Rng, choice, exponents, float_blocks, mantissas
from tb.plan import hit_masks
from tb.scenarios import exponent_codes, scenario_batch
from tb.stimulus_gecko import gecko_batch, gecko_corners

__all__ = ["corner_batch", "least_transfers", "random_batch"]


_POOL = 1 << 20  # elements to pick corners from
_HITS = 3  # picks per test point


def random_batch(config: Config, count: int, rng: Rng) -> dict[str, Any]:
    """About `count` input transfers (whole blocks and whole turns of all contexts) for the unit of `config`."""
    return _RANDOM[config["unit"]](config, count, rng)


def least_transfers(config: Config) -> int:
    """Input transfers from which a random batch has an output to show: a tile's block takes that many sums."""
    return 3 * get_format(config["to"]).block if config["unit"] == "tile" else transfers(config)[0]


def corner_batch(config: Config, rng: Rng) -> dict[str, Any]:
    """Every test point a few times: the directed sums of an accumulator, then what a large draw offers."""
    if config["unit"] in GECKO_MODELS:
        return gecko_corners(config, rng)
    if config["unit"] == "dot" and config["accumulate"] == "none":
        return _picked(config, rng)
    if config["unit"] in ("quantize", "dequantize"):
        picked = _picked(config, rng)
        if config.get("random") != "xorshift" or config["rounding"] != "sr":
            return picked
        # Its own words cannot be picked: what they meet takes numbers.
        parts = [picked, random_batch(config, 12000 // config["lanes"] + 1, rng)]
        return {name: np.concatenate([part[name] for part in parts]) for name in picked}
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
        return np.repeat(choice(weights, blocks, rng), block)

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


def dot_operands(config: Config, count: int, rng: Rng, where: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """`count` pairs of blocks; a tenth of them cancel, exactly or but for one product."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    kinds = [choice(MANTISSAS, count, rng) for _ in "ab"]
    where = choice(EXPONENTS, count, rng) if where is None else where
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
    where = np.repeat(choice(EXPONENTS, -(-count // (8 * contexts)), rng), 8 * contexts)[:count]
    where = np.where(rng.random(count) < 0.7, where, choice(EXPONENTS, count, rng))
    marks = {"first": first.astype(np.uint8), "last": last.astype(np.uint8)}
    return dot_operands(config, count, rng, where) | marks


def _random_dequantize(config: Config, count: int, rng: Rng) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    m, scale = fmt.element.mantissa_bits, fmt.scale
    kinds = choice(EXPONENTS, count, rng)
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
    return {"mantissa": mantissas(fmt, choice(MANTISSAS, count, rng), rng), "exponent": codes}


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
    **dict.fromkeys(GECKO_MODELS, gecko_batch),
}
