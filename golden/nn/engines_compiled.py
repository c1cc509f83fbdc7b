"""Block products compiled with numba: the bits of `golden.nn.engines_numpy`, without copies of windows.

An element of the left operand is found by the sum of two offsets, one of its row and one of its column (an indirect
matrix), so that windows of images are never unfolded. Four rows by `lanes` columns stay in registers: the sum of the
block at hand in the engine's type, and the FP32 accumulator that it joins when the block is complete.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.nn.engines import Engine
from golden.nn.engines_simd import SOURCE, accumulate, at, load, multiply_add, store, zeros
from golden.nn.layer import Array
from golden.nn.unfold import flat_memory, offsets

__all__ = ["block_product", "extremes"]

_ROWS = 4  # of a register tile


@njit(inline="always")
def _two_sum(x, y):
    """x + y rounded, and what that rounding lost, exactly (Knuth)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


@njit
def _any(flags, places):
    return flags[places[0]] or flags[places[1]] or flags[places[2]] or flags[places[3]]


@njit
def _carry(a, rows, columns, b, first, step, out):
    """Sums of one block of a register tile, each as a float64 and its error; rounded once into `out`.

    Errors are multiples of the products' unit and small beside 2^53 of it, so their float64 sum is exact. The sum of
    both is rounded to odd in float64, from which 24 bits round as from the exact one (Boldo and Melquiond 2008).
    """
    lanes = out.size // _ROWS
    for r in range(_ROWS):
        for lane in range(lanes):
            total, error = np.float64(0), np.float64(0)
            for k in range(columns.size):
                product = np.float64(a[rows[r] + columns[k]]) * np.float64(b[first + k * step + lane])
                total, lost = _two_sum(total, product)
                error += lost
            total, error = _two_sum(total, error)
            if error != 0 and np.float64(total).view(np.int64) & 1 == 0:
                total = np.nextafter(total, np.inf if error > 0 else -np.inf)
            out[r * lanes + lane] = np.float32(total)


def _kernel(lanes: int, kind: type[np.floating[Any]]) -> Any:
    """The kernel for tiles of so many columns, blocks summed in `kind`."""
    single, exact, carries = np.float32, kind, kind is np.float64
    operations = SOURCE  # numba looks at this file and at the closure to see whether what it cached is stale

    @njit(error_model="numpy", cache=True)
    def run(a, rows, columns, b, panels, step, length, block, wide_a, wide_b, flagged, out):
        """a flat; rows (T, M) and columns (K) offsets into it; b flat, T times `panels` panels of K rows.

        A row of a panel begins `step` elements behind the one before and has `lanes` elements, those beyond the
        last column of out (T, M, N) without meaning. Blocks of `block` columns begin anew every `length` columns.
        """
        batches, count, width = out.shape
        depth = columns.size if operations else 0
        flat = out.reshape(-1)
        scratch = np.empty(_ROWS * lanes, np.float32)
        none, empty = zeros(lanes, single), zeros(lanes, exact)  # type: ignore[call-arg, var-annotated]
        for t in range(batches):
            for panel in range(panels):
                first = (t * panels + panel) * depth * step
                left = panel * lanes
                for i in range(0, count, _ROWS):
                    r0 = rows[t, i]  # the last tile repeats its last row
                    r1 = rows[t, min(i + 1, count - 1)]
                    r2 = rows[t, min(i + 2, count - 1)]
                    r3 = rows[t, min(i + 3, count - 1)]
                    s0, s1, s2, s3 = none, none, none, none
                    k = 0
                    for group in range(0, depth, length):
                        end = group + length
                        while k < end:
                            stop = min(k + block, end)
                            p0, p1, p2, p3 = empty, empty, empty, empty
                            if carries:
                                tile = r0 + columns[k], r1 + columns[k], r2 + columns[k], r3 + columns[k]
                                if flagged and (wide_b[t * depth + k] or _any(wide_a, tile)):
                                    _carry(a, (r0, r1, r2, r3), columns[k:stop], b, first + k * step, step, scratch)
                                    s0 = accumulate(s0, load(lanes, scratch, 0))
                                    s1 = accumulate(s1, load(lanes, scratch, lanes))
                                    s2 = accumulate(s2, load(lanes, scratch, 2 * lanes))
                                    s3 = accumulate(s3, load(lanes, scratch, 3 * lanes))
                                    k = stop
                                    continue
                            while k < stop:
                                place = at(columns, k)
                                row = load(lanes, b, first + k * step)
                                p0 = multiply_add(at(a, r0 + place), row, p0)
                                p1 = multiply_add(at(a, r1 + place), row, p1)
                                p2 = multiply_add(at(a, r2 + place), row, p2)
                                p3 = multiply_add(at(a, r3 + place), row, p3)
                                k += 1
                            s0, s1 = accumulate(s0, p0), accumulate(s1, p1)
                            s2, s3 = accumulate(s2, p2), accumulate(s3, p3)
                    store(scratch, 0, s0)
                    store(scratch, lanes, s1)
                    store(scratch, 2 * lanes, s2)
                    store(scratch, 3 * lanes, s3)
                    for r in range(min(_ROWS, count - i)):
                        place = (t * count + i + r) * width + left
                        for j in range(min(lanes, width - left)):
                            flat[place + j] = scratch[r * lanes + j]

    return run


