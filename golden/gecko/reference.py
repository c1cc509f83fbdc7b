"""Gecko one value at a time, in plain integers: the readable twin that the NumPy definition is property-tested against.

Written straight from gecko.md 1-5, sharing nothing with the vectorised code but the descriptor. Lanes are Python
integers of any length, bit 0 first in time. Slow by design.
"""

from collections.abc import Sequence

from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, GeckoError, Mode

__all__ = ["decode", "encode", "join", "split"]


def split(value: int, d: Descriptor) -> tuple[int, int, int]:
    """A bit pattern as (exponent code, mantissa cut to wm bits, sign); `GeckoError` if the container cannot hold it."""
    m = d.source.mantissa_bits
    fraction, field, sign = value & (1 << m) - 1, value >> m & 255, value >> m + 8
    if sign and d.sign_elided:
        raise GeckoError(f"value {value:#x}: its sign bit is set, and the descriptor elides signs")
    if d.exponent_bits == 8:
        code = field
    elif field == 0:
        return 0, 0, 0  # zeros and subnormals become +0
    else:
        code = (field - d.offset) % 256
        if not 1 <= code < 1 << d.exponent_bits:
            raise GeckoError(f"value {value:#x}: exponent field {field} is outside the window of {d}")
    mantissa = fraction >> m - d.mantissa_bits
    if field == 255 and fraction and not mantissa:  # a NaN must not turn into an infinity: keep it quiet
        if d.mantissa_bits == 0:
            raise GeckoError(f"value {value:#x}: a NaN needs at least 1 mantissa bit")
        mantissa = 1 << d.mantissa_bits - 1
    return code, mantissa, sign


def join(code: int, mantissa: int, sign: int, d: Descriptor) -> int:
    """The bit pattern behind (exponent code, mantissa, sign)."""
    m = d.source.mantissa_bits
    field = code if d.exponent_bits == 8 or code == 0 else (code + d.offset) % 256
    return sign << m + 8 | field << m | mantissa << m - d.mantissa_bits


def _row_code(codes: Sequence[int], bases: Sequence[int], counts: Sequence[bool], ne: int) -> tuple[int, list[int]]:
    """Width field and lane codes of one row; lanes that do not count (masked, missing) have difference 0."""
    half, modulus = 1 << ne - 1, 1 << ne
    magnitudes, signs = [], []
    for code, base, count in zip(codes, bases, counts, strict=True):
        d = (code - base + half) % modulus - half if count else 0
        signs.append(int(d < 0))
        magnitudes.append(0 if d == -half else abs(d))
    width = max(m.bit_length() for m in magnitudes)
    if any(s and not m for m, s in zip(magnitudes, signs, strict=True)):
        width = ne - 1  # "minus zero" means -half, which only a full-width row can be told to hold
    return width, [m << 1 | s for m, s in zip(magnitudes, signs, strict=True)]


def _undo(code: int, base: int, ne: int) -> int:
    magnitude, sign = code >> 1, code & 1
    d = -magnitude if sign else magnitude
    if sign and not magnitude:
        d = -(1 << ne - 1)
    return (base + d) % (1 << ne)


def encode(values: Sequence[int], d: Descriptor) -> tuple[list[int], int, list[int]]:
    """Bit patterns -> (8 lanes, bits in each lane, metadata fields: 8 a group, none in raw mode)."""
    lanes, filled, metadata = [0] * LANES, 0, []

    def append(fields: Sequence[int], width: int) -> None:
        nonlocal filled
        for c, field in enumerate(fields):
            lanes[c] |= field << filled
        filled += width

    for start in range(0, len(values), GROUP):
        parts = [split(v, d) for v in values[start : start + GROUP]]
        n = len(parts)
        parts += [(0, 0, 0)] * (GROUP - n)
        masked = [d.zero_mask and i < n and parts[i][0] == 0 for i in range(GROUP)]
        has_mask = d.zero_mask and (d.mode is Mode.FIXED or any(masked))
        if has_mask:
            append([sum(masked[r * LANES + c] << r for r in range(ROWS)) for c in range(LANES)], 8)
        bases = [d.bias] * LANES
        if d.mode is not Mode.FIXED:
            bases = [d.bias if masked[c] else parts[c][0] for c in range(LANES)]
        for r in range(ROWS):
            lane = range(r * LANES, (r + 1) * LANES)
            row = [parts[i] for i in lane]
            exists = r * LANES < n
            if d.mode is Mode.RAW:
                bits, codes = d.exponent_bits, [p[0] for p in row]
            elif d.mode is Mode.DELTA and r == 0:
                bits, codes = d.exponent_bits, bases
                metadata.append(int(has_mask))
            else:
                counts = [i < n and not masked[i] for i in lane]
                width, codes = _row_code([p[0] for p in row], bases, counts, d.exponent_bits)
                bits = width + 1 if width else 0
                metadata.append(width)
            if exists:
                tails = [p[1] if d.sign_elided else p[1] << 1 | p[2] for p in row]
                append([c << d.tail_bits | t for c, t in zip(codes, tails, strict=True)], bits + d.tail_bits)
    return lanes, filled, metadata


def decode(lanes: Sequence[int], metadata: Sequence[int], d: Descriptor) -> tuple[list[int], bool]:
    """8 lanes and the metadata fields -> (bit patterns, error flag), as a decoder that never stops (gecko.md 3).

    An illegal metadata field raises the flag and counts as the value that gecko.md 3 puts in brackets; bits past the
    end of a lane read as zero.
    """
    ne, position, error, values = d.exponent_bits, 0, False, []

    def take(width: int) -> list[int]:
        nonlocal position
        position += width
        return [lane >> position - width & (1 << width) - 1 for lane in lanes]

    for group in range(d.groups):
        n = min(GROUP, d.length - group * GROUP)
        fields = [0] * ROWS if d.mode is Mode.RAW else list(metadata[group * ROWS : (group + 1) * ROWS])
        has_mask = d.zero_mask and d.mode is Mode.FIXED
        if d.mode is Mode.DELTA:
            has_mask = fields[0] == 1 and d.zero_mask
            error |= fields[0] != 0 and not has_mask
            fields[0] = 0
        for r in range(ROWS):
            legal = ne - 1 if r * LANES < n else 0
            if fields[r] > legal:
                error, fields[r] = True, legal
        masks = take(8) if has_mask else [0] * LANES
        bases = [d.bias] * LANES
        for r in range(-(-n // LANES)):
            raw = d.mode is Mode.RAW or (d.mode is Mode.DELTA and r == 0)
            bits = ne if raw else fields[r] + 1 if fields[r] else 0
            row = take(bits + d.tail_bits)
            codes = [field >> d.tail_bits for field in row]
            if not raw:
                codes = [_undo(code, base, ne) for code, base in zip(codes, bases, strict=True)]
            elif d.mode is Mode.DELTA:
                bases = [d.bias if mask & 1 else code for code, mask in zip(codes, masks, strict=True)]
            for c in range(min(LANES, n - r * LANES)):
                tail = row[c] & (1 << d.tail_bits) - 1
                mantissa, sign = (tail, 0) if d.sign_elided else (tail >> 1, tail & 1)
                values.append(join(0 if masks[c] >> r & 1 else codes[c], mantissa, sign, d))
    return values, error
