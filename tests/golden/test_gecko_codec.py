"""The NumPy codec equals the scalar reference on everything, corrupt streams included, and loses nothing."""

import itertools
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from gecko_support import LENGTHS, container_of, cut, descriptors, fields_of, lanes_of, tensors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from golden.gecko import container as container_module
from golden.gecko import reference
from golden.gecko.container import Container, decode, encode
from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source
from golden.gecko.values import DTYPES


@contextmanager
def chunks_of(values):
    """Let the codec work on this many values at a time, so that short tensors cross chunk borders too."""
    before = container_module._CHUNK
    container_module._CHUNK = values
    try:
        yield
    finally:
        container_module._CHUNK = before


def check_equal(bits, d):
    lanes, lane_bits, fields = reference.encode(bits.tolist(), d)
    container = encode(bits, d)
    expected = container_of(lanes, lane_bits, fields, d)
    assert container.metadata == expected.metadata
    assert container.data.tolist() == expected.data.tolist()
    kept = cut(bits.tolist(), d)
    assert reference.decode(lanes, fields, d) == (kept, False)
    decoded = decode(container)
    assert (decoded.bits.tolist(), decoded.error, decoded.beats) == (kept, False, len(container.data))
    if d.mantissa_bits == d.source.mantissa_bits and d.exponent_bits == 8:
        assert kept == bits.tolist()


@settings(max_examples=300, deadline=None)
@given(tensors(), st.sampled_from([64, 128, 1 << 15]))
def test_numpy_equals_reference(tensor, chunk):
    with chunks_of(chunk):
        check_equal(*tensor)


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_mode_and_width(source, length):
    rng = np.random.default_rng(length)
    for ne, mode, masked, elided in itertools.product(range(1, 9), Mode, (False, True), (False, True)):
        if (ne == 1 and mode is not Mode.RAW) or (masked and mode is Mode.RAW):
            continue
        d = Descriptor(
            source=source,
            length=length,
            mode=mode,
            exponent_bits=ne,
            mantissa_bits=source.mantissa_bits,
            bias=(1 << ne) - 2 if ne > 1 else 0,
            offset=0 if ne == 8 else 100,
            sign_elided=elided,
            zero_mask=masked,
        )
        codes = rng.integers(0, 1 << ne, length)
        field = np.where(codes == 0, 0, codes + d.offset)
        sign = 0 if elided else rng.integers(0, 2, length)
        fraction = rng.integers(0, 1 << source.mantissa_bits, length)
        check_equal((sign << source.bits - 1 | field << source.mantissa_bits | fraction).astype(DTYPES[source]), d)


