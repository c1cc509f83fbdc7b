"""Views of tensors as stacks of matrices, copied to where a converter reads them: row by row, or tile by tile.

An element of such a matrix lies in memory where two numbers, one of its row and one of its column, add up to, whatever
axes of a view make the rows and the columns: windows that overlap are copied without being made first.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from golden.kernels import available
from golden.nn.layer import Array

__all__ = ["Grid", "flat_memory", "offsets"]

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


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """T matrices (M, K): element (t, i, k) is flat[rows[t, i] + columns[k]]."""

    flat: Array
    rows: Offsets
    columns: Offsets

    @classmethod
    def of(cls, view: Array, axes: int = 2) -> Self:
        """A view (T, *rows, *K), `axes` of its axes before K."""
        return cls(flat_memory(view), *offsets(view, axes))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, M, K)."""
        return *self.rows.shape, self.columns.size

    def part(self, start: int, stop: int) -> Self:
        """Rows start .. stop - 1 of each matrix."""
        return replace(self, rows=self.rows[:, start:stop])

    def matrices(self) -> Array:
        """All elements, (T, M, K); a view of them where they lie like that already."""
        batches, height, width = self.shape
        if self.columns[-1] == width - 1 and np.array_equal(
            self.rows.reshape(-1), np.arange(0, batches * height * width, width)
        ):
            return self.flat.reshape(self.shape)
        if not self._compiled:
            return self.flat[self.rows[..., np.newaxis] + self.columns]
        from golden.kernels.gather import gather_rows  # late: it imports numba

        out = np.empty(self.shape, np.float32)
        gather_rows(self.flat, np.ascontiguousarray(self.rows).reshape(-1), self.columns, out.reshape(-1, width))
        return out

    def tiles(self, size: int) -> Array:
        """(T, down, across, size * size): square tiles, row by row, filled up with zeros at the edges."""
        batches, height, width = self.shape
        down, across = -(-height // size), -(-width // size)
        if not self._compiled:
            padded = np.zeros((batches, down * size, across * size), self.flat.dtype)
            padded[:, :height, :width] = self.matrices()
            split = padded.reshape(batches, down, size, across, size).transpose(0, 1, 3, 2, 4)
            return split.reshape(batches, down, across, size * size)
        from golden.kernels.gather import gather_tiles  # late: it imports numba

        out = np.empty((batches, down, across, size, size), np.float32)
        for t, rows in enumerate(self.rows):
            gather_tiles(self.flat, rows, self.columns, out[t])
        return out.reshape(batches, down, across, size * size)

    @property
    def _compiled(self) -> bool:
        return available() and self.flat.dtype == np.float32
