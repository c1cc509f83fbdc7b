"""The .gck file: what goes in comes out, byte for byte; everything else is one clear error."""

import io
import zlib
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source
from golden.gecko.file import pack, pack_npy, read, unpack, unpack_npy
from golden.gecko.values import as_bits

RNG = np.random.default_rng(11)
SMALL = (RNG.standard_normal((4, 33)) * 0.05).astype(np.float32)
ARRAYS = {
    "float32": SMALL,
    "fortran": np.asfortranarray(SMALL),
    "strided": SMALL[::2, ::3],
    "big-endian": SMALL.astype(">f4"),
    "bfloat16": SMALL.astype(ml_dtypes.bfloat16),
    "void": SMALL.astype(ml_dtypes.bfloat16).view("V2"),
    "uint16": RNG.integers(0, 1 << 16, 100).astype(np.uint16),
    "uint16-big": RNG.integers(0, 1 << 16, 100).astype(">u2"),
    "uint32": RNG.integers(0, 1 << 32, (5, 4, 3, 2)).astype(np.uint32),
    "scalar": np.array(1.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
}


def npy(array, version=(1, 0)):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def seal(body):
    """Put the right checksum under altered contents, so that what is behind it is reached."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def altered(gck, at, new):
    return seal(gck[:at] + new + gck[at + len(new) : -4])


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("facts", [{}, {"mode": Mode.RAW}, {"mode": Mode.DELTA, "zero_mask": True}])
def test_file_comes_back_byte_for_byte(name, version, facts):
    before = npy(ARRAYS[name], version)
    assert unpack_npy(pack_npy(before, **facts)) == before


@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back(name):
    array = ARRAYS[name]
    back = unpack(pack(array))
    assert (back.shape, back.dtype.itemsize, back.tobytes()) == (array.shape, array.dtype.itemsize, array.tobytes())
    assert pack(array) == pack_npy(npy(array))
    if array.dtype.kind in "fu":
        assert back.dtype == array.dtype


def test_cut_values_come_back_cut():
    back = unpack(pack(SMALL, mantissa_bits=3))
    assert np.array_equal(back.view(np.uint32), SMALL.view(np.uint32) & 0xFFF00000)


def test_descriptor_addresses_are_offsets_in_the_file():
    gck = pack(SMALL)
    container = read(gck).container
    d = container.descriptor
    assert gck[d.data_address : d.meta_address] == container.data.tobytes()
    assert gck[d.meta_address : -4] == container.metadata
    assert d == Descriptor.from_bytes(gck[16:48])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3),
        np.zeros(3, np.float16),
        np.zeros(3, np.int16),
        np.zeros(3, [("a", "u1"), ("b", "u1")]),
        np.array(["ab"]),
    ],
)
def test_types_that_are_not_packed(array):
    with pytest.raises(GeckoError, match="dtype"):
        pack(array)
    with pytest.raises(GeckoError, match="dtype"):
        pack_npy(npy(array))


@pytest.mark.parametrize(
    "npy_bytes",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04",
        npy(SMALL)[:-1],
        npy(SMALL) + b"\0",
        npy(SMALL)[:60],
        npy(SMALL).replace(b"\x01\0v", b"\x03\0v"),
    ],
)
def test_bad_npy(npy_bytes):
    with pytest.raises(GeckoError):
        pack_npy(npy_bytes)


@pytest.mark.parametrize("facts", [{}, {"mode": Mode.RAW}, {"mode": Mode.FIXED, "zero_mask": True}])
def test_every_flipped_bit_is_an_error(facts):
    gck = pack(SMALL[:2, :9].astype(ml_dtypes.bfloat16), **facts)
    for i in range(8 * len(gck)):
        flipped = bytearray(gck)
        flipped[i // 8] ^= 1 << i % 8
        with pytest.raises(GeckoError):
            read(bytes(flipped))


@pytest.mark.parametrize("facts", [{}, {"mode": Mode.RAW}, {"mode": Mode.FIXED, "zero_mask": True}])
def test_no_flipped_bit_under_a_right_checksum_gives_other_values(facts):
    """What is accepted says the same in other words: an unused bias, a width that holds all codes, a name."""
    gck = pack(SMALL[:2, :9].astype(ml_dtypes.bfloat16), **facts)
    bits, accepted = read(gck).bits, []
    for i in range(8 * (len(gck) - 4)):
        flipped = bytearray(gck[:-4])
        flipped[i // 8] ^= 1 << i % 8
        try:
            file = read(seal(bytes(flipped)))
        except GeckoError:
            continue
        assert np.array_equal(file.bits, bits)
        assert (file.header.length, file.header.dtype.itemsize) == (18, 2)
        accepted.append(i // 8)
    # Exponent width, bias, the 128 bytes of the .npy header.
    assert set(accepted) <= {38, 40, *range(48, 176)}


def test_every_truncation_and_an_extra_byte_are_errors():
    gck = pack(SMALL[:2, :9])
    for end in range(len(gck)):
        with pytest.raises(GeckoError):
            read(gck[:end])
        if end != len(gck) - 4:  # there only the checksum is missing, and put back
            with pytest.raises(GeckoError):
                read(seal(gck[:end]))
    with pytest.raises(GeckoError):
        read(gck + b"\0")
    with pytest.raises(GeckoError):
        read(seal(gck[:-4] + b"\0"))


GCK = pack(SMALL, mode=Mode.DELTA)
OF = read(GCK).container.descriptor


@pytest.mark.parametrize(
    ("gck", "message"),
    [
        (npy(SMALL), "not a .gck"),
        (GCK[:40], "truncated"),
        (altered(GCK, 8, b"\x02"), "version 2"),
        (GCK[:-1] + b"\0", "truncated or altered"),
        (altered(GCK, 16, replace(OF, length=64).to_bytes()), "do not fit"),
        (altered(GCK, 16, replace(OF, length=131).to_bytes()), "shape"),  # as many groups
        (altered(GCK, 16, replace(OF, source=Source.BF16, mantissa_bits=7).to_bytes()), "dtype"),
        (altered(GCK, 16, replace(OF, data_address=0).to_bytes()), "do not fit"),
        (altered(GCK, 16, replace(OF, meta_address=40).to_bytes()), "do not fit"),
        (altered(GCK, 16, replace(OF, mantissa_bits=22).to_bytes()), "beats"),
        (altered(GCK, 16, replace(OF, mode=Mode.FIXED).to_bytes()), "beats"),
        (altered(GCK, 16, replace(OF, bias=3).to_bytes()), None),  # plays no part in delta mode: accepted
        (altered(GCK, 16, bytes([0] * 22 + [2])), "source 2"),
        (altered(GCK, OF.meta_address, b"\x02"), "mode field is illegal"),
        (altered(GCK, OF.data_address, bytes(4)), "checksum of the tensor"),
        (altered(GCK, 10, b"\x10"), ".npy header"),
    ],
)
def test_message(gck, message):
    if message is None:
        assert np.array_equal(unpack(gck), SMALL)
        return
    with pytest.raises(GeckoError, match=message):
        read(gck)


def test_impossible_width():
    """3 exponent bits have widths 0..2; a file that says 3 is refused, though its decoder would go on with 2."""
    gck = pack(np.full(16, 0x3F80, np.uint16), mode=Mode.DELTA, exponent_bits=3, offset=122)
    with pytest.raises(GeckoError, match="width or mode field is illegal"):
        read(altered(gck, read(gck).container.descriptor.meta_address, bytes([3 << 3])))


def test_wider_field_than_needed_is_not_canonical():
    """Zeros in a row that claims width 1 (26 bits a lane in the place of 24): the same tensor, not as it is written."""
    gck = pack(np.zeros(16, np.uint16), mode=Mode.DELTA)
    with pytest.raises(GeckoError, match="not canonical"):
        read(altered(gck, read(gck).container.descriptor.meta_address, bytes([1 << 3])))


def test_lengths_that_no_memory_could_hold():
    """A raw descriptor of 2^47 values on an empty data stream is refused before anything is allocated."""
    d = replace(OF, length=1 << 47, mode=Mode.RAW, data_address=48 + 128, meta_address=48 + 128)
    header = npy(np.zeros(0, np.float32))[:128].replace(b"(0,)" + b" " * 14, b"(%d,)" % (1 << 47) + b" " * 3)
    body = GCK[:16] + d.to_bytes() + header
    with pytest.raises(GeckoError, match="0 data beats"):
        read(seal(body))


def test_real_tensors():
    """Weights, activations and gradients of a trained network: whole again, and never above raw but for the frame."""
    with np.load(Path(__file__).parents[1] / "data" / "digits.npz") as digits:
        tensors = {name: digits[name] for name in digits.files if digits[name].dtype == np.float32}
    assert len(tensors) >= 9
    for name, tensor in tensors.items():
        gck = pack(tensor, zero_mask=None)
        assert np.array_equal(unpack(gck).view(np.uint32), tensor.view(np.uint32)), name
        assert len(gck) <= tensor.nbytes + 31 + 48 + 128 + 4, name


def test_patterns_of_any_layout():
    bits, source = as_bits(SMALL.T)
    assert source is Source.FP32
    assert np.shares_memory(bits, SMALL)
    assert np.array_equal(bits, SMALL.view(np.uint32).ravel())
