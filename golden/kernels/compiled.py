"""The compiled kernels: FP32 patterns to the patterns that their blocks dequantise to, without codes in between.

Rounding a magnitude a to a multiple of 2^q is (a + c) - c with c = 2^(q + 23), exact and to even in IEEE arithmetic,
which is why these are never compiled with fastmath. q follows from an exponent field: the block's, or under a
minifloat the element's own where that is larger. Saturating first is the same as saturating last, because the limit is
a number of the format and rounding is monotone. Blocks at the ends of FP32's range take the long way, `_exactly`.
"""

import math

import numpy as np
from numba import from_dtype, njit, types
from numba import uint32 as u32

from golden.kernels.plan import PLAN

__all__ = ["CHUNK", "LANES", "across_rows", "along_rows"]

CHUNK = 2048  # elements whose bases wait in the cache for the element pass; at least the largest block
LANES = 256  # columns converted together where blocks run across rows

_MAGNITUDE, _FIELD, _SIGN = u32(0x7FFFFFFF), u32(0x7F800000), u32(0x80000000)
_NAN, _INVERSE = u32(0x7FC00000), u32(254 << 23)
_INDEX_FACTOR, _MIX_1, _MIX_2 = u32(0x85EBCA6B), u32(0x7FEB352D), u32(0x846CA68B)
RNE, RNA, RTZ, SR = range(4)

_In = types.Array(types.uint32, 1, "C", readonly=True)
_In3 = types.Array(types.uint32, 3, "C", readonly=True)
_Plan = types.Array(from_dtype(PLAN), 1, "C", readonly=True)


@njit(inline="always")
def _float(pattern):
    return np.uint32(pattern).view(np.float32)


@njit(inline="always")
def _bits(value):
    return np.float32(value).view(np.uint32)


@njit
def _draw(thresholds, slot, stride, key, kept):
    """The thresholds 1 - r / 2^R of slots slot, slot + stride, ...: a fraction from there on rounds up (SR)."""
    for i in range(thresholds.size):
        word = u32(key ^ u32(u32(slot + u32(i) * stride) * _INDEX_FACTOR))
        word = u32((word ^ (word >> u32(16))) * _MIX_1)
        word = u32((word ^ (word >> u32(15))) * _MIX_2)
        thresholds[i] = _threshold(u32(word ^ (word >> u32(16))) & kept)


@njit(inline="always")
def _threshold(word):
    """1 - word / 2^32, rounded up to FP32: an FP32 fraction reaches the one if and only if it reaches the other."""
    exact = np.float64(4294967296.0) - np.float64(u32(word))
    near = np.float32(exact)
    up = _float(_bits(near) + (u32(1) if np.float64(near) < exact else u32(0)))
    return up * np.float32(2.0**-32)


@njit
def _take(thresholds, words):
    for i in range(thresholds.size):
        thresholds[i] = _threshold(words[i])


@njit(inline="always")
def _split(pattern, base, p):
    """A magnitude, saturated; the field of its binade in the element; rounded to nearest even."""
    saturated = min(u32(pattern & _MAGNITUDE), u32(base + p.limit))
    field = max(u32(saturated & _FIELD), base)
    magic = _float(field + p.magic)
    return _float(saturated), field, (_float(saturated) + magic) - magic


@njit(inline="always")
def _signed(magnitude, pattern, p):
    return _bits(_float(_bits(magnitude) | u32(pattern & _SIGN)) + p.zero)


@njit
def _elements(x, out, bases, thresholds, rounding, p):
    """Round and saturate every element under the field of its lowest normal binade."""
    if rounding == RNE:
        for i in range(x.size):
            _, _, nearest = _split(x[i], bases[i], p)
            out[i] = _signed(nearest, x[i], p)
    elif rounding == RNA:
        for i in range(x.size):
            magnitude, field, nearest = _split(x[i], bases[i], p)
            ulp = _float(field - p.ulp)
            left = magnitude - nearest
            nearest += ulp if left + left == ulp else np.float32(0)
            out[i] = _signed(nearest, x[i], p)
    elif rounding == RTZ:
        for i in range(x.size):
            magnitude, field, below = _split(x[i], bases[i], p)
            below -= _float(field - p.ulp) if below > magnitude else np.float32(0)
            out[i] = _signed(below, x[i], p)
    else:
        for i in range(x.size):
            magnitude, field, below = _split(x[i], bases[i], p)
            last = u32(field - p.ulp)
            below -= _float(last) if below > magnitude else np.float32(0)
            fraction = (magnitude - below) * _float(_INVERSE - last)
            below += _float(last) if fraction >= thresholds[i] else np.float32(0)
            out[i] = _signed(below, x[i], p)


