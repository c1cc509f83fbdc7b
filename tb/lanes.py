"""Lanes to bits and back: uniform unsigned codes at a bit offset of packed, little-endian rows (formats.md 0.9).

A *row* is one payload as the simulator stores it: ceil(port width / 8) bytes, bit 0 first. A *lane array* is (n, lanes)
codes of `width` bits each, lane 0 at bit `lsb`, no gaps. The NumPy code below is the definition and needs no compiler;
`accelerate` puts the C twin (`lanes.cpp`, about ten times faster) in its place, which the tests hold to the same bits.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

__all__ = ["accelerate", "code_dtype", "extract", "insert", "row_bytes"]

_CHUNK = 4096  # rows at a time: 64-bit words of a wide payload stay in the second-level cache
_native: ctypes.CDLL | None = None


def row_bytes(width: int) -> int:
    """Bytes of one row of a `width`-bit port."""
    return -(-width // 8)


def code_dtype(width: int) -> np.dtype:
    """Smallest unsigned dtype that holds `width`-bit codes; Python integers (`object`) above 64 bits."""
    for bits in (8, 16, 32, 64):
        if width <= bits:
            return np.dtype(f"uint{bits}")
    return np.dtype(object)


def accelerate(library: Path | None) -> None:
    """Use the compiled twin in `library` (see `tb.runner.native_lanes`) from now on; None returns to NumPy."""
    global _native
    compiled = None if library is None else ctypes.CDLL(str(library))
    for function in () if compiled is None else (compiled.ng_insert, compiled.ng_extract):
        function.restype = None
        function.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, *[ctypes.c_uint64] * 5]
    _native = compiled  # only now: another thread may be packing


def insert(rows: np.ndarray, codes: np.ndarray, lsb: int, width: int) -> None:
    """OR (n, lanes) `codes` of dtype `code_dtype(width)`, each below 2**width, into uint8 `rows` from bit `lsb` up."""
    if width > 64:
        _insert_wide(rows, codes, lsb, width)
    elif _native is not None:
        codes = np.ascontiguousarray(codes)
        n, lanes = codes.shape
        _native.ng_insert(codes.ctypes.data, codes.itemsize, rows.ctypes.data, n, lanes, width, lsb, rows.shape[1])
    else:
        for start in range(0, len(rows), _CHUNK):
            _insert_words(rows[start : start + _CHUNK], codes[start : start + _CHUNK], lsb, width)


def extract(rows: np.ndarray, lanes: int, lsb: int, width: int) -> np.ndarray:
    """The (n, lanes) codes of dtype `code_dtype(width)` that `insert` put into `rows`."""
    codes = np.empty((len(rows), lanes), code_dtype(width))
    if width > 64:
        _extract_wide(rows, codes, lsb, width)
    elif _native is not None:
        rows = np.ascontiguousarray(rows)
        _native.ng_extract(
            codes.ctypes.data, codes.itemsize, rows.ctypes.data, len(rows), lanes, width, lsb, rows.shape[1]
        )
    else:
        for start in range(0, len(rows), _CHUNK):
            _extract_words(rows[start : start + _CHUNK], codes[start : start + _CHUNK], lsb, width)
    return codes


def _positions(lanes: int, lsb: int, width: int):
    """(lane, 64-bit word that its lowest bit falls in, bit within that word) of every lane."""
    for lane in range(lanes):
        yield lane, *divmod(lsb + lane * width, 64)


def _words(rows: np.ndarray) -> np.ndarray:
    """Rows as (words, n) little-endian uint64, one more word than needed so that a lane may look past the last."""
    padded = np.zeros((len(rows), 8 * (rows.shape[1] // 8 + 2)), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return np.ascontiguousarray(padded.view("<u8").T)


def _insert_words(rows: np.ndarray, codes: np.ndarray, lsb: int, width: int) -> None:
    words, columns = _words(rows), np.ascontiguousarray(codes.T).astype(np.uint64)
    for lane, word, bit in _positions(codes.shape[1], lsb, width):
        words[word] |= columns[lane] << np.uint64(bit)
        if bit + width > 64:
            words[word + 1] |= columns[lane] >> np.uint64(64 - bit)
    rows[:] = np.ascontiguousarray(words.T).view(np.uint8)[:, : rows.shape[1]]


def _extract_words(rows: np.ndarray, codes: np.ndarray, lsb: int, width: int) -> None:
    words, mask = _words(rows), np.uint64((1 << width) - 1)
    for lane, word, bit in _positions(codes.shape[1], lsb, width):
        value = words[word] >> np.uint64(bit)
        if bit + width > 64:
            value |= words[word + 1] << np.uint64(64 - bit)
        codes[:, lane] = value & mask


def _insert_wide(rows: np.ndarray, codes: np.ndarray, lsb: int, width: int) -> None:
    for row, values in zip(rows, codes, strict=True):
        word = sum(int(v) << (lsb + lane * width) for lane, v in enumerate(values))
        row |= np.frombuffer(word.to_bytes(len(row), "little"), np.uint8)


def _extract_wide(rows: np.ndarray, codes: np.ndarray, lsb: int, width: int) -> None:
    for row, values in zip(rows, codes, strict=True):
        word = int.from_bytes(row.tobytes(), "little") >> lsb
        values[:] = [word >> (lane * width) & ((1 << width) - 1) for lane in range(len(values))]
