"""What must hold for any bytes at all: the targets that the coverage-guided fuzzer and the property tests share.

Bytes that start with the magic number are taken for a `.gck` file, as they are and with their checksums put right (so
that damage is not stopped at the door). Any others are a descriptor, 32 bytes, and what follows is read twice: as
streams for the decoder and as values for the encoder. Each is compared with the scalar reference.
"""

import zlib
from dataclasses import replace

import numpy as np

from golden.gecko import reference
from golden.gecko.container import Container, decode, encode
from golden.gecko.descriptor import Descriptor, GeckoError, Mode
from golden.gecko.file import pack_npy, read, unpack, unpack_npy
from golden.gecko.size import measure
from golden.gecko.values import DTYPES

__all__ = ["any_bytes", "any_codec", "any_file"]

_MAGIC = b"\x89GCK\r\n\x1a\n"
_MOST = 140  # values: three groups, the last one short


def any_bytes(data: bytes) -> None:
    """The whole of it; raises (AssertionError or whatever went wrong) if a promise is broken."""
    if data.startswith(_MAGIC):
        any_file(data)
        any_file(_sealed(data))
        any_file(_sealed(_tensor_sealed(data)))
    else:
        any_codec(data)


def any_file(data: bytes) -> None:
    """A file is refused with a `GeckoError`, or holds the tensor that the scalar decoder sees, written one way only."""
    try:
        file = read(data)
    except GeckoError:
        return
    d = file.container.descriptor
    assert reference.decode(_lanes(file.container), _fields(file.container.metadata), d) == (file.bits.tolist(), False)
    npy = unpack_npy(data)
    assert npy.startswith(file.header.raw)
    assert unpack(data).size == d.length
    facts = ("mode", "bias", "zero_mask", "exponent_bits", "offset", "mantissa_bits", "sign_elided")
    assert pack_npy(npy, **{name: getattr(d, name) for name in facts}) == data


def any_codec(data: bytes) -> None:
    """Decoders agree on any streams, encoders on any values, and what was encoded comes back."""
    try:
        d = Descriptor.from_bytes(data[:32])
    except GeckoError:
        return
    rest = data[32:]
    d = replace(d, length=min(d.length, _MOST))
    metadata = rest[: d.metadata_bytes].ljust(d.metadata_bytes, b"\0")
    words = np.frombuffer(rest[len(metadata) :][: len(rest) // d.beat_bytes * d.beat_bytes], np.uint8)
    beats = words[: words.size // d.beat_bytes * d.beat_bytes].view(DTYPES[d.source]).reshape(-1, 8)
    garbage = Container(d, beats, metadata)
    decoded = decode(garbage)
    assert (decoded.bits.tolist(), decoded.error) == reference.decode(_lanes(garbage), _fields(metadata), d)

    bits = np.frombuffer(rest[: len(rest) // 4 * 4], DTYPES[d.source])[: d.length]
    d = replace(d, length=bits.size)
    try:
        lanes, lane_bits, fields = reference.encode(bits.tolist(), d)
    except GeckoError:
        try:
            encode(bits, d)
        except GeckoError:
            return
        raise AssertionError(f"only the reference refuses {bits.tolist()} under {d}") from None
    container = encode(bits, d)
    assert len(container.data) == -(-lane_bits // d.source.bits)
    assert (_lanes(container), _fields(container.metadata)) == (lanes, fields)
    assert measure(bits, d).coded == 8 * (container.data.nbytes + len(container.metadata))
    kept = [reference.join(*reference.split(value, d), d) for value in bits.tolist()]
    decoded = decode(container)
    assert (decoded.bits.tolist(), decoded.error, decoded.beats) == (kept, False, len(container.data))
    if d.mode is not Mode.RAW:
        raw = replace(d, mode=Mode.RAW, zero_mask=False)
        assert decode(encode(bits, raw)).bits.tolist() == kept


def _sealed(data: bytes) -> bytes:
    body = data[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def _tensor_sealed(data: bytes) -> bytes:
    """Put the tensor's checksum right as well, where the descriptor and the streams can be cut out at all."""
    try:
        d = Descriptor.from_bytes(data[16:48])
        if d.length > _MOST or d.meta_address > len(data) or d.data_address > d.meta_address:
            return data
        beats = np.frombuffer(data[d.data_address : d.meta_address], DTYPES[d.source]).reshape(-1, 8)
        bits = decode(Container(d, beats, data[d.meta_address : -4])).bits
    except ValueError:
        return data
    return data[:12] + zlib.crc32(bits.tobytes()).to_bytes(4, "little") + data[16:]


def _lanes(container: Container) -> list[int]:
    word = container.descriptor.source.bits
    return [sum(int(w) << word * k for k, w in enumerate(container.data[:, c])) for c in range(8)]


def _fields(metadata: bytes) -> list[int]:
    words = (int.from_bytes(metadata[i : i + 3], "little") for i in range(0, len(metadata), 3))
    return [word >> 3 * r & 7 for word in words for r in range(8)]
