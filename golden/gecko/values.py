"""Bit patterns of BF16 and FP32 values <-> exponent codes and tails, for whole arrays (gecko.md 1 and 4).

A *tail* is what a value field holds below the exponent code: the top wm mantissa bits, then the sign unless elided.
"""

import numpy as np

from golden.gecko.descriptor import Descriptor, GeckoError, Source

__all__ = ["DTYPES", "as_bits", "codes_of", "join", "split"]

DTYPES: dict[Source, np.dtype] = {Source.BF16: np.dtype(np.uint16), Source.FP32: np.dtype(np.uint32)}


def as_bits(array: np.ndarray) -> tuple[np.ndarray, Source]:
    """Values of any shape -> (their bit patterns, flat and in memory order; source).

    float32 is FP32; bfloat16 (ml_dtypes), 2-byte voids (what NumPy makes of a bfloat16 .npy file) and uint16 bit
    patterns are BF16, uint32 are FP32 patterns. Any other type raises `GeckoError`. A Fortran-ordered array is read in
    its own order, without a transposed copy.
    """
    array = np.asarray(array)
    name, kind, size = array.dtype.name, array.dtype.kind, array.dtype.itemsize
    if not (
        name in ("float32", "uint32", "uint16", "bfloat16") or (kind == "V" and size == 2 and not array.dtype.names)
    ):
        raise GeckoError(
            f"dtype {array.dtype}: float32, bfloat16 (also as a 2-byte void), or uint16/uint32 bit patterns"
        )
    source = Source.BF16 if size == 2 else Source.FP32
    flat = (array.T if array.flags.f_contiguous and not array.flags.c_contiguous else array).reshape(-1)
    if kind != "V":
        flat = flat.astype(array.dtype.newbyteorder("="), copy=False)
    return flat.view(DTYPES[source]), source


def codes_of(bits: np.ndarray, d: Descriptor) -> np.ndarray:
    """Exponent codes (uint8, same shape) of bit patterns; `GeckoError` for a value outside the window of ne and off."""
    field = (bits >> d.source.mantissa_bits).astype(np.uint8)  # the cast drops the sign
    if d.exponent_bits == 8:
        return field
    codes = field - np.uint8(d.offset)
    outside = (codes == 0) | (codes >> d.exponent_bits != 0)
    zero = field == 0
    codes[zero] = 0
    outside &= ~zero
    if outside.any():
        where = int(np.flatnonzero(outside)[0])
        raise GeckoError(
            f"value {int(bits[where]):#x}: exponent field {int(field[where])} is outside the window of "
            f"{d.exponent_bits} exponent bits at offset {d.offset}"
        )
    return codes


def split(bits: np.ndarray, d: Descriptor) -> tuple[np.ndarray, np.ndarray]:
    """Bit patterns (flat) -> (exponent codes as uint8, tails as uint16/uint32).

    Mantissas are cut by truncation. Where that would turn a NaN into an infinity its quiet bit is set. `GeckoError`: a
    NaN at wm = 0, a value outside the exponent window, a set sign bit (-0 too) when signs are elided.
    """
    m, wm = d.source.mantissa_bits, d.mantissa_bits
    codes = codes_of(bits, d)
    sign = bits >> (m + 8)
    if d.sign_elided and sign.any():
        where = int(np.flatnonzero(sign)[0])
        raise GeckoError(f"value {int(bits[where]):#x}: its sign bit is set, and the descriptor elides signs")
    tails = bits & ((1 << m) - 1)
    if wm < m:
        field = bits >> m & 255
        if field.max(initial=0) == 255:
            nan = (field == 255) & (tails != 0)
            if nan.any() and wm == 0:
                raise GeckoError(f"value {int(bits[nan.argmax()]):#x}: a NaN needs at least 1 mantissa bit")
            tails |= ((nan & (tails >> (m - wm) == 0)) << (m - 1)).astype(tails.dtype)
        tails >>= m - wm
    if not d.sign_elided:
        tails <<= 1
        tails |= sign
    if d.exponent_bits < 8:
        tails[codes == 0] = 0  # zeros and subnormals become +0
    return codes, tails


def join(codes: np.ndarray, tails: np.ndarray, d: Descriptor) -> np.ndarray:
    """Exponent codes and tails -> bit patterns (uint16/uint32) of the same shape."""
    dtype, m = DTYPES[d.source], d.source.mantissa_bits
    if d.exponent_bits < 8:
        codes = np.where(codes == 0, 0, codes + np.uint8(d.offset))
    bits = codes.astype(dtype)
    bits <<= m
    mantissa = tails if d.sign_elided else tails >> 1
    bits |= mantissa.astype(dtype, copy=False) << (m - d.mantissa_bits)
    if not d.sign_elided:
        bits |= tails.astype(dtype, copy=False) << (m + 8)  # the sign is bit 0; the shift drops the rest
    return bits
