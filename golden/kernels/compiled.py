"""The compiled kernels: FP32 patterns to the patterns that their blocks dequantise to, without codes in between.

Rounding a magnitude a to a multiple of 2^q is (a + c) - c with c = 2^(q + 23), exact and to even in IEEE arithmetic:
never compile this with fastmath. q follows from an exponent field, the block's or, where that is larger in a
minifloat, the element's own. Saturating first is the same as saturating last, because the limit is a number of the
format and rounding is monotone. At the ends of FP32's range blocks take the long way, `_exactly`.

The kernels and all that they call are in this one file, however long: numba looks at a kernel's own file alone to see
whether what it cached is stale.
"""

import numpy as np
from numba import from_dtype, njit, types
from numba import uint32 as u32

from golden.kernels.plan import PLAN

__all__ = ["RNA", "RNE", "RTZ", "SR", "across_rows", "along_rows"]

RNE, RNA, RTZ, SR = range(4)

_CHUNK = 2048  # elements whose bases wait in the cache for the element pass; at least the largest block, 1024
_LANES = 1024  # columns converted together where blocks run across rows: 64 such rows fit a 1 MB cache twice
_MAGNITUDE, _FIELD, _SIGN, _NAN = u32(0x7FFFFFFF), u32(0x7F800000), u32(0x80000000), u32(0x7FC00000)
_INDEX_FACTOR, _MIX_1, _MIX_2 = u32(0x85EBCA6B), u32(0x7FEB352D), u32(0x846CA68B)

# Written out, because every other signature that numba met would cost another compilation.
_i64, _Out, _Record = types.int64, types.uint32[::1], from_dtype(PLAN)
_In = types.Array(types.uint32, 1, "C", readonly=True)
_In3 = types.Array(types.uint32, 3, "C", readonly=True)
_Plan = types.Array(_Record, 1, "C", readonly=True)


@njit(inline="always")
def _float(pattern):
    return np.uint32(pattern).view(np.float32)


@njit(inline="always")
def _bits(value):
    return np.float32(value).view(np.uint32)


@njit
def _draw(words, slot, stride, key, kept):
    """The words of slots slot, slot + stride, ... (formats.md 0.2), of which the bits `kept` count."""
    for i in range(words.size):
        word = u32(key ^ u32(u32(slot + u32(i) * stride) * _INDEX_FACTOR))
        word = u32((word ^ (word >> u32(16))) * _MIX_1)
        word = u32((word ^ (word >> u32(15))) * _MIX_2)
        words[i] = u32(word ^ (word >> u32(16))) & kept


