"""The usual files of image sets: idx (MNIST, Fashion-MNIST) and the pickled batches of CIFAR-10 and CIFAR-100."""

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from golden.data.sets import DataError

__all__ = ["CIFAR10", "CIFAR100", "read_cifar", "read_idx", "read_idx_folder"]

# Third byte of an idx file: the type of its elements, big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MNIST_FILES = {"train": "train", "test": "t10k"}
CIFAR10 = ([f"data_batch_{n}" for n in range(1, 6)], ["test_batch"], b"labels")
CIFAR100 = (["train"], ["test"], b"fine_labels")
Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_idx(path: Path) -> NDArray[Any]:
    """The array of an idx file, plain or `.gz`.

    Layout: two zero bytes, type, number of axes, one big-endian 32-bit length per axis, elements in C order.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise DataError(f"{path.name}: not an idx file")
    dtype, axes = np.dtype(_IDX_TYPES[data[2]]), data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path.name}: {len(data)} bytes, its {axes} lengths end at {start}")
    shape = struct.unpack(f">{axes}I", data[4:start])
    wanted = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(data) != wanted:
        raise DataError(f"{path.name}: {len(data)} bytes, {wanted} by its header")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_idx_folder(folder: Path) -> dict[str, Images]:
    """ "train" and "test" of a folder with MNIST's four files, `train-images-idx3-ubyte[.gz]` and so on."""
    parts = {}
    for part, prefix in _MNIST_FILES.items():
        pixels, labels = (
            read_idx(_either(folder, f"{prefix}-{what}")) for what in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or labels.shape != pixels.shape[:1]:
            raise DataError(f"{folder.name}: {prefix} has images {pixels.shape} and labels {labels.shape}")
        parts[part] = pixels, labels.astype(np.int64)
    return parts


def _either(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


class _Unpickler(pickle.Unpickler):
    """A pickle can run any code; these batches need nothing but the parts of a NumPy array."""

    _ALLOWED = frozenset(
        {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
        | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise DataError(f"refused: the pickle asks for {module}.{name}, a CIFAR batch holds arrays and lists only")
        return super().find_class(module, name)


def _batch(file: BinaryIO, name: str, label_key: bytes) -> Images:
    try:
        batch = _Unpickler(file, encoding="bytes").load()
        data, labels = np.asarray(batch[b"data"], dtype=np.uint8), np.asarray(batch[label_key], dtype=np.int64)
        # rows of 3,072 bytes: the red plane, the green, the blue, each 32 rows of 32
        return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise DataError(f"{name}: not a CIFAR batch in python form ({error})") from None


def read_cifar(folder: Path, layout: tuple[list[str], list[str], bytes]) -> dict[str, Images]:
    """ "train" and "test" of a folder of python batches: pixels (n, 32, 32, 3), labels; `layout` is one of the two."""
    training, testing, label_key = layout
    parts = {}
    for part, names in (("train", training), ("test", testing)):
        batches = []
        for name in names:
            with open(folder / name, "rb") as file:
                batches.append(_batch(file, name, label_key))
        parts[part] = np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])
    return parts
