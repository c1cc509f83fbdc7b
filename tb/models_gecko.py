"""Golden models of the Gecko units: what they answer on every output stream to what came on every input stream.

Inputs and outputs are dicts of stream name -> batch, as docs/gecko-ports.md names streams and fields. Codes, widths,
beats and values come from `golden.gecko`; this file knows which transfers belong to which tensor, row and lane.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.gecko.container import Container, decode, encode, field_bits, lane_major
from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, Mode, Source
from golden.gecko.rows import Widths, code_rows, read_metadata, undo_rows
from golden.gecko.values import DTYPES

__all__ = [
    "GECKO_MODELS",
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


def _in_rows(flat: NDArray[Any], d: Descriptor, rows: int) -> NDArray[Any]:
    """The first `d.length` values as `rows` rows, zeros in the lanes that are left."""
    laid = np.zeros(rows * LANES, flat.dtype)
    laid[: d.length] = flat[: d.length]
    return laid.reshape(rows, LANES)


def _encoder(config: Config, tensor: Tensor) -> dict[str, Batch]:
    d, rows = tensor.d, tensor.inputs["i"]
    codes = rows["exponent"].reshape(-1)[: d.length] & np.uint8((1 << d.exponent_bits) - 1)
    coder = code_rows(lane_major(codes), d, d.length)
    steps = np.zeros((d.groups, ROWS + 1), np.bool_)
    steps[:, 0] = coder.mask_bits > 0
    steps[:, 1:] = np.arange(d.groups * ROWS).reshape(-1, ROWS) < d.rows
    code, width = np.zeros((*steps.shape, LANES), np.uint8), np.full(steps.shape, ROWS, np.uint8)
    code[:, 1:], width[:, 1:] = coder.codes.transpose(1, 2, 0), coder.code_bits
    if d.zero_mask:
        code[:, 0] = coder.masks.T
    # An end without a row is a step of its own.
    late = len(rows["last"]) - d.rows
    is_mask = np.append(np.nonzero(steps)[1] == 0, np.zeros(late, np.bool_))
    out = {
        "code": np.concatenate([code[steps], np.zeros((late, LANES), np.uint8)]),
        "width": np.append(width[steps], np.zeros(late, np.uint8)),
        "count": np.full(len(is_mask), LANES, np.uint8),
        "last": np.zeros(len(is_mask), np.uint8),
    }
    out["last"][-1], out["count"][-1] = 1, rows["count"][-1]
    if config["tail"]:
        out["tail"] = np.zeros((len(is_mask), LANES), rows["tail"].dtype)
        out["tail"][~is_mask] = _in_rows(rows["tail"].reshape(-1), d, len(rows["last"]))
    if config["zero_mask"] == "on":
        out["mask"] = is_mask.astype(np.uint8)
    words = (coder.fields.astype(np.uint32) << 3 * np.arange(ROWS, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    return {"o": out, "meta": {"word": words[: d.metadata_bytes // 3]}}


def _decoded(d: Descriptor, error: NDArray[np.bool_]) -> Batch:
    """`count`, `last`, `error` of a decoder's rows; an empty tensor is one row."""
    count, last = np.full(len(error), LANES, np.uint8), np.zeros(len(error), np.uint8)
    count[-1], last[-1] = d.length - (len(error) - 1) * LANES, 1
    return {"count": count, "last": last, "error": np.logical_or.accumulate(error).astype(np.uint8)}


def _row_errors(d: Descriptor, wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.repeat(wrong, ROWS)[: d.rows] if d.rows else np.zeros(1, np.bool_)


def _decoder(config: Config, tensor: Tensor) -> dict[str, Batch]:
    d, given = tensor.d, tensor.inputs["i"]
    widths, wrong = group_errors(tensor.inputs["meta"]["word"], d)
    steps = asked_steps(d, widths)
    laid = np.zeros((*steps.shape, LANES), np.uint8)
    laid[steps] = given["code"]
    within = ((1 << widths.code_bits.astype(np.uint16)) - 1).astype(np.uint8)
    masks = laid[:, 0].T if d.zero_mask else np.zeros((LANES, 0), np.uint8)
    masks = np.where(widths.mask_bits > 0, masks, np.uint8(0)) if d.zero_mask else masks
    codes = np.ascontiguousarray((laid[:, 1:] & within[:, :, np.newaxis]).transpose(2, 0, 1))
    out = _decoded(d, _row_errors(d, wrong))
    exponents = undo_rows(codes, d, masks).transpose(1, 2, 0).reshape(-1)
    out["exponent"] = _in_rows(exponents, d, len(out["last"]))
    if config["tail"]:
        is_row = np.nonzero(steps)[1] > 0
        out["tail"] = _in_rows(given["tail"][is_row].reshape(-1), d, len(out["last"]))
    return {"o": out}


def _pack(config: Config, tensor: Tensor) -> dict[str, Batch]:
    d = tensor.d
    bits = tensor.inputs["i"]["value"].reshape(-1)[: d.length].astype(DTYPES[d.source])
    container, bad = encode(legal(bits, d), d), violations(bits, d)
    status = {f"{name}_error": np.array([bad[name].any()], np.uint8) for name in ("sign", "window", "nan")}
    return {
        "data": {"word": container.data},
        "meta": {"word": metadata_words(container.metadata)},
        "status": {"beats": np.array([len(container.data)], np.uint64), **status},
    }


def _unpack(config: Config, tensor: Tensor) -> dict[str, Batch]:
    d, words, beats = tensor.d, tensor.inputs["meta"]["word"], tensor.inputs["data"]["word"]
    decoded = decode(Container(d, beats.astype(DTYPES[d.source]), metadata_bytes(words)))
    widths, wrong = group_errors(words, d)
    error = _row_errors(d, wrong)
    error[: d.rows] |= np.cumsum(row_bits(d, widths)) > len(beats) * d.source.bits
    error[-1] |= decoded.beats < len(beats)
    out = _decoded(d, error)
    return {"o": out | {"value": _in_rows(decoded.bits, d, len(error))}}


def _batch(model: Callable[[Config, Tensor], dict[str, Batch]]) -> Callable[[Config, Streams], dict[str, Batch]]:
    return lambda config, inputs: joined([model(config, tensor) for tensor in tensors(config, inputs)])


GECKO_MODELS: dict[str, Callable[[Config, Streams], dict[str, Batch]]] = {
    "gecko_encoder": _batch(_encoder),
    "gecko_decoder": _batch(_decoder),
    "container_pack": _batch(_pack),
    "container_unpack": _batch(_unpack),
}
