"""What every bias b would cost, exactly and in one pass over the tensor, so that the cheapest can be picked.

A row has width <= t (t <= ne-2) exactly if all its differences to b lie in -rho..rho, rho = 2^t - 1: b must be within
rho of every code of the row, on the circle of 2^ne codes. Such codes lie on an arc of at most 2 rho <= H-2 steps
(H = 2^(ne-1)), which is therefore the row's shortest one, [low, low + span], and the biases that qualify are again an
arc, [low + span - rho, low + rho]. So a row is summed up by (low, span), a tensor by a histogram of these, and the
cost of all biases by adding arcs. Rows whose codes fit no such arc have width ne-1 for every b.
"""

import numpy as np

from golden.gecko.container import chunks, lane_major
from golden.gecko.descriptor import Descriptor, Mode
from golden.gecko.rows import clear_missing, difference_widths
from golden.gecko.values import codes_of

__all__ = ["cheapest_bias", "code_bits_by_bias"]


def cheapest_bias(bits: np.ndarray, d: Descriptor) -> int:
    """The bias that gives flat bit patterns the fewest exponent bits in `d.mode`; the lowest one if several do."""
    return int(code_bits_by_bias(bits, d).argmin())


def code_bits_by_bias(bits: np.ndarray, d: Descriptor) -> np.ndarray:
    """Exponent bits that depend on b, in one lane, for b = 0 .. 2^ne - 1 (int64; `d.bias` is ignored).

    In fixed mode these are all of them. In delta mode only rows below a masked base depend on b.
    """
    size, half = 1 << d.exponent_bits, 1 << (d.exponent_bits - 1)
    histogram = np.zeros(d.exponent_bits * size * half, np.int64)
    wide = 0
    for part in chunks(bits):
        floor, low, span = _arcs(lane_major(codes_of(part, d)), d, part.size)
        fits = span <= half - 2
        wide += int((~fits).sum())
        key = (floor[fits].astype(np.int64) * size + low[fits]) * half + span[fits]
        histogram += np.bincount(key, minlength=histogram.size)
    seen = np.flatnonzero(histogram)
    rows, total = histogram[seen], int(histogram.sum())
    floor, low, span = seen // half // size, seen // half % size, seen % half
    cost = np.full(size, wide * d.exponent_bits, np.int64)
    for t in range(d.exponent_bits - 1):
        rho = (1 << t) - 1
        within = (floor <= t) & (span <= 2 * rho)
        start = (low[within] + span[within] - rho) % size
        length = 2 * rho - span[within] + 1
        # Arcs as steps up and down on two turns of the circle, folded into one.
        steps = np.bincount(start, rows[within], 2 * size + 1) - np.bincount(start + length, rows[within], 2 * size + 1)
        turns = np.cumsum(steps[: 2 * size]).astype(np.int64)
        narrow = turns[:size] + turns[size:]
        # Each row wider than t pays one more bit; the first one also brings the sign bit.
        cost += (2 if t == 0 else 1) * (total - narrow)
    return cost


def _arcs(codes: np.ndarray, d: Descriptor, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the rows that depend on b: the width that their other lanes force, and the shortest arc of those that do."""
    size, half = 1 << d.exponent_bits, 1 << (d.exponent_bits - 1)
    against = np.ones(codes.shape, bool)
    clear_missing(against, count)
    if d.zero_mask:
        against &= codes != 0
    floor = np.zeros(codes.shape[1:], np.uint8)
    if d.mode is Mode.DELTA:
        own = against & against[:, :, :1]
        floor = difference_widths(np.where(own, codes - codes[:, :, :1], np.uint8(0)), d.exponent_bits)
        against &= ~against[:, :, :1]
        if not d.zero_mask:
            against[:] = False
    rows = against.any(axis=0)
    arcs = []
    for turn in (0, half):  # an arc of less than half the circle cannot cross both 0 and H
        turned = (codes + np.uint8(turn)) & np.uint8(size - 1)
        low = np.where(against, turned, np.uint8(255)).min(axis=0)[rows].astype(np.int64)
        high = np.where(against, turned, np.uint8(0)).max(axis=0)[rows].astype(np.int64)
        arcs.append(((low - turn) % size, high - low))
    (low, span), (low_turned, span_turned) = arcs
    turned = span_turned < span
    return floor[rows], np.where(turned, low_turned, low), np.where(turned, span_turned, span)
