"""The row code: exponent codes <-> width fields and lane codes, for many groups at once (gecko.md 2, 3, 5).

Arrays are lane-major, (8 lanes, groups, 8 rows), so that sums over lanes and shifts along rows run on long vectors.
`d` is a difference modulo 2^ne in -H..H-1 with H = 2^(ne-1); it is held in an int8, because ne <= 8.
"""

from typing import NamedTuple

import numpy as np

from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, Mode

__all__ = [
    "Rows",
    "Widths",
    "clear_missing",
    "code_rows",
    "difference_widths",
    "read_metadata",
    "undo_rows",
    "write_metadata",
]

_BIT_LENGTH = np.array([i.bit_length() for i in range(128)], np.uint8)  # magnitudes are at most H-1 = 127
_MASK_ROW = np.uint8(1) << np.arange(ROWS, dtype=np.uint8)  # row r is bit r of a lane's zero mask


class Rows(NamedTuple):
    """Coded rows: what the encoder emits for each group beside mantissas and signs.

    `fields` (groups, 8) are the metadata fields, row 0 being the mode field in delta mode; `code_bits` (groups, 8) the
    widths of the exponent codes, 0 for missing rows; `codes` (8, groups, 8) the codes; `masks` (8, groups) the zero
    masks, empty (8, 0) without `zero_mask`; `mask_bits` (groups,) is 8 where a group stores one, else 0.
    """

    fields: np.ndarray
    code_bits: np.ndarray
    codes: np.ndarray
    masks: np.ndarray
    mask_bits: np.ndarray


class Widths(NamedTuple):
    """Decoded metadata: `code_bits` and `mask_bits` as in `Rows`, and whether any field was illegal."""

    code_bits: np.ndarray
    mask_bits: np.ndarray
    error: bool


def _exists(d: Descriptor, groups: int, count: int) -> np.ndarray:
    return np.arange(groups * ROWS).reshape(groups, ROWS) * LANES < count


def code_rows(codes: np.ndarray, d: Descriptor, count: int) -> Rows:
    """Code exponent codes (8, groups, 8) uint8, of which the first `count` values in arrival order exist.

    Missing lanes must hold code 0. The metadata of raw mode is all zero and not stored.
    """
    ne, groups = d.exponent_bits, codes.shape[1]
    exists = _exists(d, groups, count)
    code_bits = np.where(exists, np.uint8(ne), np.uint8(0))
    no_mask = np.zeros((LANES, 0), np.uint8)
    mask_bits = np.zeros(groups, np.uint8)
    if d.mode is Mode.RAW:
        return Rows(np.zeros((groups, ROWS), np.uint8), code_bits, codes, no_mask, mask_bits)

    if d.zero_mask:
        zero = codes == 0
        clear_missing(zero, count)
        masks = (zero * _MASK_ROW).sum(axis=2, dtype=np.uint8)
        mask_bits[:] = 8 if d.mode is Mode.FIXED else 8 * masks.any(axis=0)
    if d.mode is Mode.FIXED:
        differences = codes - np.uint8(d.bias)
    else:
        base = np.where(zero[:, :, 0], np.uint8(d.bias), codes[:, :, 0]) if d.zero_mask else codes[:, :, 0]
        differences = codes - base[:, :, None]
        differences[:, :, 0] = 0
    if d.zero_mask:
        differences[zero] = 0
    clear_missing(differences, count)
    lane_codes = _sign_magnitude(differences, ne)
    fields = _widths(lane_codes, ne)
    first = 0
    if d.mode is Mode.DELTA:
        lane_codes[:, :, 0] = base
        fields[:, 0] = mask_bits != 0
        first = 1
    code_bits[:, first:] = fields[:, first:] + (fields[:, first:] != 0)
    return Rows(fields, code_bits, lane_codes, masks if d.zero_mask else no_mask, mask_bits)


def difference_widths(differences: np.ndarray, ne: int) -> np.ndarray:
    """Width fields (groups, 8) of differences (8, groups, 8) uint8, taken modulo 2^ne."""
    return _widths(_sign_magnitude(differences, ne), ne)