@pytest.mark.parametrize("ne", range(2, 9))
@pytest.mark.parametrize("mode", [Mode.DELTA, Mode.FIXED])
def test_row_code_is_lossless_for_every_pair(ne, mode):
    """Every (base, value) of ne bits meets in some row of 8 lanes; the other lanes take neighbouring pairs."""
    size = 1 << ne
    base, value = (part.ravel() for part in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    if mode is Mode.DELTA:
        rows = np.zeros((len(base) // 8, 8, 8), np.int64)  # one group for 8 pairs: its base row, its row 1, six of base
        rows[:] = base.reshape(-1, 1, 8)
        rows[:, 1] = value.reshape(-1, 8)
        tests = [(rows.ravel(), 0)]
    else:
        tests = [(np.arange(size), b) for b in range(size)]
    for codes, bias in tests:
        offset = 0 if ne == 8 else 128 - size // 2  # no code lands on an exponent field of zero
        field = codes if ne == 8 else np.where(codes == 0, 0, codes + offset)
        d = Descriptor(source=Source.BF16, length=codes.size, mode=mode, exponent_bits=ne, mantissa_bits=7)
        d = replace(d, bias=bias, offset=offset)
        bits = (field << 7).astype(np.uint16)
        decoded = decode(encode(bits, d))
        assert np.array_equal(decoded.bits, bits)
        assert not decoded.error


def test_difference_of_half_the_circle_is_minus_zero():
    """128 apart (gecko.md 3): width 7, code 1; a zero in a column of 255 needs 1 bit, because differences wrap."""
    d = Descriptor(source=Source.BF16, length=24, mode=Mode.DELTA, mantissa_bits=0, sign_elided=True)
    fields = [0] * 8 + [128] + [0] * 7 + [255] + [0] * 7
    lanes, _, metadata = reference.encode([f << 7 for f in fields], d)
    assert metadata == [0, 7, 1, 0, 0, 0, 0, 0]
    assert lanes[0] == 0 | 1 << 8 | 0b11 << 16
    assert encode(np.array(fields, np.uint16) << 7, d).data[:, 0].tolist() == [1 << 8, 0b11]


def test_rows_without_any_bit():
    """L_r = 0: equal exponents, no mantissa, no sign. Only base rows reach the data stream."""
    d = Descriptor(source=Source.BF16, length=640, mode=Mode.FIXED, mantissa_bits=0, bias=127, sign_elided=True)
    ones = np.full(640, 127 << 7, np.uint16)
    container = encode(ones, d)
    assert (container.data.shape, container.metadata) == ((0, 8), bytes(30))
    assert np.array_equal(decode(container).bits, ones)
    container = encode(ones, replace(d, mode=Mode.DELTA))
    assert container.data.shape == (5, 8)


def test_specials_survive_whole():
    """-0, subnormals, infinities and every NaN payload of BF16 come back bit for bit in every mode."""
    every = np.arange(1 << 16, dtype=np.uint16)
    for mode, masked in [(Mode.RAW, False), *itertools.product((Mode.DELTA, Mode.FIXED), (False, True))]:
        d = Descriptor(source=Source.BF16, length=every.size, mode=mode, mantissa_bits=7, bias=127, zero_mask=masked)
        assert np.array_equal(decode(encode(every, d)).bits, every)


def test_cut_nan_stays_nan():
    d = Descriptor(source=Source.FP32, length=3, mantissa_bits=2)
    bits = np.array([0x7F800001, 0xFF800000, 0x7FA00000], np.uint32)
    assert decode(encode(bits, d)).bits.tolist() == [0x7FC00000, 0xFF800000, 0x7FA00000]


@pytest.mark.parametrize(
    ("value", "facts", "message"),
    [
        (0x7FC0, {"mantissa_bits": 0}, "NaN"),
        (0x8000, {"sign_elided": True}, "sign bit"),
        (0x3F80, {"exponent_bits": 3, "offset": 127}, "outside the window"),  # code 0 is zero's alone
        (0x3F80, {"exponent_bits": 3, "offset": 119}, "outside the window"),
    ],
)
def test_refused_by_both(value, facts, message):
    d = Descriptor(**{"source": Source.BF16, "length": 1, "mantissa_bits": 7} | facts)
    with pytest.raises(GeckoError, match=message):
        reference.encode([value], d)
    with pytest.raises(GeckoError, match=message):
        encode(np.array([value], np.uint16), d)


def test_tensor_that_is_not_the_descriptors():
    d = Descriptor(source=Source.BF16, length=2, mantissa_bits=7, mode=Mode.DELTA)
    with pytest.raises(GeckoError, match="uint16"):
        encode(np.zeros(2, np.uint32), d)
    with pytest.raises(GeckoError, match="descriptor"):
        encode(np.zeros(3, np.uint16), d)
    with pytest.raises(GeckoError, match="metadata"):
        decode(Container(d, np.zeros((9, 8), np.uint16), b""))


@settings(max_examples=300, deadline=None)
@given(descriptors(), st.integers(0, 1 << 32), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([64, 1 << 15]))
def test_decoders_agree_on_garbage(d, seed, wild, chunk):
    """Any metadata, any data, any number of beats: the same values and the same flag, and never an exception."""
    rng = np.random.default_rng(seed)
    metadata = rng.integers(0, 256, d.metadata_bytes) * (rng.random(d.metadata_bytes) < wild)
    beats = rng.integers(0, 1 << d.source.bits, (int(rng.integers(0, 200)), 8)).astype(DTYPES[d.source])
    garbage = Container(d, beats, bytes(metadata.astype(np.uint8)))
    with chunks_of(chunk):
        decoded = decode(garbage)
    assert (decoded.bits.tolist(), decoded.error) == reference.decode(lanes_of(garbage), fields_of(garbage), d)


@pytest.mark.parametrize(
    ("fields", "facts", "meant"),
    [
        ([0, 3], {"exponent_bits": 3}, [0, 2]),  # a width above ne-1
        ([2, 1], {}, [0, 1]),  # no such mode
        ([7, 1], {"zero_mask": True}, [0, 1]),
        ([1, 1], {}, [0, 1]),  # a mask that the descriptor does not allow
        ([0, 1, 1], {}, [0, 1, 0]),  # a row that does not exist
        ([0, 1, 0, 0, 0, 0, 0, 7], {}, [0, 1]),
        ([7, 0, 0], {"mode": Mode.FIXED, "exponent_bits": 6, "zero_mask": True}, [5, 0]),
    ],
)
def test_illegal_metadata_raises_the_flag_and_reads_as_bracketed(fields, facts, meant):
    d = Descriptor(**{"source": Source.BF16, "length": 13, "mode": Mode.DELTA, "mantissa_bits": 2} | facts)
    rng = np.random.default_rng(1)
    lanes = [int(lane) for lane in rng.integers(0, 1 << 62, 8)]
    bad, good = (container_of(lanes, 62, (f + [0] * 8)[:8], d) for f in (fields, meant))
    assert decode(bad).error
    assert not decode(good).error
    assert decode(bad).bits.tolist() == decode(good).bits.tolist()
    assert reference.decode(lanes, fields_of(bad), d) == (decode(bad).bits.tolist(), True)


@example(Descriptor(source=Source.BF16, length=64, mode=Mode.DELTA, mantissa_bits=7))
@given(descriptors())
def test_descriptor_comes_back_from_its_bytes(d):
    assert Descriptor.from_bytes(d.to_bytes()) == d
