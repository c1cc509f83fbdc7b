"""Input streams of the Gecko units: tensors of every mode and width, ragged and empty, legal and corrupt.

`tb.points_gecko` counts what was reached.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.gecko.container import encode
from golden.gecko.descriptor import LANES, Descriptor, Mode
from golden.gecko.values import DTYPES
from tb.gecko_draw import Rng, damaged, noise, random_descriptor, random_values
from tb.gecko_facts import GeckoView
from tb.gecko_tensors import Batch, Config, asked_steps, group_errors, joined, legal, metadata_words
from tb.models_gecko import GECKO_MODELS
from tb.points_gecko import gecko_points
from tb.testpoints import mask

__all__ = ["gecko_batch", "gecko_corners", "long_tensor", "random_tensor", "tensor_streams"]

_POOL = 600  # tensors to pick corners from


def gecko_batch(config: Config, count: int, rng: Rng) -> dict[str, Batch]:
    """Input streams of about `count` rows of random tensors."""
    parts, rows = [], 0
    while rows < count:
        d, part = random_tensor(config, rng)
        parts.append(part)
        rows += max(d.rows, 1)
    return joined(parts + _starved(config, rng))


def _starved(config: Config, rng: Rng) -> list[dict[str, Batch]]:
    """For an unpacker, a last tensor without beats: none of another tensor's come that it could mistake for its own."""
    if config["unit"] != "container_unpack":
        return []
    d = replace(random_descriptor(config, rng), length=70, mode=Mode.RAW, zero_mask=False)
    part = tensor_streams(config, d, random_values(config, d, rng), rng, corrupt=0)
    return [
        part
        | {"tensor": part["tensor"] | {"beats": np.zeros(1, np.uint64)}, "data": {"word": part["data"]["word"][:0]}}
    ]


def random_tensor(config: Config, rng: Rng) -> tuple[Descriptor, dict[str, Batch]]:
    """A tensor and its input streams."""
    d = random_descriptor(config, rng)
    values = random_values(config, d, rng)
    if "source" in config and d.mode is Mode.FIXED and rng.random() < 0.1:
        # Nothing but copies of b: no bits at all.
        d = replace(d, mantissa_bits=0, sign_elided=True, zero_mask=False, length=d.length + 1)
        field = d.bias if d.exponent_bits == 8 else (d.bias + d.offset) % 256 * (d.bias > 0)
        values = np.full(d.length, field << d.source.mantissa_bits, DTYPES[d.source])
    return d, tensor_streams(config, d, values, rng)