def _sign_magnitude(differences: np.ndarray, ne: int) -> np.ndarray:
    # Sign-extend from ne bits: the modulo of gecko.md 3.
    signed = (differences << np.uint8(8 - ne)).view(np.int8) >> np.int8(8 - ne)
    magnitude = np.abs(signed).view(np.uint8) & np.uint8((1 << (ne - 1)) - 1)  # -H becomes 0: the minus-zero code
    return magnitude << np.uint8(1) | (signed < 0)


def _widths(lane_codes: np.ndarray, ne: int) -> np.ndarray:
    # Minus zero asks for width ne-1, the bit length of H/2.
    reach = lane_codes >> np.uint8(1) | (lane_codes == 1) * np.uint8(1 << ne >> 2)
    return _BIT_LENGTH[np.bitwise_or.reduce(reach, axis=0)]


def undo_rows(codes: np.ndarray, d: Descriptor, masks: np.ndarray) -> np.ndarray:
    """Lane codes (8, groups, 8) uint8 -> exponent codes; `masks` (8, groups) or (8, 0) as in `Rows`.

    Codes of missing lanes come out arbitrary.
    """
    if d.mode is Mode.RAW:
        return codes
    magnitude, negative = codes >> np.uint8(1), (codes & np.uint8(1)).view(bool)
    magnitude[codes == 1] = np.uint8(1 << (d.exponent_bits - 1))  # minus zero: -H
    exponents = np.where(negative, -magnitude, magnitude)
    base = np.full(codes.shape[:2], d.bias, np.uint8)
    if d.mode is Mode.DELTA:
        stored = codes[:, :, 0]
        base = np.where(masks & np.uint8(1), base, stored) if masks.size else stored
        exponents[:, :, 0] = 0
    exponents += base[:, :, None]
    exponents &= np.uint8((1 << d.exponent_bits) - 1)
    if masks.size:
        exponents[(masks[:, :, None] & _MASK_ROW) != 0] = 0
    return exponents


def clear_missing(array: np.ndarray, count: int) -> None:
    """Zero the places (8, groups, 8) that the values of a short last group do not reach."""
    present = count - (array.shape[1] - 1) * GROUP
    if present < GROUP:
        row, lane = divmod(present, LANES)
        array[lane:, -1, row] = 0
        array[:, -1, row + 1 :] = 0


def write_metadata(fields: np.ndarray) -> bytes:
    """Metadata fields (groups, 8) -> three bytes a group, field r at bits 3r+2..3r, low byte first."""
    words = (fields.astype("<u4") << (3 * np.arange(ROWS, dtype=np.uint32))).sum(axis=1, dtype="<u4")
    return words.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def read_metadata(metadata: bytes, d: Descriptor, count: int) -> Widths:
    """Metadata bytes of whole groups (`count` values of them exist) -> widths, as a decoder that never stops.

    An illegal field sets `error` and counts as the value in brackets of gecko.md 3: a width above ne-1 as ne-1, a mode
    field other than 0, or 1 with `zero_mask`, as 0, any field of a missing row as 0.
    """
    groups = -(-count // GROUP)
    exists = _exists(d, groups, count)
    code_bits = np.where(exists, np.uint8(d.exponent_bits), np.uint8(0))
    mask_bits = np.zeros(groups, np.uint8)
    if d.mode is Mode.RAW:
        return Widths(code_bits, mask_bits, False)
    packed = np.frombuffer(metadata, np.uint8).reshape(groups, 3).astype(np.uint32)
    words = packed[:, 0] | packed[:, 1] << np.uint32(8) | packed[:, 2] << np.uint32(16)
    fields = (words[:, None] >> (3 * np.arange(ROWS, dtype=np.uint32)) & np.uint32(7)).astype(np.uint8)
    error = False
    first = 0
    if d.mode is Mode.DELTA:
        masked = (fields[:, 0] == 1) & d.zero_mask
        error = bool(((fields[:, 0] != 0) & ~masked).any())
        mask_bits[:] = 8 * masked
        first = 1
    elif d.zero_mask:
        mask_bits[:] = 8
    legal = np.where(exists, np.uint8(d.exponent_bits - 1), np.uint8(0))[:, first:]
    widths = np.minimum(fields[:, first:], legal)
    error |= bool((fields[:, first:] > legal).any())
    code_bits[:, first:] = widths + (widths != 0)
    return Widths(code_bits, mask_bits, error)