_KERNELS = {
    (Engine.FLOAT32, 16): _kernel(16, np.float32),
    (Engine.FLOAT32, 32): _kernel(32, np.float32),
    (Engine.FLOAT64, 16): _kernel(16, np.float64),
}


def block_product(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    block: int,
    engine: Engine,
    wide: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None],
) -> NDArray[np.float32]:
    """As `golden.nn.engines_numpy.block_product`."""
    axes = a.ndim - (b.ndim - 2)  # before K
    length, width = b.shape[-2:]
    lanes = 32 if -(-width // 16) % 2 == 0 and engine is Engine.FLOAT32 else 16
    flat, (rows, columns) = flat_memory(a), offsets(a, axes)
    panels, step, packed = _packed(b, lanes)
    out = np.empty((*a.shape[:axes], width), np.float32)
    flagged = wide[0] is not None or wide[1] is not None
    wide_a = np.zeros(flat.size if flagged else 1, np.bool_) if wide[0] is None else flat_memory(wide[0])
    wide_b = np.zeros(b.shape[:-1] if flagged else 1, np.bool_) if wide[1] is None else wide[1].any(axis=-1)
    kernel = _KERNELS[Engine.FLOAT32 if engine is Engine.FLOAT32 else Engine.FLOAT64, lanes]
    kernel(
        flat, rows, columns, packed, panels, step, length, block,
        wide_a, wide_b.reshape(-1), flagged, out.reshape(len(b), -1, width),
    )  # fmt: skip
    return out


def _packed(b: Array, lanes: int) -> tuple[int, int, Array]:
    """Panels of `lanes` columns of b (T, *K, N): their number, the distance of their rows, and all of them flat.

    A single panel keeps the rows as they are; its last row is followed by as many elements as a vector reads beyond.
    """
    width = b.shape[-1]
    panels = -(-width // lanes)
    if panels == 1:
        flat = np.zeros(b.size + lanes, np.float32)
        flat[: b.size].reshape(b.shape)[...] = b
        return 1, width, flat
    packed = np.zeros((len(b), panels, *b.shape[1:-1], lanes), np.float32)
    for panel in range(panels):
        columns = b[..., panel * lanes : (panel + 1) * lanes]
        packed[:, panel, ..., : columns.shape[-1]] = columns
    return panels, lanes, packed.reshape(-1)


@njit(cache=True)
def _extremes(magnitudes):
    least, most = np.uint32(0xFFFFFFFF), np.uint32(0)
    for i in range(magnitudes.size):
        magnitude = np.uint32(magnitudes[i] & np.uint32(0x7FFFFFFF))
        least = min(least, np.uint32(magnitude - np.uint32(1)))  # a zero becomes the largest
        most = max(most, magnitude)
    return least, most


def extremes(values: NDArray[np.float32]) -> tuple[int, int]:
    """As `golden.nn.engines_numpy.extremes`."""
    least, most = _extremes(values.reshape(-1).view(np.uint32))
    return (int(least) + 1) & 0xFFFFFFFF, int(most)