@njit
def _draw_rows(words, start, length, slots, key, kept, first):
    """The words of the elements from `start` on in rows of `length`, between which pads draw too."""
    stop = start + words.size
    at = start
    while at < stop:
        end = stop if length == slots else min(stop, (at // length + 1) * length)
        slot = u32(first + u32(at // length * slots + at % length))
        _draw(words[at - start : end - start], slot, u32(1), key, kept)
        at = end


@njit(inline="always")
def _nearest(pattern, base, p):
    """A saturated magnitude, the unit of its last place in the element, and the magnitude rounded to even."""
    saturated = min(u32(pattern & _MAGNITUDE), u32(base + p.limit))
    field = max(u32(saturated & _FIELD), base)
    magic = _float(field + p.magic)
    return _float(saturated), u32(field - p.ulp), (_float(saturated) + magic) - magic


@njit(inline="always")
def _not_above(magnitude, nearest, unit):
    """The multiple of the unit below a magnitude; patterns compare like the values, and make faster code."""
    return nearest - _float(unit if _bits(nearest) > _bits(magnitude) else u32(0))


@njit(inline="always")
def _signed(magnitude, pattern, p):
    return _bits(_float(_bits(magnitude) | u32(pattern & _SIGN)) + p.zero)


@njit(types.void(_In, _Out, _In, _In, _i64, _Record), cache=True)
def _elements(x, out, bases, words, rounding, p):
    """Round every element, from the field of the lowest normal binade that its block gives it, its base."""
    if rounding == RNE:
        for i in range(x.size):
            _, _, value = _nearest(x[i], bases[i], p)
            out[i] = _signed(value, x[i], p)
    elif rounding == RNA:
        for i in range(x.size):
            magnitude, unit, value = _nearest(x[i], bases[i], p)
            left = magnitude - value
            value += _float(unit) if left + left == _float(unit) else np.float32(0)
            out[i] = _signed(value, x[i], p)
    elif rounding == RTZ:
        for i in range(x.size):
            magnitude, unit, value = _nearest(x[i], bases[i], p)
            out[i] = _signed(_not_above(magnitude, value, unit), x[i], p)
    else:
        for i in range(x.size):
            magnitude, unit, value = _nearest(x[i], bases[i], p)
            value = _not_above(magnitude, value, unit)
            # The fraction of a unit in 32 bits; those that this drops could not carry, words end there.
            fraction = u32((magnitude - value) * _float(u32(254 << 23) - unit) * np.float32(1 << 32))
            value += _float(unit) if u32(fraction + words[i]) < fraction else np.float32(0)
            out[i] = _signed(value, x[i], p)


@njit(inline="always")
def _largest(x):
    largest = u32(0)
    for i in range(x.size):
        largest = max(largest, u32(x[i] & _MAGNITUDE))
    return largest


@njit
def _fields(largest, p):
    """Largest magnitudes of blocks to the exponent fields they ask for, in place; whether the short way is exact."""
    exact = True
    for i in range(largest.size):
        field = min(max(u32((largest[i] + p.carry) & _FIELD), p.lowest), p.highest)
        exact &= ((field >= p.least) | (largest[i] == 0)) & (field <= p.most) & (largest[i] < _FIELD)
        largest[i] = max(field, p.least)
    return exact


@njit(inline="always")
def _own_base(largest, field, p):
    """The base of a pair: no higher than its block's, no further below than the largest microexponent reaches.

    Without microexponents, where that is 0, every part of a block takes the block's.
    """
    own = u32((largest + p.carry) & _FIELD)
    return u32(max(min(own, field), u32(field - p.shift)) - p.range)


@njit
def _groups_largest(x, size, largest):
    """Largest magnitudes of groups of `size`, the last of which may be short; the filled part of `largest`."""
    whole = x.size // size
    if size == 1:
        for j in range(whole):
            largest[j] = x[j] & _MAGNITUDE
    elif size == 2:  # by itself, because this loop becomes vector code
        for j in range(whole):
            largest[j] = max(u32(x[2 * j] & _MAGNITUDE), u32(x[2 * j + 1] & _MAGNITUDE))
    else:
        grid = x[: whole * size].reshape(whole, size)
        for j in range(whole):
            largest[j] = _largest(grid[j])
    if whole * size < x.size:
        largest[whole] = _largest(x[whole * size :])
    return largest[: -(-x.size // size)]


@njit
def _spread(groups, size, members):
    """The value of its group to every member."""
    whole = members.size // size
    if size == 1:
        members[:] = groups
    elif size == 2:
        for j in range(whole):
            members[2 * j] = groups[j]
            members[2 * j + 1] = groups[j]
    else:
        grid = members[: whole * size].reshape(whole, size)
        for j in range(whole):
            for i in range(size):
                grid[j, i] = groups[j]
    members[whole * size :] = groups[groups.size - 1]


@njit(inline="always")
def _power(exponent):
    """2^exponent for -1022..1023, in float64."""
    return np.int64((exponent + 1023) << 52).view(np.float64)


@njit(inline="always")
def _fields_of(value):
    """Exponent and fraction of a float64 as one number: << 52 apart. No FP32 but 0 is subnormal there."""
    return np.float64(value).view(np.int64)


@njit
def _wanted_exponent(largest, p):
    if largest == 0:
        return np.int64(p.lowest_exponent - p.max_microexponent)
    top = _fields_of(_float(largest)) >> 29  # down to the last bit of an FP32
    return np.int64(((top + np.int64(p.carry)) >> 23) - 1023 - p.emax)


@njit(types.void(_In, _Out, _In, _i64, _Record), cache=True)
def _exactly(x, out, words, rounding, p):
    """One block, whatever it holds, in float64: every FP32 is exact there however it is scaled."""
    largest = _largest(x)
    if largest >= _FIELD:
        out[:] = _NAN
        return
    shared = min(max(_wanted_exponent(largest, p), np.int64(p.lowest_exponent)), np.int64(p.highest_exponent))
    pair = np.int64(p.subblock) if p.shift else x.size
    for start in range(0, x.size, pair):
        stop = min(start + pair, x.size)
        shift = min(max(shared - _wanted_exponent(_largest(x[start:stop]), p), 0), np.int64(p.max_microexponent))
        scale, unscale = _power(shift - shared), _power(shared - shift)
        for i in range(start, stop):
            magnitude = np.float64(_float(x[i] & _MAGNITUDE)) * scale
            place = max((_fields_of(magnitude) >> 52) - 1023 - p.fraction, p.lsb)
            units = magnitude * _power(-place)
            whole = np.floor(units)
            rest = units - whole
            if rounding == RNE:
                up = (rest > 0.5) | ((rest == 0.5) & (whole != 2 * np.floor(whole * 0.5)))
            elif rounding == RNA:
                up = rest >= 0.5
            else:
                up = rounding == SR and np.int64(rest * (1 << 32)) + np.int64(words[i]) >= 1 << 32
            value = min((whole + (1.0 if up else 0.0)) * _power(place), p.largest)
            out[i] = _signed(np.float32(value * unscale), x[i], p)


@njit(types.void(_In, _Out, _i64, _i64, _Plan, _i64, _In, u32, u32, u32), cache=True)
def along_rows(x, out, length, block, plan, rounding, words, key, kept, first):
    """Blocks along rows of `length` elements, one row after the other in x (n) and out (n), which may be the same.

    SR takes left-aligned 32-bit words (n) or, where there are none, makes them from `key`, the first for the slot
    `first`, and keeps the bits `kept`.
    """
    p = plan[0]
    scratch = np.empty((5, _CHUNK), np.uint32)
    slots = -(-length // block) * block  # of a row, pads included
    block = min(block, length)
    pair = np.int64(p.subblock) if p.shift else block
    pairs = -(-block // pair)  # of a block
    # Rows of whole blocks and pairs are as good as one long row.
    whole = length % block == 0 and block % pair == 0
    span, step = x.size if whole else length, _CHUNK // block * block
    for row in range(0, x.size, span):
        for start in range(row, row + span, step):
            stop = min(start + step, row + span)
            values, made, used = x[start:stop], out[start:stop], words[start:stop]
            if rounding == SR and not words.size:
                used = scratch[0, : stop - start]
                _draw_rows(used, start, length, slots, key, kept, first)
            largest = _groups_largest(values, pair, scratch[1])
            fields = _groups_largest(largest, pairs, scratch[2])
            if _fields(fields, p):
                own, bases = scratch[3, : largest.size], scratch[4, : stop - start]
                _spread(fields, pairs, own)
                for j in range(own.size):
                    own[j] = _own_base(largest[j], own[j], p)
                _spread(own, pair, bases)
                _elements(values, made, bases, used, rounding, p)
            else:
                for b in range(0, values.size, block):
                    end = b + block
                    _exactly(values[b:end], made[b:end], used[b:end], rounding, p)


@njit
def _columns_largest(x, o, rows, columns, largest):
    """Largest magnitudes of columns (start, stop) of x[o] over rows (start, stop)."""
    first = x[o, rows[0], columns[0] : columns[1]]
    for i in range(first.size):
        largest[i] = first[i] & _MAGNITUDE
    for k in range(rows[0] + 1, rows[1]):
        values = x[o, k, columns[0] : columns[1]]
        for i in range(values.size):
            largest[i] = max(largest[i], u32(values[i] & _MAGNITUDE))


@njit
def _column_exactly(x, out, o, rows, i, slot, rounding, p, words, key, kept):
    """`_exactly` for rows (start, stop) of column i, by way of a copy; `slot` is the first of them."""
    size = rows[1] - rows[0]
    values, made, drawn = np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size, np.uint32)
    _draw(drawn, slot, u32(1), key, kept)
    for k in range(size):
        values[k] = x[o, rows[0] + k, i]
        if words.size:
            drawn[k] = words[o, rows[0] + k, i]
    _exactly(values, made, drawn, rounding, p)
    for k in range(size):
        out[o, rows[0] + k, i] = made[k]


@njit(types.void(_In3, types.uint32[:, :, ::1], _i64, _Plan, _i64, _In3, u32, u32, u32), cache=True)
def across_rows(x, out, block, plan, rounding, words, key, kept, first):
    """Blocks along the middle axis of x (outer, length, inner) and out; words as above, (outer, length, inner)."""
    p = plan[0]
    outer, length, inner = x.shape
    pair = np.int64(p.subblock) if p.shift else block
    slots = -(-length // block) * block
    scratch = np.empty((3, min(_LANES, inner)), np.uint32)
    for o in range(outer):
        for start in range(0, length, block):
            stop = min(start + block, length)
            for left in range(0, inner, _LANES):
                right = min(left + _LANES, inner)
                fields, bases, drawn = (
                    scratch[0, : right - left],
                    scratch[1, : right - left],
                    scratch[2, : right - left],
                )
                _columns_largest(x, o, (start, stop), (left, right), fields)
                if not _fields(fields, p):
                    for i in range(left, right):
                        slot = u32(first + u32((o * inner + i) * slots + start))
                        _column_exactly(x, out, o, (start, stop), i, slot, rounding, p, words, key, kept)
                    continue
                for top in range(start, stop, pair):
                    bottom = min(top + pair, stop)
                    if p.shift:
                        _columns_largest(x, o, (top, bottom), (left, right), bases)
                        for i in range(bases.size):
                            bases[i] = _own_base(bases[i], fields[i], p)
                    else:
                        for i in range(bases.size):
                            bases[i] = fields[i] - p.range
                    for k in range(top, bottom):
                        if rounding == SR and words.size:
                            drawn[:] = words[o, k, left:right]
                        elif rounding == SR:
                            _draw(drawn, u32(first + u32((o * inner + left) * slots + k)), u32(slots), key, kept)
                        _elements(x[o, k, left:right], out[o, k, left:right], bases, drawn, rounding, p)
