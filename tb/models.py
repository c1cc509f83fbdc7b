"""Unit name -> golden model: what a unit answers to a whole batch of transfers, counted from its reset.

A batch is a dict of base field name (manifest.py) -> unsigned codes, (n, N) for array fields, (n,) for scalars, in
stream order. `expected` serves the cocotb bench, bulk simulation and gate-level netlists alike. Nothing is computed
here: every bit comes from `golden`; this file only knows which transfers belong together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.blocks import BlockArray, quantize
from golden.catalog import get_format
from golden.formats import BlockFormat
from golden.products import block_dot, block_sums, fused_add
from golden.rounding import canonical_nan
from golden.units import relu
from golden.words import lane_words
from tb.models_gecko import GECKO_MODELS

__all__ = [
    "MODELS",
    "Batch",
    "Config",
    "as_blocks",
    "by_stream",
    "completing",
    "expected",
    "length",
    "rows",
    "to_float",
    "transfers",
]

Batch = Mapping[str, NDArray[Any]]
Config = Mapping[str, Any]
Model = Callable[[Config, Any], dict[str, Any]]

_CHUNK = 1 << 22  # elements handled at once: int64 temporaries of 32 MiB, whatever the size of the batch


def expected(config: Config, inputs: Any) -> dict[str, Any]:
    """Output transfers of a unit that takes these input transfers right after reset; see `by_stream`."""
    return MODELS[config["unit"]](config, inputs)


def by_stream(streams: Sequence[str], batch: Mapping[str, Any]) -> dict[str, Batch]:
    """Batches by stream name: a unit with one stream in and one out has just the batch, the Gecko units have these."""
    return dict(batch) if isinstance(next(iter(batch.values())), Mapping) else {streams[0]: batch}


def length(batch: Batch) -> int:
    """Number of transfers in a batch."""
    return len(next(iter(batch.values())))


def rows(batch: Batch, index: Any) -> dict[str, NDArray[Any]]:
    """The transfers that `index` (a slice, an index or mask array) selects."""
    return {name: values[index] for name, values in batch.items()}


def to_float(codes: NDArray[Any], source: str) -> NDArray[np.float32]:
    """FP32, BF16 or FP16 codes as the float32 values they mean, all of them exact."""
    if source == "fp16":
        return codes.astype(np.uint16).view(np.float16).astype(np.float32)
    return (codes.astype(np.uint32) << (16 if source == "bf16" else 0)).view(np.float32)


def to_code(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """FP32 bit patterns."""
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


def as_blocks(fmt: BlockFormat, batch: Batch, operand: str = "") -> BlockArray:
    """(n, 1) blocks from the fields of a block, each with the prefix `operand` ("a.", "b.").

    The elements' field is `mantissa`, or `element` of a minifloat format; `microexponent` is there for two levels.
    """
    codes = batch[operand + ("element" if fmt.element.is_float else "mantissa")]
    shared = batch[operand + "microexponent"][:, np.newaxis, :] if fmt.microexponents else None
    return BlockArray.from_codes(
        fmt, codes[:, np.newaxis, :], batch[operand + "exponent"][:, np.newaxis], microexponents=shared
    )


def operands(config: Config, batch: Batch) -> tuple[BlockArray, BlockArray]:
    """Both operands of a dot product."""
    return (
        as_blocks(get_format(config["format"]), batch, "a."),
        as_blocks(get_format(config["format_b"]), batch, "b."),
    )


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
    return n if config["accumulate"] == "none" else n[inputs["last"] == 1]


def _chunked(batch: Batch, width: int) -> Iterator[dict[str, NDArray[Any]]]:
    step = max(1, _CHUNK // width)
    for start in range(0, length(batch), step):
        yield rows(batch, slice(start, start + step))


def _stitch(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _block_results(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    """Per transfer: FP32 block result, and the bare integer sum, its exponent and poison."""
    parts = []
    for chunk in _chunked(inputs, get_format(config["format"]).block):
        a, b = operands(config, chunk)
        sums, exponents, poison = (column[:, 0] for column in block_sums(a, b))
        parts.append({"value": block_dot(a, b)[:, 0], "sum": sums, "exponent": exponents, "poison": poison})
    return _stitch(parts)


def accumulated(config: Config, inputs: Batch) -> NDArray[np.float32]:
    """Accumulator after every transfer: FP32 (RNE after each block), in the contexts' own order.

    A context's transfers are cut into runs that begin at +0 (`first`, or the reset); step k of all runs is one
    vectorised addition.
    """
    results, contexts = _block_results(config, inputs), config["contexts"]
    n = np.arange(length(inputs))
    order = np.lexsort((n, n % contexts))  # context by context, each in its own order
    begins = (inputs["first"][order] == 1) | (n[order] < contexts)
    run = np.cumsum(begins) - 1
    step = np.arange(len(n)) - np.flatnonzero(begins)[run]
    sums = np.zeros(run[-1] + 1, np.float32)
    after = np.empty(len(n), np.float32)
    by_step = np.argsort(step, kind="stable")
    for group in np.split(by_step, np.cumsum(np.bincount(step))[:-1]):
        term = rows(results, order[group])
        sums[run[group]] = after[order[group]] = _add(config["accumulate"], sums[run[group]], term)
    return after


def _add(mode: str, accumulator: NDArray[np.float32], term: Batch) -> NDArray[np.float32]:
    if mode == "fused":
        return fused_add(accumulator, term["sum"], term["exponent"], term["poison"])
    with np.errstate(over="ignore", invalid="ignore"):
        return canonical_nan(accumulator + term["value"])


def _dot(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    if config["accumulate"] != "none":
        return {"value": to_code(accumulated(config, inputs)[inputs["last"] == 1])}
    results = _block_results(config, inputs)
    if config["result"] == "fp32":
        return {"value": to_code(results["value"])}
    sum_bits, exponent_bits = fixed_widths(config)
    return {
        "sum": _twos_complement(results["sum"], sum_bits),
        "exponent": _twos_complement(results["exponent"], exponent_bits),
        "poison": results["poison"].astype(np.uint8),
    }


def fixed_widths(config: Config) -> tuple[int, int]:
    """Bits of the fixed-point result's sum (formats.md 1.6) and of the exponent of its LSB."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    m = a.element.mantissa_bits + b.element.mantissa_bits
    lowest, highest = a.scale.lowest + b.scale.lowest - m, a.scale.highest + b.scale.highest - m
    return m + (a.block - 1).bit_length() + 1, max((~lowest).bit_length(), highest.bit_length()) + 1


