"""Tensors of the Gecko units as streams: which transfers belong to which tensor, and what a decoder asks for.

A unit's inputs and outputs are dicts of stream name -> batch, as docs/gecko-ports.md names streams and fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.gecko.container import field_bits
from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, Mode, Source
from golden.gecko.rows import Widths, read_metadata
from golden.gecko.values import DTYPES

__all__ = [
    "Batch",
    "Config",
    "Streams",
    "Tensor",
    "asked_steps",
    "group_errors",
    "joined",
    "legal",
    "metadata_bytes",
    "metadata_words",
    "row_bits",
    "tensors",
    "violations",
]

Batch = dict[str, NDArray[Any]]
Streams = Mapping[str, Mapping[str, NDArray[Any]]]
Config = Mapping[str, Any]


class Tensor(NamedTuple):
    """A tensor and the transfers of each input stream that belong to it."""

    d: Descriptor
    inputs: dict[str, Batch]


def joined(parts: Sequence[Streams]) -> dict[str, Batch]:
    """Streams of several tensors end to end."""
    return {
        name: {field: np.concatenate([part[name][field] for part in parts]) for field in parts[0][name]}
        for name in parts[0]
    }


def tensors(config: Config, inputs: Streams) -> Iterator[Tensor]:
    """Cut the input streams of a unit, which begin with a tensor, into its tensors."""
    facts = inputs["tensor"]
    begun = dict.fromkeys(inputs, 0)
    ends = np.flatnonzero(inputs["i"]["last"]) if "last" in inputs.get("i", {}) else None
    for number in range(len(facts["mode"])):
        item = {name: int(codes[number]) for name, codes in facts.items()}
        taken = {"tensor": 1}
        if ends is None:
            d = _descriptor(config, item, item["length"])
            taken["meta"] = d.metadata_bytes // 3
        else:
            taken["i"] = int(ends[number]) + 1 - begun["i"]
            d = _descriptor(config, item, (taken["i"] - 1) * LANES + int(inputs["i"]["count"][ends[number]]))
        if "data" in inputs:
            taken["data"] = item["beats"]
        elif ends is None:
            words = inputs["meta"]["word"][begun["meta"] : begun["meta"] + taken["meta"]]
            taken["i"] = int(asked_steps(d, group_errors(words, d)[0]).sum())
        cut = {name: slice(begun[name], begun[name] + count) for name, count in taken.items()}
        yield Tensor(d, {n: {f: codes[cut[n]] for f, codes in batch.items()} for n, batch in inputs.items()})
        begun = {name: begun[name] + count for name, count in taken.items()}


def _descriptor(config: Config, item: Mapping[str, int], length: int) -> Descriptor:
    container = "source" in config
    return Descriptor(
        source=Source[config["source"].upper()] if container else Source.FP32,
        length=length,
        mode=Mode(item["mode"]),
        exponent_bits=item["ne_minus_1"] + 1,
        mantissa_bits=item["mantissa_bits"] if container else 0,
        bias=item["bias"],
        offset=item["offset"] if container else 0,
        sign_elided=bool(item["sign_elided"]) if container else True,
        zero_mask=bool(item.get("zero_mask", 0)),
    )


def metadata_words(metadata: bytes) -> NDArray[np.uint32]:
    """Metadata bytes -> 24-bit words."""
    packed = np.frombuffer(metadata, np.uint8).reshape(-1, 3).astype(np.uint32)
    return packed[:, 0] | packed[:, 1] << np.uint32(8) | packed[:, 2] << np.uint32(16)


def metadata_bytes(words: NDArray[Any]) -> bytes:
    """24-bit words -> metadata bytes."""
    return np.ascontiguousarray(words.astype("<u4")).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def group_errors(words: NDArray[Any], d: Descriptor) -> tuple[Widths, NDArray[np.bool_]]:
    """What a decoder reads in a tensor's metadata words, and which groups have an illegal field."""
    metadata = metadata_bytes(words)
    widths = read_metadata(metadata, d, d.length)
    wrong = np.zeros(d.groups, np.bool_)
    if widths.error:
        for g in range(d.groups):
            count = min(GROUP, d.length - g * GROUP)
            wrong[g] = read_metadata(metadata[3 * g : 3 * g + 3], replace(d, length=count), count).error
    return widths, wrong


def asked_steps(d: Descriptor, widths: Widths) -> NDArray[np.bool_]:
    """(groups, 9): whether a group has a mask, and which of its rows exist."""
    exists = np.arange(d.groups * ROWS).reshape(-1, ROWS) < d.rows
    return np.concatenate([widths.mask_bits[:, np.newaxis] > 0, exists], axis=1)


def row_bits(d: Descriptor, widths: Widths) -> NDArray[np.int64]:
    """Bits that each row takes in a lane, its group's mask counted with row 0."""
    steps = field_bits(widths.code_bits, d, d.length).astype(np.int64)
    steps[:, 0] += widths.mask_bits
    return steps.reshape(-1)[: d.rows]


def violations(bits: NDArray[Any], d: Descriptor) -> Batch:
    """Which values a tensor's facts rule out: a set sign, an exponent outside the window, a NaN without mantissa."""
    m = d.source.mantissa_bits
    field, fraction = bits >> m & 255, bits & ((1 << m) - 1)
    code = (field.astype(np.int64) - d.offset) % 256
    narrow = d.exponent_bits < 8
    return {
        "sign": (bits >> (m + 8) == 1) & d.sign_elided,
        "window": narrow & (field != 0) & ((code == 0) | (code >= 1 << d.exponent_bits)),
        "nan": (field == 255) & (fraction != 0) & (d.mantissa_bits == 0),
    }


def legal(bits: NDArray[Any], d: Descriptor) -> NDArray[Any]:
    """What a packer stores in place of values that are ruled out: no sign, zero, infinity."""
    m, bad = d.source.mantissa_bits, violations(bits, d)
    bits = np.where(bad["sign"], bits & ((1 << m + 8) - 1), bits)
    bits = np.where(bad["nan"], bits >> m << m, bits)
    return np.where(bad["window"], 0, bits).astype(DTYPES[d.source])