@njit(inline="always")
def _block_field(largest, p):
    """The field that a block's largest magnitude asks for, clipped; and whether the short way is exact for it."""
    field = min(max(u32((largest + p.carry) & _FIELD), p.lowest), p.highest)
    usual = (field >= p.least or largest == 0) and field <= p.most and largest < _FIELD
    return max(field, p.least), usual


@njit(inline="always")
def _own_base(largest, field, p):
    """The base of a pair: no higher than its block's, no further below than the largest microexponent reaches."""
    own = u32((largest + p.carry) & _FIELD)
    return u32(max(min(own, field), u32(field - p.shift)) - p.range)


@njit
def _pair_bases(x, bases, p):
    """Bases of a chunk that begins with a pair, from the fields of its blocks."""
    k = np.int64(p.subblock)
    if k == 2:  # by itself, because this loop becomes vector code
        for j in range(x.size // 2):
            largest = max(u32(x[2 * j] & _MAGNITUDE), u32(x[2 * j + 1] & _MAGNITUDE))
            base = _own_base(largest, bases[2 * j], p)
            bases[2 * j] = base
            bases[2 * j + 1] = base
    for start in range(x.size // 2 * 2 if k == 2 else 0, x.size, k):
        pair = x[start : start + k]
        largest = u32(0)
        for j in range(pair.size):
            largest = max(largest, u32(pair[j] & _MAGNITUDE))
        base = _own_base(largest, bases[start], p)
        for j in range(pair.size):
            bases[start + j] = base


@njit
def _wanted_exponent(largest, p):
    if largest == 0:
        return np.int64(p.lowest_exponent - p.max_microexponent)
    significand, exponent = math.frexp(np.float64(_float(largest)))
    raised = np.int64(significand * (1 << 24)) - (1 << 23) > p.threshold
    return np.int64(exponent - 1 + (1 if raised else 0) - p.emax)


@njit
def _exactly(x, out, thresholds, rounding, p):
    """One block, whatever it holds, in float64: every scaled FP32 is exact there."""
    largest = u32(0)
    for i in range(x.size):
        largest = max(largest, u32(x[i] & _MAGNITUDE))
    if largest >= _FIELD:
        for i in range(x.size):
            out[i] = _NAN
        return
    shared = min(max(_wanted_exponent(largest, p), np.int64(p.lowest_exponent)), np.int64(p.highest_exponent))
    for start in range(0, x.size, np.int64(p.subblock)):
        stop = min(start + np.int64(p.subblock), x.size)
        largest = u32(0)
        for i in range(start, stop):
            largest = max(largest, u32(x[i] & _MAGNITUDE))
        own = shared - min(max(shared - _wanted_exponent(largest, p), 0), np.int64(p.max_microexponent))
        for i in range(start, stop):
            magnitude = math.ldexp(np.float64(_float(x[i] & _MAGNITUDE)), -own)
            place = max(math.frexp(magnitude)[1] - 1 - p.fraction, p.lsb)
            units = math.ldexp(magnitude, -place)
            whole = np.floor(units)
            rest = units - whole
            if rounding == RNE:
                up = rest > 0.5 or (rest == 0.5 and whole % 2 == 1.0)
            elif rounding == RNA:
                up = rest >= 0.5
            else:
                up = rounding == SR and rest >= thresholds[i]
            value = min(math.ldexp(whole + (1.0 if up else 0.0), place), p.largest)
            out[i] = _signed(np.float32(math.ldexp(value, own)), x[i], p)


@njit
def _chunk(x, out, bases, thresholds, rounding, p):
    if p.shift != 0:
        _pair_bases(x, bases, p)
    _elements(x, out, bases, thresholds, rounding, p)


@njit
def _column_maxima(x, o, start, stop, left, right, largest):
    values = x[o, start, left:right]
    for i in range(values.size):
        largest[i] = values[i] & _MAGNITUDE
    for k in range(start + 1, stop):
        values = x[o, k, left:right]
        for i in range(values.size):
            largest[i] = max(largest[i], u32(values[i] & _MAGNITUDE))


@njit
def _column_fields(largest, fields, p):
    """The clipped fields of blocks side by side; whether any of them needs the long way."""
    unusual = False
    for i in range(largest.size):
        field, usual = _block_field(largest[i], p)
        fields[i] = field
        unusual |= not usual
    return unusual


_WORDS = (types.uint32, types.uint32)  # key, kept


@njit([types.void(_In, types.uint32[::1], types.int64, types.int64, _Plan, types.int64, _In, *_WORDS)], cache=True)
def along_rows(x, out, length, block, plan, rounding, words, key, kept):
    """Blocks along rows of `length` elements, one row after the other in x (n) and out (n).

    SR takes left-aligned 32-bit words (n), or where there are none makes them from `key` and keeps the bits `kept`.
    """
    p = plan[0]
    bases, thresholds = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.float32)
    slots = -(-length // block) * block  # of a row, pads included
    paired = p.shift != 0
    begin = 0  # of the chunk: whole blocks, gathered until the scratch is full or a pair would be split
    for row in range(x.size // length):
        for inside in range(0, length, block):
            start = row * length + inside
            stop = start + min(block, length - inside)
            if stop - begin > CHUNK or (paired and (start - begin) % np.int64(p.subblock) != 0):
                _chunk(x[begin:start], out[begin:start], bases, thresholds, rounding, p)
                begin = start
            if rounding == SR:
                drawn = thresholds[start - begin : stop - begin]
                if words.size:
                    _take(drawn, words[start:stop])
                else:
                    _draw(drawn, u32(row * slots + inside), u32(1), key, kept)
            values = x[start:stop]
            largest = u32(0)
            for i in range(values.size):
                largest = max(largest, u32(values[i] & _MAGNITUDE))
            field, usual = _block_field(largest, p)
            if usual:
                bases[start - begin : stop - begin] = field if paired else u32(field - p.range)
            else:
                _chunk(x[begin:start], out[begin:start], bases, thresholds, rounding, p)
                _exactly(values, out[start:stop], thresholds[start - begin :], rounding, p)
                begin = stop
    _chunk(x[begin:], out[begin:], bases, thresholds, rounding, p)


@njit([types.void(_In3, types.uint32[:, :, ::1], types.int64, _Plan, types.int64, _In3, *_WORDS)], cache=True)
def across_rows(x, out, block, plan, rounding, words, key, kept):
    """Blocks along the middle axis of x (outer, length, inner) and out; words as above, (outer, length, inner)."""
    p = plan[0]
    outer, length, inner = x.shape
    pair, paired = np.int64(p.subblock), p.shift != 0
    lanes = min(LANES, inner)
    bases = np.empty((-(-block // pair) if paired else 1, lanes), np.uint32)
    largest, fields = np.empty(lanes, np.uint32), np.empty(lanes, np.uint32)
    thresholds = np.empty(lanes, np.float32)
    column, drawn, done = np.empty(block, np.uint32), np.empty(block, np.float32), np.empty(block, np.uint32)
    slots = -(-length // block) * block
    for o in range(outer):
        for start in range(0, length, block):
            stop = min(start + block, length)
            for left in range(0, inner, lanes):
                right = min(left + lanes, inner)
                width = right - left
                _column_maxima(x, o, start, stop, left, right, largest)
                unusual = _column_fields(largest[:width], fields, p)
                if paired:
                    for sub in range(-(-(stop - start) // pair)):
                        at = start + sub * pair
                        _column_maxima(x, o, at, min(at + pair, stop), left, right, bases[sub])
                        for i in range(width):
                            bases[sub, i] = _own_base(bases[sub, i], fields[i], p)
                else:
                    for i in range(width):
                        bases[0, i] = fields[i] - p.range
                for k in range(start, stop):
                    if rounding == SR:
                        if words.size:
                            _take(thresholds[:width], words[o, k, left:right])
                        else:
                            slot = u32((o * inner + left) * slots + k)
                            _draw(thresholds[:width], slot, u32(slots), key, kept)
                    row = bases[(k - start) // pair if paired else 0]
                    _elements(x[o, k, left:right], out[o, k, left:right], row, thresholds, rounding, p)
                if unusual:
                    for i in range(left, right):
                        if not _block_field(largest[i - left], p)[1]:
                            for k in range(start, stop):
                                column[k - start] = x[o, k, i]
                                if rounding == SR:
                                    if words.size:
                                        _take(drawn[k - start : k - start + 1], words[o, k, i : i + 1])
                                    else:
                                        slot = u32((o * inner + i) * slots + k)
                                        _draw(drawn[k - start : k - start + 1], slot, u32(1), key, kept)
                            _exactly(column[: stop - start], done, drawn, rounding, p)
                            for k in range(start, stop):
                                out[o, k, i] = done[k - start]
