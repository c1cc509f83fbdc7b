"""Packing: fields of fixed width, LSB first, into the bytes of a little-endian memory image (formats.md 0.9)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_fields", "unpack_fields"]


def pack_fields(fields: Sequence[tuple[NDArray[np.unsignedinteger], int]]) -> NDArray[np.uint8]:
    """Bytes (..., ceil(bits / 8)) of groups of fields: each group an array (..., n) of unsigned values and their width.

    The first field of the first group takes the lowest bits; zero bits fill the last byte. Widths are 1..16, values
    below 2^width.
    """
    columns = []
    for values, width in fields:
        image = np.ascontiguousarray(values, "<u2")[..., np.newaxis].view(np.uint8)
        bits = np.unpackbits(image, axis=-1, count=width, bitorder="little")
        columns.append(bits.reshape(*values.shape[:-1], -1))
    return np.packbits(np.concatenate(columns, axis=-1), axis=-1, bitorder="little")


def unpack_fields(image: NDArray[np.uint8], groups: Sequence[tuple[int, int]]) -> list[NDArray[np.uint16]]:
    """Undo `pack_fields` for groups of (n, width): one array (..., n) per group; fill bits are ignored."""
    bits = np.unpackbits(image, axis=-1, bitorder="little")
    fields, start = [], 0
    for count, width in groups:
        columns = bits[..., start : start + count * width].reshape(*image.shape[:-1], count, width)
        fields.append(np.packbits(_widened(columns), axis=-1, bitorder="little").view("<u2")[..., 0].astype(np.uint16))
        start += count * width
    return fields


def _widened(columns: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bits of each field with zeros on top, sixteen in all."""
    return np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, 16 - columns.shape[-1])])
