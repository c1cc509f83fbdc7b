"""Elements of a view copied to where a converter reads them one after the other."""

from numba import njit, types

__all__ = ["gather_rows", "gather_tiles"]

_Flat = types.Array(types.float32, 1, "C", readonly=True)
_Offsets = types.int64[::1]


@njit(types.void(_Flat, _Offsets, _Offsets, types.float32[:, ::1]), cache=True)
def gather_rows(flat, rows, columns, out):
    """out[i, k] = flat[rows[i] + columns[k]]."""
    for i in range(rows.size):
        first, row = rows[i], out[i]
        for k in range(columns.size):
            row[k] = flat[first + columns[k]]


@njit(types.void(_Flat, _Offsets, _Offsets, types.float32[:, :, :, ::1]), cache=True)
def gather_tiles(flat, rows, columns, out):
    """The same matrix in tiles: out (down, across, size, size), zeros beyond its edges."""
    down, across, size, _ = out.shape
    for d in range(down):
        height = min(size, rows.size - d * size)
        for a in range(across):
            left = a * size
            width = min(size, columns.size - left)
            tile = out[d, a]
            if height < size or width < size:
                tile[:] = 0
            for i in range(height):
                first, row = rows[d * size + i], tile[i]
                for j in range(width):
                    row[j] = flat[first + columns[left + j]]
