"""Unit name -> golden model: what a unit answers to a whole batch of transfers, counted from its reset.

`expected` serves the cocotb bench, bulk simulation and gate-level netlists alike. Nothing is computed here: every bit
comes from `golden`; this file and its siblings only know which transfers belong together. Batches: batches.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.blocks import BlockArray, quantize
from golden.catalog import get_format
from golden.formats import BlockFormat
from golden.units import relu
from golden.words import lane_words
from tb.batches import (
    Batch,
    Config,
    as_blocks,
    block_fields,
    chunked,
    flushes,
    length,
    stitch,
    to_code,
    to_float,
)
from tb.convert import convert_model
from tb.dropback import dropback_model
from tb.models_dot import accumulated, dot_model
from tb.models_floats import FLOAT_MODELS
from tb.models_gecko import GECKO_MODELS
from tb.shifter import shifter_model
from tb.sliced import sliced_model

__all__ = [
    "MODELS",
    "by_stream",
    "completing",
    "expected",
    "random_words",
    "transfers",
]

Model = Callable[[Config, Any], dict[str, Any]]


def expected(config: Config, inputs: Any) -> dict[str, Any]:
    """Output transfers of a unit that takes these input transfers right after reset; see `by_stream`."""
    return MODELS[config["unit"]](config, inputs)


def by_stream(streams: Sequence[str], batch: Mapping[str, Any]) -> dict[str, Batch]:
    """Batches by stream name: a unit with one stream in and one out has just the batch, the Gecko units have these."""
    return dict(batch) if isinstance(next(iter(batch.values())), Mapping) else {streams[0]: batch}


def transfers(config: Config) -> tuple[int, int]:
    """(input, output) transfers that make one block in a converter: 1 and 1 unless it takes or gives lanes."""
    if "lanes" not in config:
        return 1, 1
    steps = get_format(config["format"]).block // config["lanes"]
    return (steps, 1) if config["unit"] == "quantize" else (1, steps)


def completing(config: Config, inputs: Batch) -> NDArray[np.int64]:
    """Index of the input transfer that completes each output transfer: the one that its latency counts from."""
    n = np.arange(length(inputs))
    match config["unit"]:
        case "quantize":
            steps, _ = transfers(config)
            return n[steps - 1 :: steps]
        case "dequantize":
            return np.repeat(n, transfers(config)[1])
        case "tile":
            block = get_format(config["to"]).block
            return n[inputs["last"] == 1][block - 1 :: block]
    sums = config["unit"] == "dot_sliced" or config.get("accumulate", "none") != "none"
    return n[inputs["last"] == 1] if sums else n


def _quantize(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    values = inputs["value"].reshape(-1, fmt.block)
    batch: dict[str, NDArray[Any]] = {"value": values}
    if config["rounding"] == "sr":
        batch["random"] = random_words(config, inputs, values.shape, config["lanes"])
    parts = []
    for chunk in chunked(batch, fmt.block):
        blocks = _to_blocks(config, fmt, to_float(chunk["value"], config["source"]), chunk.get("random"))
        parts.append(block_fields(blocks))
    return stitch(parts)


def random_words(config: Config, inputs: Batch, shape: tuple[int, int], lanes: int) -> NDArray[Any]:
    """One word per element of (blocks, block) values: from the port, or from the unit's own generator since reset."""
    if config.get("random") == "port":
        return inputs["random"].reshape(shape)
    return lane_words(*shape, lanes, config["random_bits"], config["seed"])


def _to_blocks(config: Config, fmt: BlockFormat, values: NDArray[np.float32], random: Any) -> BlockArray:
    given = {"random": random, "random_bits": config["random_bits"]} if config["rounding"] == "sr" else {}
    given |= {"rounding": config["rounding"], "scale_rule": config["scale_rule"], "flush_subnormals": flushes(config)}
    return quantize(values, fmt, **given)


def _dequantize(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    target = config["target"]
    parts = [
        {"value": to_code(as_blocks(fmt, chunk).dequantize(target), target)} for chunk in chunked(inputs, fmt.block)
    ]
    return {"value": stitch(parts)["value"].reshape(-1, config["lanes"])}


def _tile(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["to"])
    sums = accumulated(config, inputs)[inputs["last"] == 1]
    values = sums[: len(sums) // fmt.block * fmt.block].reshape(-1, fmt.block)
    if config["activation"] == "relu":
        values = relu(values)
    random = random_words(config, inputs, values.shape, lanes=1) if config["rounding"] == "sr" else None
    return block_fields(_to_blocks(config, fmt, values, random))


MODELS: dict[str, Model] = {
    "dot": dot_model,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "convert": convert_model,
    "tile": _tile,
    "microexponent_shifter": shifter_model,
    "dropback_weight": dropback_model,
    "dot_sliced": sliced_model,
    **FLOAT_MODELS,
    **GECKO_MODELS,
}
