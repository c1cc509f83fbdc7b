"""The `.gck` file: one tensor, its `.npy` header, two checksums; read strictly (nothing is repaired or guessed).

    byte 0   8  magic 89 47 43 4B 0D 0A 1A 0A ("GCK"; shows a text-mode transfer at once)
         8   2  version, 1
        10   2  h, length of the .npy header
        12   4  CRC-32 of the restored bit patterns, little-endian, in arrival order
        16  32  descriptor (gecko.md 4); its addresses are offsets in this file
        48   h  .npy header: type, shape and order of the original
      48+h      data beats, each lane 0 first, words little-endian
                metadata bytes
        -4   4  CRC-32 of everything before

Numbers are little-endian. A file is accepted only if it is byte for byte what packing the tensor that it holds under
the descriptor that it states would write. So every file has one reading, and damage that a checksum might miss, or a
writer that got the code wrong, ends in one `GeckoError`, never in another tensor.
"""

import struct
import zlib
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from golden.gecko.container import Container, decode, encode
from golden.gecko.descriptor import Descriptor, GeckoError, Mode
from golden.gecko.npy import NpyHeader, header_of, read_header, values_of
from golden.gecko.size import choose
from golden.gecko.values import DTYPES, as_bits

__all__ = ["VERSION", "GckFile", "pack", "pack_npy", "read", "unpack", "unpack_npy"]

VERSION = 1
_MAGIC = b"\x89GCK\r\n\x1a\n"
_START = struct.Struct("<8sHHI")
_FIXED = _START.size + 32


class GckFile(NamedTuple):
    """A file read and checked: its container, the flat bit patterns in it, and the header of the original."""

    container: Container
    bits: np.ndarray
    header: NpyHeader


def pack(array: np.ndarray, **facts: Any) -> bytes:
    """An array as the contents of a `.gck` file; `facts` as in `size.candidates`, the cheapest way by default.

    Lossless unless `mantissa_bits` or `exponent_bits` say otherwise. Types as in `values.as_bits`, any shape.
    """
    return _pack(np.asarray(array), header_of(np.asarray(array)), facts)


def pack_npy(npy: bytes, **facts: Any) -> bytes:
    """The contents of a `.npy` file as those of a `.gck` file; `facts` as in `pack`."""
    header = read_header(npy)
    return _pack(values_of(header, npy[len(header.raw) :]), header, facts)


def unpack(gck: bytes) -> np.ndarray:
    """The array in the contents of a `.gck` file; a bfloat16 array comes back as 2-byte voids, as from `numpy.load`."""
    file = read(gck)
    return values_of(file.header, _value_bytes(file))


def unpack_npy(gck: bytes) -> bytes:
    """The contents of the `.npy` file that a `.gck` file was packed from (its values cut if it was packed so)."""
    file = read(gck)
    return file.header.raw + _value_bytes(file)


def _pack(array: np.ndarray, header: NpyHeader, facts: dict[str, Any]) -> bytes:
    bits, source = as_bits(array)
    container = encode(bits, choose(bits, source, **facts))
    d = container.descriptor
    kept = bits if d.exponent_bits == 8 and d.mantissa_bits == source.mantissa_bits else decode(container).bits
    return _write(container, header, _checksum(kept))


def _write(container: Container, header: NpyHeader, checksum: int) -> bytes:
    data = container.data.tobytes()
    address = _FIXED + len(header.raw)
    d = replace(container.descriptor, data_address=address, meta_address=address + len(data))
    start = _START.pack(_MAGIC, VERSION, len(header.raw), checksum)
    body = b"".join([start, d.to_bytes(), header.raw, data, container.metadata])
    return body + zlib.crc32(body).to_bytes(4, "little")


def read(gck: bytes) -> GckFile:
    """Read the contents of a `.gck` file and check all of it; whatever is wrong is one `GeckoError`."""
    if gck[: len(_MAGIC)] != _MAGIC:
        raise GeckoError("not a .gck file: it does not start with the magic number")
    if len(gck) < _FIXED + 4:
        raise GeckoError(f"truncated: {len(gck)} bytes, at least {_FIXED + 4}")
    _, version, header_bytes, checksum = _START.unpack_from(gck)
    if version != VERSION:
        raise GeckoError(f"version {version}: only {VERSION} is known")
    if zlib.crc32(gck[:-4]) != int.from_bytes(gck[-4:], "little"):
        raise GeckoError("checksum: the file is truncated or altered")
    d = Descriptor.from_bytes(gck[_START.size : _FIXED])
    header = read_header(gck[_FIXED : _FIXED + header_bytes])
    if len(header.raw) != header_bytes:
        raise GeckoError(f".npy header of {len(header.raw)} bytes: {header_bytes} by the file header")
    container = _streams(gck, d, _FIXED + header_bytes)
    if header.length != d.length:
        raise GeckoError(f"shape {header.shape}: {d.length} values by the descriptor")
    if as_bits(np.empty(0, header.dtype))[1] is not d.source:
        raise GeckoError(f"dtype {header.dtype}: {d.source.name} by the descriptor")
    bits, error, beats = decode(container)
    if error:
        raise GeckoError("metadata: a width or mode field is illegal")
    if beats != len(container.data):
        raise GeckoError(f"{len(container.data)} data beats: {beats} by the metadata")
    if _checksum(bits) != checksum:
        raise GeckoError("checksum of the tensor: data and descriptor do not belong together")
    again = encode(bits, d)
    if again.metadata != container.metadata or not np.array_equal(again.data, container.data):
        raise GeckoError("not canonical: the encoder writes this tensor otherwise")
    return GckFile(container, bits, header)


def _streams(gck: bytes, d: Descriptor, start: int) -> Container:
    """Cut the two streams out of a file, before anything is allocated for a length that may not be true."""
    end = len(gck) - 4
    if d.data_address != start or d.meta_address + d.metadata_bytes != end or d.meta_address < start:
        raise GeckoError(
            f"descriptor: {d.length} values with data at {d.data_address} and metadata at {d.meta_address} do not fit "
            f"a file of {len(gck)} bytes whose data start at {start}"
        )
    if (d.meta_address - start) % d.beat_bytes:
        raise GeckoError(f"{d.meta_address - start} data bytes: a multiple of {d.beat_bytes}")
    words = np.frombuffer(gck[start : d.meta_address], DTYPES[d.source].newbyteorder("<"))
    container = Container(d, words.reshape(-1, 8), gck[d.meta_address : end])
    # The other modes are bounded by their metadata: 3 bytes a group.
    raw_beats = -(-d.rows * (d.exponent_bits + d.tail_bits) // d.source.bits)
    if d.mode is Mode.RAW and len(container.data) != raw_beats:
        raise GeckoError(f"{len(container.data)} data beats: {raw_beats} by the descriptor")
    return container


def _checksum(bits: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(bits, bits.dtype.newbyteorder("<")).data)


def _value_bytes(file: GckFile) -> bytes:
    """Bit patterns in the byte order that the original's header states (voids: little-endian, as bfloat16 is)."""
    big = file.header.dtype.byteorder == ">"
    return file.bits.astype(file.bits.dtype.newbyteorder(">" if big else "<"), copy=False).tobytes()
