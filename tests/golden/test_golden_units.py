"""Random words, ReLU and tile."""

import numpy as np
import pytest
from golden_support import CORNERS, NAN, floats, patterns

import golden
from golden import reference
from golden.catalog import bfp
from golden.formats import Rounding
from golden.units import relu, tile
from golden.words import counter_words, lane_words, top_bits


def test_counter_words_come_in_any_order():
    words = counter_words("fc1/w", 7, 1000, seed=5)
    slots = np.array([[999, 0], [17, 500]])
    assert counter_words("fc1/w", 7, slots, seed=5).tolist() == words[slots].tolist()
    for other in (counter_words("fc1/x", 7, 4, 5), counter_words("fc1/w", 8, 4, 5), counter_words("fc1/w", 7, 4, 6)):
        assert other.tolist() != words[:4].tolist()


def test_counter_words_accept_any_step_and_seed():
    """Products with the step wrap modulo 2^32, whatever its size."""
    assert counter_words("t", 1 << 32, 3).tolist() == counter_words("t", 0, 3).tolist()
    assert counter_words("t", 2_000_000_000, 3).dtype == np.uint32


@pytest.mark.parametrize(
    ("bits", "dtype", "expected"),
    [
        (1, np.uint8, 1),
        (8, np.uint8, 0xDE),
        (9, np.uint16, 0x1BD),
        (16, np.uint16, 0xDEAD),
        (32, np.uint32, 0xDEADBEEF),
    ],
)
def test_top_bits(bits, dtype, expected):
    top = top_bits(np.array([0xDEADBEEF], np.uint32), bits)
    assert (top.dtype, top.tolist()) == (dtype, [expected])


@pytest.mark.parametrize("bits", [0, 33])
def test_top_bits_range(bits):
    with pytest.raises(ValueError, match=r"1\.\.32"):
        top_bits(np.zeros(1, np.uint32), bits)


def scalar_lane(seed, lane):
    """One lane's words, forever, in plain integers."""
    state = seed ^ (lane * 0x85EBCA6B & 0xFFFFFFFF) or 0x6D2B79F5
    for draw in range(1 << 30):
        for shift in (13, -17, 5):
            state ^= (state << shift if shift > 0 else state >> -shift) & 0xFFFFFFFF
        if draw >= 3:
            yield state


@pytest.mark.parametrize(("block", "lanes", "bits"), [(8, 4, 8), (5, 4, 16), (3, 8, 32), (4, 1, 5)])
@pytest.mark.parametrize("seed", [0x9E3779B9, 0, 1])
def test_lane_words_equal_one_generator_per_lane(block, lanes, bits, seed):
    generators = [scalar_lane(seed, lane) for lane in range(lanes)]
    expected = []
    for _ in range(6):
        steps = [[next(generator) >> 32 - bits for generator in generators] for _ in range(-(-block // lanes))]
        expected.append([steps[i // lanes][i % lanes] for i in range(block)])
    assert lane_words(6, block, lanes, bits, seed).tolist() == expected


def test_relu():
    x = [value | sign for value in CORNERS for sign in (0, 1 << 31)]
    assert patterns(relu(floats(x))) == [reference.relu(value) for value in x]
    assert patterns(relu(floats([0x80000000, 0xFF800000, 0x80000001, 0xFFC00001, 0x7F800000]))) == [
        *(0, 0, 0, NAN),
        0x7F800000,
    ]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("rounding", ["rne", "sr"])
def test_tile_equals_scalar(fused, rounding):
    """Sixteen dots of three blocks, one of them poisoned: four blocks of four results."""
    rng = np.random.default_rng(11)
    x, y = (rng.standard_normal((16, 12)).astype(np.float32) for _ in range(2))
    x[9, 4] = np.inf
    inputs, results = bfp(4, 4), bfp(6, 4)
    words = rng.integers(0, 256, 16, dtype=np.uint8)
    a, b = golden.quantize(x, inputs), golden.quantize(y, inputs)
    random = words if rounding == "sr" else None
    q = tile(a, b, results, fused=fused, rounding=rounding, random=random)

    def scalar_blocks(row):
        return [reference.quantize(patterns(row[i : i + 4]), inputs) for i in (0, 4, 8)]

    accumulate = reference.dot_fused if fused else reference.dot
    sums = [reference.relu(accumulate(scalar_blocks(x[i]), scalar_blocks(y[i]))) for i in range(16)]
    for i in range(4):
        part = slice(4 * i, 4 * i + 4)
        block = reference.quantize(sums[part], results, Rounding(rounding), "floor", words[part].tolist(), 8)
        assert (q.scales[i], q.codes[i].tolist()) == (block.scale, block.codes)
    assert q.poison.tolist() == [False, False, True, False]
    assert q.dequantize()[~np.isnan(q.dequantize())].min() == 0


def test_tile_takes_the_accumulation_mode():
    """1 + (2^-24 + 2^-52) - 1: the middle block is a tie when it is rounded on its own."""
    a = golden.quantize([[1.0, 0, 2.0**-24, 2.0**-38, -1.0, 0]], bfp(16, 2))
    b = golden.quantize([[1.0, 0, 1.0, 2.0**-14, 1.0, 0]], bfp(16, 2))
    results = [tile(a, b, bfp(16, 1), fused=fused).dequantize().tolist() for fused in (False, True)]
    assert results == [[0.0], [2.0**-23]]