def long_tensor(config: Config, length: int, rng: Rng) -> dict[str, Batch]:
    """One long tensor like those of training: Gaussian, or half zeros, or drifting in scale; any mode, wm and mask."""
    d = random_descriptor(config, rng)
    while d.exponent_bits < 8:
        d = random_descriptor(config, rng)
    d = replace(d, length=length, bias=int(rng.integers(118, 128)))
    x = rng.standard_normal(length, np.float32)
    match rng.integers(0, 3):
        case 0:
            x = np.maximum(x, 0)
        case 1:
            drift = np.cumsum(rng.integers(-1, 2, length // 64 + 1)) % 24  # one step a group
            x *= np.exp2(drift.repeat(64)[:length] - 12).astype(np.float32)
    bits = x.view(np.uint32) >> (32 - d.source.bits)
    if "source" not in config:
        return tensor_streams(config, d, (x.view(np.uint32) >> 23 & 255).astype(np.uint8), rng, corrupt=0)
    return tensor_streams(config, d, legal(bits.astype(DTYPES[d.source]), d), rng, corrupt=0)


def gecko_corners(config: Config, rng: Rng) -> dict[str, Batch]:
    """Two tensors for each test point, in random order, each tensor once."""
    pool = [random_tensor(config, rng)[1] for _ in range(_POOL)]
    view = GeckoView(config, joined(pool), {})
    found = [np.flatnonzero(mask(point, view))[:2] for point in gecko_points(config)]
    return joined([pool[k] for k in rng.permutation(np.unique(np.concatenate(found)))] + _starved(config, rng))


def tensor_streams(
    config: Config, d: Descriptor, values: NDArray[Any], rng: Rng, *, corrupt: float = 0.3, late: bool = True
) -> dict[str, Batch]:
    """What carries one tensor into a unit; a decoder's is coded first, and then damaged with the chance `corrupt`.

    With `late`, the end of a full last row may come in a row of its own.
    """
    if config["unit"] in ("gecko_encoder", "container_pack"):
        return {"tensor": _facts(config, d), "i": _rows(config, d, values, rng, late)}
    return (_coded if config["unit"] == "gecko_decoder" else _packed)(config, d, values, rng, rng.random() < corrupt)


def _facts(config: Config, d: Descriptor, beats: int = 0) -> Batch:
    """The item of the `tensor` stream."""
    decodes, container = config["unit"] in ("gecko_decoder", "container_unpack"), "source" in config
    item = {"length": d.length} if decodes else {}
    item |= {"beats": beats} if decodes and container else {}
    item |= {"ne_minus_1": d.exponent_bits - 1, "mode": int(d.mode), "bias": d.bias}
    if container:
        item |= {"mantissa_bits": d.mantissa_bits, "sign_elided": int(d.sign_elided), "offset": d.offset}
    if config["zero_mask"] == "on":
        item |= {"zero_mask": int(d.zero_mask)}
    return {name: np.array([value], np.uint64) for name, value in item.items()}


def _rows(config: Config, d: Descriptor, values: NDArray[Any], rng: Rng, late: bool) -> Batch:
    """Rows of values with noise in missing lanes; sometimes a full last row, and its end in a row of its own."""
    container = config["unit"] == "container_pack"
    late = d.length == 0 or (late and d.length % LANES == 0 and rng.random() < 0.3)
    rows = d.rows + late
    laid = noise(rng, (rows * LANES,), d.source.bits if container else 8).astype(values.dtype)
    # Bits that an exponent code does not have are not looked at.
    above = 8 if container else d.exponent_bits
    laid[: d.length] = values if above == 8 else values | laid[: d.length] >> above << above
    part: Batch = {"value" if container else "exponent": laid.reshape(-1, LANES)}
    part["count"] = rng.integers(0, 16, rows).astype(np.uint8)
    part["last"] = np.zeros(rows, np.uint8)
    part["count"][-1], part["last"][-1] = 0 if late else d.length - (d.rows - 1) * LANES, 1
    if config.get("tail"):
        part["tail"] = noise(rng, (rows, LANES), config["tail"])
    return part


def _coded(config: Config, d: Descriptor, values: NDArray[Any], rng: Rng, corrupt: bool) -> dict[str, Batch]:
    """Row codes and metadata of the golden encoder; or random ones, as many rows as their metadata ask for."""
    encoder = {**config, "unit": "gecko_encoder", "tail": 0}
    made = GECKO_MODELS["gecko_encoder"](encoder, tensor_streams(encoder, d, values, rng))
    exists = made["o"]["count"] > 0
    code, width, word = made["o"]["code"][exists], made["o"]["width"][exists], made["meta"]["word"]
    # Bits above a code's width are not looked at.
    code = code | (noise(rng, code.shape, 8) >> width[:, np.newaxis] << width[:, np.newaxis]).astype(np.uint8)
    if corrupt:
        word = damaged(word, d, rng)
        steps = asked_steps(d, group_errors(word, d)[0])
        code = noise(rng, (int(steps.sum()), LANES), 8).astype(np.uint8)
        code = np.where(rng.random(code.shape) < 0.2, np.uint8(1), code)
    i: Batch = {"code": code}
    if config["tail"]:
        i["tail"] = noise(rng, code.shape, config["tail"])
    return {"tensor": _facts(config, d), "meta": {"word": word}, "i": i}


def _packed(config: Config, d: Descriptor, values: NDArray[Any], rng: Rng, corrupt: bool) -> dict[str, Batch]:
    """Beats and metadata of the golden packer; or damaged metadata, missing, surplus or random beats."""
    container = encode(legal(values, d), d)
    word, beats = metadata_words(container.metadata), container.data
    if corrupt:
        word = damaged(word, d, rng)
        match rng.integers(0, 4) if d.length else 1:
            case 0:
                beats = beats[: rng.integers(0, len(beats) + 1)]
            case 1:
                surplus = noise(rng, (int(rng.integers(1, 12)), LANES), d.source.bits)
                beats = np.concatenate([beats, surplus.astype(beats.dtype)])
            case 2:
                beats = noise(rng, beats.shape, d.source.bits).astype(beats.dtype)
    return {"tensor": _facts(config, d, len(beats)), "meta": {"word": word}, "data": {"word": beats}}
