"""Golden models of the Gecko units: what they answer on every output stream to what came on every input stream.

Codes, widths, beats and values come from `golden.gecko`; this file knows rows, lanes and the marks beside them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.gecko.container import Container, decode, encode, lane_major
from golden.gecko.descriptor import LANES, ROWS, Descriptor
from golden.gecko.rows import code_rows, undo_rows
from golden.gecko.values import DTYPES
from tb.gecko_tensors import (
    Batch,
    Config,
    Streams,
    Tensor,
    asked_steps,
    group_errors,
    joined,
    legal,
    metadata_bytes,
    metadata_words,
    row_bits,
    tensors,
    violations,
)

__all__ = ["GECKO_MODELS"]


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
    out["error"] = np.zeros(len(is_mask), np.uint8)  # of a tensor that no descriptor may state; these are legal
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
    status["tensor_error"] = np.zeros(1, np.uint8)  # a Descriptor is legal
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
