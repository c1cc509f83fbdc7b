"""Views of tensors as stacks of matrices, copied to where a converter reads them: row by row, or tile by tile.

A view has axes (T, *rows, *K). Its elements lie in memory where two numbers, one of the row and one of the column, add
up to, so that a window that overlaps its neighbours is copied without being made first.
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from golden.kernels import available
from golden.nn.layer import Array

__all__ = ["Offsets", "flat_memory", "matrices", "offsets", "tiles"]

Offsets = NDArray[np.int64]


def flat_memory(view: Array) -> Array:
    """The memory that a view looks at, from its lowest to its highest element."""
    rising = view[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in view.strides)]
    reach = sum((size - 1) * stride for size, stride in zip(rising.shape, rising.strides, strict=True))
    return as_strided(rising, (1 + reach // view.itemsize,), (view.itemsize,), writeable=False)


def offsets(view: Array, axes: int) -> tuple[Offsets, Offsets]:
    """Offsets into `flat_memory` of the rows (T, M) and of the columns (K) of a view, its first `axes` before K."""
    return _offsets(view.shape, tuple(stride // view.itemsize for stride in view.strides), axes)


@lru_cache(maxsize=256)
def _offsets(shape: tuple[int, ...], strides: tuple[int, ...], axes: int) -> tuple[Offsets, Offsets]:
    def places(axis: int) -> Offsets:
        count = np.arange(shape[axis])
        return (count if strides[axis] >= 0 else count - (shape[axis] - 1)) * strides[axis]

    def outer(chosen: range) -> Offsets:
        total = np.zeros(1, np.int64)
        for axis in chosen:
            total = (total[:, np.newaxis] + places(axis)).reshape(-1)
        return total

    return outer(range(axes)).reshape(shape[0], -1), outer(range(axes, len(shape)))


def matrices(view: Array, axes: int = 2) -> Array:
    """(T, *rows, *K), `axes` of them before K -> contiguous (T, M, K); the view itself where it is that already."""
    if view.flags.c_contiguous or not _compiled(view):
        return view.reshape(len(view), int(np.prod(view.shape[1:axes])), -1)
    from golden.kernels.gather import gather_rows  # late: it imports numba

    flat, (rows, columns) = flat_memory(view), offsets(view, axes)
    out = np.empty((*rows.shape, columns.size), np.float32)
    for t, first in enumerate(rows):
        gather_rows(flat, first, columns, out[t])
    return out


def tiles(view: Array, axes: int, size: int) -> Array:
    """(T, *rows, *K) -> (T, down, across, size * size): square tiles, row by row, filled up with zeros at the edges."""
    if not _compiled(view):
        return _sliced(matrices(view, axes), size)
    from golden.kernels.gather import gather_tiles  # late: it imports numba

    flat, (rows, columns) = flat_memory(view), offsets(view, axes)
    down, across = -(-rows.shape[1] // size), -(-columns.size // size)
    out = np.empty((len(rows), down, across, size, size), np.float32)
    for t, first in enumerate(rows):
        gather_tiles(flat, first, columns, out[t])
    return out.reshape(len(rows), down, across, size * size)


def _compiled(view: Array) -> bool:
    return available() and view.dtype == np.float32


def _sliced(stack: Array, size: int) -> Array:
    """`tiles` of (T, M, K) in NumPy."""
    batches, rows, columns = stack.shape
    down, across = -(-rows // size), -(-columns // size)
    if (rows, columns) != (down * size, across * size):
        padded = np.zeros((batches, down * size, across * size), stack.dtype)
        padded[:, :rows, :columns] = stack
        stack = padded
    split = stack.reshape(batches, down, size, across, size).transpose(0, 1, 3, 2, 4)
    return split.reshape(batches, down, across, size * size)
