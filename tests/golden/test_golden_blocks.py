"""Block arrays: layouts, tails, the memory image, codes that no converter makes."""

import numpy as np
import pytest
from golden_support import patterns
from hypothesis import given
from hypothesis import strategies as st

import golden
from golden import reference
from golden.blocks import BlockArray
from golden.catalog import bfp

RNG = np.random.default_rng(7)
X = RNG.standard_normal((3, 10, 5)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis_is_the_last_axis_moved(axis):
    q = golden.quantize(X, "bfp5x4", axis=axis)
    moved = golden.quantize(np.ascontiguousarray(np.moveaxis(X, axis, -1)), "bfp5x4")
    assert (q.codes.tolist(), q.scales.tolist()) == (moved.codes.tolist(), moved.scales.tolist())
    assert q.dequantize().shape == X.shape
    assert np.array_equal(np.moveaxis(q.dequantize(), axis, -1), moved.dequantize())


@pytest.mark.parametrize(
    "view", [X.T, X[::2, ::-1], X[:, 1:7:2], np.broadcast_to(X[0], (2, 10, 5)), np.asfortranarray(X)]
)
def test_any_memory_layout(view):
    view = view.view()
    view.flags.writeable = False
    plain = golden.quantize(view.copy(order="C"), "bfp4x3", axis=1)
    assert golden.quantize(view, "bfp4x3", axis=1).to_bits().tolist() == plain.to_bits().tolist()


def test_input_is_left_alone():
    x = np.array([1.0, np.nan, np.inf, -0.0, 1e-40, 2.5], np.float32)
    before = x.tobytes()
    golden.quantize(x, "bfp4x3").codes[:] = 0
    assert x.tobytes() == before


def test_shapes_and_types():
    q = golden.quantize(X, "bfp12x4e8", axis=1)
    assert q.codes.shape == (3, 5, 3, 4)
    assert q.scales.shape == q.poison.shape == q.exponents.shape == (3, 5, 3)
    assert q.mantissas.shape == q.codes.shape
    assert (q.codes.dtype, q.scales.dtype) == (np.uint16, np.uint8)
    assert q.to_bits().shape == (3, 5, 3, (4 * 12 + 8) // 8)
    assert q.dequantize().dtype == np.float32
    assert (q.shape, q.axis, q.microexponents, q.tensor_scale) == ((3, 10, 5), 1, None, None)


def test_ragged_tail_is_filled_with_zeros():
    short, full = np.full(5, -3.0, np.float32), np.array([-3.0] * 5 + [0.0] * 3, np.float32)
    q, padded = golden.quantize(short, "bfp4x4"), golden.quantize(full, "bfp4x4")
    assert q.to_bits().tolist() == padded.to_bits().tolist()
    assert q.codes[1].tolist() == [14, 0, 0, 0]
    assert q.dequantize().tolist() == [-3.0] * 5
    words = np.full(5, 255, np.uint8)  # pads draw no word that could lift them
    assert golden.quantize(short, "bfp4x4", rounding="sr", random=words).codes[1, 1:].tolist() == [0, 0, 0]


def test_axis_shorter_than_a_block():
    q = golden.quantize([0.5], "bfp4")
    assert q.codes.shape == (1, 64)
    assert q.dequantize().tolist() == [0.5]


def test_negative_zero_and_poison_payload_are_ignored_on_reading():
    fmt = bfp(4, 3)
    q = BlockArray.from_codes(fmt, [[8, 15, 1], [8, 15, 1]], [3, fmt.scale.poison_code])
    assert q.mantissas.tolist() == [[0, -7, 1], [0, 0, 0]]
    assert patterns(q.dequantize()) == [*patterns([0.0, -7.0, 1.0]), 0x7FC00000, 0x7FC00000, 0x7FC00000]
    back = golden.from_bits(q.to_bits(), fmt, q.shape)
    assert patterns(back.dequantize()) == patterns(q.dequantize())
    ones = golden.quantize(np.ones(6, np.float32), fmt)
    assert patterns(golden.block_dot(back, ones)) == [*patterns([-6.0]), 0x7FC00000]


@given(st.data(), st.integers(2, 16), st.integers(1, 9), st.integers(5, 10))
def test_any_codes_pack_and_dequantize_as_the_scalar_ones(data, mantissa, block, exponent):
    fmt = bfp(mantissa, block, exponent)
    codes = data.draw(st.lists(st.integers(0, (1 << mantissa) - 1), min_size=2 * block, max_size=2 * block))
    scales = data.draw(st.lists(st.integers(0, (1 << exponent) - 1), min_size=2, max_size=2))
    q = BlockArray.from_codes(fmt, np.reshape(codes, (2, block)), scales)
    image = q.to_bits()
    back = golden.from_bits(image, fmt, q.shape)
    assert (back.codes.tolist(), back.scales.tolist()) == (q.codes.tolist(), q.scales.tolist())
    values = patterns(q.dequantize())
    for i in range(2):
        scalar = reference.Block(fmt, scales[i], codes[i * block : (i + 1) * block])
        assert int.from_bytes(image[i].tobytes(), "little") == reference.pack(scalar)
        assert values[i * block : (i + 1) * block] == reference.dequantize(scalar)


def test_image_ends_in_zero_bits_that_are_ignored():
    q = golden.quantize([1.0, -2.0, 3.0], "bfp4x3")  # 22 bits in 3 bytes
    image = q.to_bits()
    assert image[0, 2] >> 6 == 0
    image[0, 2] |= 0xC0
    assert golden.from_bits(image, "bfp4x3", (3,)).to_bits().tolist() == q.to_bits().tolist()


def test_image_along_another_axis():
    q = golden.quantize(X, "bfp6x4", axis=0)
    back = golden.from_bits(q.to_bits(), "bfp6x4", X.shape, axis=0)
    assert np.array_equal(back.dequantize(), q.dequantize())


@pytest.mark.parametrize(
    ("codes", "scales", "options", "message"),
    [
        ([[0, 0, 0]], [0], {}, r"\(\.\.\., blocks, 4\)"),
        ([0, 0, 0, 0], 0, {}, "wanted"),
        ([[0, 0, 0, 0]], [0, 0], {}, "wanted"),
        ([[0, 0, 0, 16]], [0], {}, r"codes: integers 0\.\.15"),
        ([[0, 0, 0, -1]], [0], {}, r"codes: integers 0\.\.15"),
        ([[0, 0, 0, 0.5]], [0], {}, r"codes: integers 0\.\.15"),
        ([[0, 0, 0, 0]], [1024], {}, r"scales: integers 0\.\.1023"),
        ([[0, 0, 0, 0]], [0], {"shape": (5,)}, "is not codes"),
        ([[0, 0, 0, 0]], [0], {"shape": (1, 4), "axis": 0}, "is not codes"),
        ([[0, 0, 0, 0]], [0], {"shape": (4,), "axis": 1}, "axis 1"),
    ],
)
def test_bad_codes(codes, scales, options, message):
    with pytest.raises(ValueError, match=message):
        BlockArray.from_codes("bfp4x4", codes, scales, **options)


@pytest.mark.parametrize(("dtype", "shape"), [(np.uint8, (2, 4)), (np.uint8, (3,)), (np.uint16, (1, 4))])
def test_bad_images(dtype, shape):
    with pytest.raises(ValueError, match=r"uint8 \(1, 4\) wanted"):
        golden.from_bits(np.zeros(shape, dtype), "bfp4x4", (4,))