def _twos_complement(values: NDArray[np.int64], width: int) -> NDArray[np.uint64]:
    if not -(1 << width - 1) <= values.min() <= values.max() < 1 << width - 1:
        raise OverflowError(f"{values.min()}..{values.max()} leaves {width} bits: the documented width is too small")
    return values.astype(np.uint64) & np.uint64((1 << width) - 1)


def _quantize(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    values = inputs["value"].reshape(-1, fmt.block)
    batch: dict[str, NDArray[Any]] = {"value": values}
    if config["rounding"] == "sr":
        batch["random"] = random_words(config, inputs, values.shape, config["lanes"])
    parts = []
    for chunk in _chunked(batch, fmt.block):
        blocks = _to_blocks(config, fmt, to_float(chunk["value"], config["source"]), chunk.get("random"))
        parts.append({"mantissa": blocks.codes[:, 0], "exponent": blocks.scales[:, 0]})
    return _stitch(parts)


def random_words(config: Config, inputs: Batch, shape: tuple[int, int], lanes: int) -> NDArray[Any]:
    """One word per element of (blocks, block) values: from the port, or from the unit's own generator since reset."""
    if config.get("random") == "port":
        return inputs["random"].reshape(shape)
    return lane_words(*shape, lanes, config["random_bits"], config["seed"])


def _to_blocks(config: Config, fmt: BlockFormat, values: NDArray[np.float32], random: Any) -> BlockArray:
    stochastic = {"random": random, "random_bits": config["random_bits"]} if config["rounding"] == "sr" else {}
    return quantize(values, fmt, rounding=config["rounding"], scale_rule=config["scale_rule"], **stochastic)


def _dequantize(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["format"])
    parts = [{"value": to_code(as_blocks(fmt, chunk).dequantize())} for chunk in _chunked(inputs, fmt.block)]
    return {"value": _stitch(parts)["value"].reshape(-1, config["lanes"])}


def _tile(config: Config, inputs: Batch) -> dict[str, NDArray[Any]]:
    fmt = get_format(config["to"])
    sums = accumulated(config, inputs)[inputs["last"] == 1]
    values = sums[: len(sums) // fmt.block * fmt.block].reshape(-1, fmt.block)
    if config["activation"] == "relu":
        values = relu(values)
    random = random_words(config, inputs, values.shape, lanes=1) if config["rounding"] == "sr" else None
    blocks = _to_blocks(config, fmt, values, random)
    return {"mantissa": blocks.codes[:, 0], "exponent": blocks.scales[:, 0]}


MODELS: dict[str, Model] = {
    "dot": _dot,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "tile": _tile,
    **GECKO_MODELS,
}
