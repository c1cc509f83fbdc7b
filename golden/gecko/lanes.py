"""Eight bit streams side by side: value fields of equal width in all lanes <-> data beats (gecko.md 4).

Fields are (8 lanes, n) and their widths (n,), because one counter serves all lanes. Neighbouring fields are first
merged into 64-bit ones, which makes the streams a matter of a few long vector operations. A word is 64 bits of a lane
here, whatever the word of a beat is; NumPy sees both orders of bytes through little-endian views.
"""

import numpy as np

from golden.gecko.descriptor import LANES, Source

__all__ = ["beats_of", "merge", "pack", "separate", "unpack", "words_of"]

_WORD = 64


def merge(fields: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge neighbours (last axis, a power of two long) until the type is 64 bits wide: 4 x 16 or 2 x 32 bits."""
    while (size := 2 * fields.dtype.itemsize) <= _WORD // 8:
        wide = np.dtype(f"u{size}")
        upper = fields[..., 1::2].astype(wide)
        upper <<= widths[..., 0::2].astype(wide)
        upper |= fields[..., 0::2]
        fields, widths = upper, widths[..., 0::2] + widths[..., 1::2]
    return fields, widths


def separate(merged: np.ndarray, widths: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Undo `merge`: 64-bit fields (..., n), widths (..., m) of the original ones -> fields (..., m) of `dtype`."""
    levels = [widths]
    while levels[-1].shape[-1] > merged.shape[-1]:
        levels.append(levels[-1][..., 0::2] + levels[-1][..., 1::2])
    for level in reversed(levels[:-1]):
        half = np.dtype(f"u{merged.dtype.itemsize // 2}")
        out = np.empty((*merged.shape[:-1], 2 * merged.shape[-1]), half)
        out[..., 0::2] = merged
        out[..., 1::2] = merged >> level[..., 0::2].astype(merged.dtype)
        merged = out
        merged &= (np.uint64(1) << level.astype(np.uint64)) - np.uint64(1)
    return merged.astype(dtype, copy=False)


def pack(fields: np.ndarray, widths: np.ndarray, words: np.ndarray, position: int) -> int:
    """Append 64-bit fields (8, n) to `words` (8, k) from bit `position` on; return the position after them.

    The words must be zero from there on, and reach one word past the last bit. Fields must be clean above their width.
    """
    if not widths.size:
        return position
    ends = position + np.cumsum(widths, dtype=np.int64)
    starts = ends - widths
    word, shift = starts // _WORD, (starts % _WORD).astype(np.uint64)
    # Fields that start in the same word are neighbours. Only the last of them can reach into the next word.
    first = np.flatnonzero(np.diff(word, prepend=-1))
    last = np.append(first[1:], len(word)) - 1
    words[:, word[first]] |= np.bitwise_or.reduceat(fields << shift, first, axis=1)
    # By 64 - shift in two steps, because a shift by 64 is undefined.
    words[:, word[last] + 1] |= fields[:, last] >> np.uint64(1) >> (np.uint64(_WORD - 1) - shift[last])
    return int(ends[-1])


def unpack(words: np.ndarray, widths: np.ndarray, position: int) -> tuple[np.ndarray, int]:
    """Take fields of the given widths (n,) from `words` (8, k) at bit `position`: ((8, n) uint64, new position).

    Bits above a field's width are what follows in the stream. The words must reach one past the last field's start.
    """
    ends = position + np.cumsum(widths, dtype=np.int64)
    starts = ends - widths
    word, shift = starts // _WORD, (starts % _WORD).astype(np.uint64)
    low = np.take(words, word, axis=1)
    low >>= shift
    high = np.take(words, word + 1, axis=1)
    high <<= np.uint64(1)
    high <<= np.uint64(_WORD - 1) - shift
    low |= high
    return low, int(ends[-1]) if ends.size else position


def beats_of(words: np.ndarray, bits: int, source: Source) -> np.ndarray:
    """The first `bits` bits of 64-bit lane words (8, k) as beats (n, 8), lane 0 first, of 16- or 32-bit words."""
    dtype = np.dtype(f"<u{source.bits // 8}")
    beats = -(-bits // source.bits)
    return np.ascontiguousarray(words.astype("<u8", copy=False).view(dtype)[:, :beats].T)


def words_of(beats: np.ndarray, bits: int) -> np.ndarray:
    """Beats (n, 8) as 64-bit lane words (8, k) with room to read up to bit `bits`; what is not there is zero."""
    dtype = beats.dtype.newbyteorder("<")
    per_word = _WORD // (8 * dtype.itemsize)
    words = np.zeros((LANES, bits // _WORD + 2), "<u8")
    room = min(len(beats), words.shape[1] * per_word)
    words.view(dtype)[:, :room] = beats[:room].T
    return words
