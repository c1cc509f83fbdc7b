"""The header of a NumPy `.npy` file, kept byte for byte so that a tensor comes back as the very file that it was."""

import io
import math
from typing import NamedTuple

import numpy as np

from golden.gecko.descriptor import GeckoError

__all__ = ["NpyHeader", "array_of", "header_of", "read_header", "values_of"]

_MOST = 4096  # bytes; NumPy writes 128 for anything but structured types


class NpyHeader(NamedTuple):
    """A parsed header and the bytes that it came from."""

    raw: bytes
    dtype: np.dtype
    fortran: bool
    shape: tuple[int, ...]

    @property
    def length(self) -> int:
        """Values in the array."""
        return math.prod(self.shape)


def header_of(array: np.ndarray) -> NpyHeader:
    """The header that `numpy.save` writes for an array."""
    stream = io.BytesIO()
    facts = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(stream, facts)
    return NpyHeader(stream.getvalue(), array.dtype, facts["fortran_order"], array.shape)


def read_header(data: bytes) -> NpyHeader:
    """Parse the header at the start of `data` (untrusted); `GeckoError` if it is none, or no array could have it."""
    stream = io.BytesIO(data[:_MOST])
    try:
        version = np.lib.format.read_magic(stream)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = reader(stream)
        np.broadcast_to(np.zeros((), dtype), shape)  # as many and as long dimensions as an array may have
    except Exception as error:  # whatever NumPy's parser makes of foreign bytes, it means the same to the caller
        raise GeckoError(f".npy header: {error or type(error).__name__}".splitlines()[0]) from None
    return NpyHeader(data[: stream.tell()], dtype, fortran, shape)


def values_of(header: NpyHeader, data: bytes) -> np.ndarray:
    """The array with this header whose values are `data`, in the order that the header tells."""
    size = header.length * header.dtype.itemsize
    if len(data) != size:
        raise GeckoError(f".npy data of {len(data)} bytes: {size} by its header")
    if header.dtype.hasobject:
        raise GeckoError(f"dtype {header.dtype}: Python objects cannot be packed")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


def array_of(npy: bytes) -> np.ndarray:
    """The array in the contents of a `.npy` file, read-only."""
    header = read_header(npy)
    return values_of(header, npy[len(header.raw) :])
