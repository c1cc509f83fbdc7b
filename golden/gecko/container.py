"""Whole tensors: bit patterns <-> data beats and metadata bytes (gecko.md 4), exactly as the hardware streams them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, GeckoError, Mode
from golden.gecko.lanes import beats_of, merge, pack, separate, unpack, words_of
from golden.gecko.rows import code_rows, read_metadata, undo_rows, write_metadata
from golden.gecko.values import DTYPES, join, split

__all__ = ["Container", "Decoded", "chunks", "decode", "encode", "field_bits", "lane_major"]

_CHUNK = 512 * GROUP  # values at a time: the working arrays of a chunk stay in the second-level cache


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """A coded tensor: `data` (beats, 8) little-endian uint16 (BF16) or uint32 (FP32) words, lane 0 first; metadata."""

    descriptor: Descriptor
    data: np.ndarray
    metadata: bytes


class Decoded(NamedTuple):
    """What a decoder makes of a container: flat bit patterns, its sticky error flag, the beats that it asked for."""

    bits: np.ndarray
    error: bool
    beats: int


def lane_major(flat: np.ndarray) -> np.ndarray:
    """Values in arrival order -> (8 lanes, groups, 8 rows), zeros for what a short last group lacks."""
    groups = -(-flat.size // GROUP)
    if flat.size < groups * GROUP:
        flat = np.concatenate([flat, np.zeros(groups * GROUP - flat.size, flat.dtype)])
    return np.ascontiguousarray(flat.reshape(groups * ROWS, LANES).T).reshape(LANES, groups, ROWS)


def chunks(flat: np.ndarray) -> Iterator[np.ndarray]:
    """Values in arrival order, some whole groups at a time (the last chunk may end in a short group)."""
    return (flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK))


def encode(bits: np.ndarray, d: Descriptor) -> Container:
    """Code flat bit patterns (uint16 for BF16, uint32 for FP32) under a descriptor; `GeckoError` where it cannot.

    Mantissas are cut to wm bits by truncation; with wm = M and ne = 8 the code is lossless. See `values.split` for the
    values that a descriptor refuses.
    """
    bits = np.asarray(bits)
    if bits.dtype != DTYPES[d.source] or bits.shape != (d.length,):
        raise GeckoError(f"bits {bits.dtype}{bits.shape}: {DTYPES[d.source]}({d.length},) by the descriptor")
    # A field is at most one beat word wide (gecko.md 7), and a masked group adds 8 bits.
    most = d.rows * d.source.bits + 8 * d.groups
    words = np.zeros((LANES, most // 64 + 2), np.uint64)
    metadata, position = [], 0
    for part in chunks(bits):
        codes, tails = split(part, d)
        rows = code_rows(lane_major(codes), d, codes.size)
        fields = rows.codes.astype(tails.dtype)
        fields <<= d.tail_bits
        fields |= lane_major(tails)
        fields, widths = merge(fields, field_bits(rows.code_bits, d, codes.size))
        if d.zero_mask:
            fields = np.concatenate([rows.masks[:, :, None].astype(np.uint64), fields], axis=2)
            widths = np.concatenate([rows.mask_bits[:, None], widths], axis=1)
        position = pack(fields.reshape(LANES, -1), widths.ravel(), words, position)
        metadata.append(write_metadata(rows.fields))
    return Container(d, beats_of(words, position, d.source), b"" if d.mode is Mode.RAW else b"".join(metadata))


def decode(container: Container) -> Decoded:
    """Decode as the hardware does: never stop, flag illegal metadata, go on with the values of gecko.md 3.

    Beats that the widths ask for and that are not there read as zero; beats beyond are not read. `Decoded.beats` tells
    either case from a whole container; the flag speaks of metadata only. The length of the metadata follows from the
    descriptor: `GeckoError` if it differs.
    """
    d = container.descriptor
    if len(container.metadata) != d.metadata_bytes:
        raise GeckoError(f"metadata of {len(container.metadata)} bytes: {d.metadata_bytes} by the descriptor")
    out = np.empty(d.length, DTYPES[d.source])
    code_bits, mask_bits, error = read_metadata(container.metadata, d, d.length)
    widths = field_bits(code_bits, d, d.length)
    lane_bits = int(widths.sum(dtype=np.int64)) + int(mask_bits.sum(dtype=np.int64))
    words, position = words_of(container.data, lane_bits), 0
    for start in range(0, d.length, _CHUNK):
        chunk = slice(start // GROUP, (start + _CHUNK) // GROUP)
        part, masked = widths[chunk], mask_bits[chunk]
        merged = part.reshape(len(part), -1, 64 // d.source.bits).sum(axis=2, dtype=np.uint8)
        takes = np.concatenate([masked[:, None], merged], axis=1) if d.zero_mask else merged
        taken, position = unpack(words, takes.ravel(), position)
        taken = taken.reshape(LANES, len(part), -1)
        masks = np.zeros((LANES, 0), np.uint8)
        if d.zero_mask:
            masks = np.where(masked, taken[:, :, 0].astype(np.uint8), np.uint8(0))
            taken = taken[:, :, 1:]
        fields = separate(taken, part, DTYPES[d.source])
        codes = undo_rows((fields >> d.tail_bits).astype(np.uint8), d, masks)
        fields &= (1 << d.tail_bits) - 1
        values = join(codes, fields, d).reshape(LANES, -1).T.reshape(-1)
        out[start : start + _CHUNK] = values[: d.length - start]
    return Decoded(out, error, -(-lane_bits // d.source.bits))


def field_bits(code_bits: np.ndarray, d: Descriptor, count: int) -> np.ndarray:
    """Widths of whole value fields (groups, 8): exponent code and tail, 0 for rows past `count` values."""
    widths = code_bits + np.uint8(d.tail_bits)
    widths.reshape(-1)[-(-count // LANES) :] = 0
    return widths
