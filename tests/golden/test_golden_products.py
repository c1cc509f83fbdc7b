"""Products: vectorised against scalar, matrix products against dots, and the corners of FP32 accumulation."""

import numpy as np
import pytest
from golden_support import NAN, blocks, floats, msfp, patterns
from hypothesis import example, given
from hypothesis import strategies as st

import golden
from golden import reference
from golden.blocks import BlockArray
from golden.catalog import bfp
from golden.products import block_sums, dot_fused, fused_add


@st.composite
def operands(draw):
    """Two long vectors of a common block size, as FP32 patterns or as any codes, with their scalar blocks."""
    block, count = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    pair = []
    for _ in range(2):
        fmt = draw(st.sampled_from([bfp(draw(st.integers(2, 16)), block, draw(st.integers(5, 10))), msfp(3, block)]))
        if draw(st.booleans()):
            rows = [draw(blocks(block, finite=draw(st.booleans()))) for _ in range(count)]
            array = golden.quantize(floats(rows).reshape(-1), fmt)
            scalar = [reference.quantize(row, fmt) for row in rows]
        else:
            codes = st.lists(st.integers(0, (1 << fmt.element.bits) - 1), min_size=block, max_size=block)
            scalar = [
                reference.Block(fmt, draw(st.integers(0, (1 << fmt.scale.bits) - 1)), draw(codes)) for _ in range(count)
            ]
            array = BlockArray.from_codes(fmt, [b.codes for b in scalar], [b.scale for b in scalar])
        pair.append((array, scalar))
    return pair


@given(operands())
def test_dots_equal_scalar(pair):
    (a, a_blocks), (b, b_blocks) = pair
    columns = (column.tolist() for column in block_sums(a, b))
    expected = [reference.block_sum(*both) for both in zip(a_blocks, b_blocks, strict=True)]
    assert list(zip(*columns, strict=True)) == expected
    results = [reference.block_dot(*both) for both in zip(a_blocks, b_blocks, strict=True)]
    assert patterns(golden.block_dot(a, b)) == results
    assert patterns(golden.dot(a, b)) == [reference.dot(a_blocks, b_blocks)]
    assert patterns(dot_fused(a, b)) == [reference.dot_fused(a_blocks, b_blocks)]


@given(
    st.one_of(blocks(1).map(lambda row: row[0]), st.integers(0, (1 << 32) - 1)),
    st.one_of(st.integers(-(1 << 41), 1 << 41), st.integers(-(1 << 52), 1 << 52)),
    st.one_of(st.integers(-1054, 1030), st.integers(-200, 110)),
    st.integers(-60, 40),
)
@example(0x3F800000, 1, -24, 0)  # a tie, to even
@example(0x3F800001, 1, -24, 0)
@example(0x3F800000, (1 << 41) + 1, -65, 0)  # a tie but for a bit that float64 drops
@example(0x3F800000, -(1 << 41) - 1, -66, 0)
@example(0x7F7FFFFF, 1, 103, 0)  # overflows by a tie
@example(0x80000000, 0, 0, 0)
@example(0x00000000, -1, -400, 0)  # underflows to -0
@example(0x80000001, 1, -149, 0)  # cancels to +0
def test_fused_add_equals_scalar(accumulator, total, exponent, distance):
    near = (accumulator >> 23 & 0xFF) - 150 + distance  # so that accumulator and term overlap
    for place in (exponent, near):
        vector = fused_add(floats([accumulator]), np.array([total]), np.array([place]), np.array([False]))
        assert patterns(vector) == [reference.fused_add(accumulator, reference.BlockSum(total, place, False))]


def test_fused_add_keeps_what_two_roundings_lose():
    """1 + (2^-24 + 2^-55): rounded to FP32 first, the term is 2^-24 and the sum a tie."""
    sums, place = np.array([(1 << 31) + 1]), np.array([-55])
    assert patterns(fused_add(np.ones(1, np.float32), sums, place, np.array([False]))) == [0x3F800001]
    assert np.float32(1) + np.float32((2**31 + 1) * 2.0**-55) == 1


def test_order_of_accumulation():
    """2^24, then ones: each is lost on its own, and would not be in any other order."""
    a = golden.quantize([2.0**24, 1, 1, -(2.0**24)], bfp(4, 1))
    b = golden.quantize([1.0, 1, 1, 1], bfp(4, 1))
    assert golden.dot(a, b) == 0.0
    assert golden.dot(golden.quantize([1, 1, 2.0**24, -(2.0**24)], bfp(4, 1)), b) == 2.0


def test_infinities_and_poison():
    top = BlockArray.from_codes("bfp4x1", [[7], [15], [7], [7]], [130, 130, 130, 0x1FF])
    one = golden.quantize(np.ones(4, np.float32), "bfp4x1")
    assert patterns(golden.block_dot(top, one)) == [0x7F800000, 0xFF800000, 0x7F800000, NAN]
    halves = [BlockArray.from_codes("bfp4x1", top.codes[s], top.scales[s]) for s in (slice(0, 1), slice(0, 2))]
    units = [golden.quantize(np.ones(n, np.float32), "bfp4x1") for n in (1, 2)]
    for accumulate in (golden.dot, dot_fused):
        assert patterns(accumulate(halves[0], units[0])) == [0x7F800000]
        assert patterns(accumulate(top, one)) == [NAN]
    assert patterns(golden.dot(halves[1], units[1])) == [NAN]  # Inf - Inf
    assert patterns(dot_fused(halves[1], units[1])) == [0x7F800000]  # Inf and a finite sum


def equal_to_dots(a, b):
    """matmul against the dot of every row with every column, NaN and signs of zero included."""
    product = golden.matmul(a, b)
    rows = BlockArray.from_codes(a.format, a.codes[:, None], a.scales[:, None], shape=(a.shape[0], 1, a.shape[1]))
    expected = golden.dot(rows, BlockArray.from_codes(b.format, b.codes, b.scales, shape=b.shape[::-1]))
    assert product.dtype == np.float32
    assert product.shape == (a.shape[0], b.shape[1])
    assert patterns(product) == patterns(expected)


@pytest.mark.parametrize("mantissas", [(2, 2), (4, 4), (4, 8), (8, 8), (16, 16), (12, 16)])
@pytest.mark.parametrize("block", [1, 3, 64, 1024])
def test_matmul_equals_dot(mantissas, block):
    rng = np.random.default_rng(block)
    depth = 2 * block + block // 2
    x = rng.standard_normal((9, depth)) * 2.0 ** rng.integers(-10, 11, (9, depth))
    y = rng.standard_normal((depth, 7)) * 2.0 ** rng.integers(-10, 11, (depth, 7))
    a, b = golden.quantize(x, bfp(mantissas[0], block)), golden.quantize(y, bfp(mantissas[1], block), axis=0)
    equal_to_dots(a, b)


@pytest.mark.parametrize("mantissas", [(8, 8), (9, 8), (16, 16)])
@pytest.mark.parametrize("negative", [0, 384])
def test_matmul_is_exact_at_full_magnitude(mantissas, negative):
    """Sums that climb to their bound, and where the last products are negative, come back to show any bit lost above.

    Mantissas of 8 bits in blocks of 1024 are the widest whose sums fit FP32 (24 bits); 9 by 8 is the first beyond.
    """
    block, rng = 1024, np.random.default_rng(0)
    top = [(1 << mantissa - 1) - 1 for mantissa in mantissas]
    a_codes, b_codes = (largest - rng.integers(0, 3, (16, 1, block)) for largest in top)
    b_codes[:, :, block - negative :] |= 1 << mantissas[1] - 1
    scales = np.zeros((16, 1), int)
    a = BlockArray.from_codes(bfp(mantissas[0], block), a_codes, scales)
    b = BlockArray.from_codes(bfp(mantissas[1], block), b_codes, scales, shape=(block, 16), axis=0)
    equal_to_dots(a, b)


def test_matmul_over_all_exponents():
    """Every pair of shared exponents, the lowest and highest included, and poison."""
    exponents = [
        -512,
        -511,
        -300,
        -150,
        -149,
        -140,
        -127,
        -75,
        -64,
        -1,
        0,
        1,
        63,
        64,
        127,
        128,
        140,
        400,
        509,
        510,
        511,
    ]
    scales = np.array(exponents)[:, None] % 1024
    codes = np.random.default_rng(1).integers(0, 1 << 16, (2, len(exponents), 1, 2))
    for fmt in (bfp(16, 2), bfp(4, 2)):
        a, b = (BlockArray.from_codes(fmt, c % (1 << fmt.element.bits), scales) for c in codes)
        equal_to_dots(a, BlockArray.from_codes(fmt, b.codes, b.scales, shape=(2, len(exponents)), axis=0))


def test_matmul_of_poison_and_infinities():
    x = np.random.default_rng(3).standard_normal((6, 12)).astype(np.float32)
    x[1, 3], x[2], x[3, ::2] = np.nan, 3e38, -3e38
    a, b = golden.quantize(x, "bfp4x4"), golden.quantize(x.T, "bfp4x4", axis=0)
    equal_to_dots(a, b)
    product = golden.matmul(a, b)
    assert np.isnan(product[1]).all()
    assert np.isinf(product[2, 2])


def test_leading_axes_broadcast():
    x = np.random.default_rng(5).standard_normal((4, 1, 20)).astype(np.float32)
    y = np.random.default_rng(6).standard_normal((3, 20)).astype(np.float32)
    a, b = golden.quantize(x, "bfp4x8"), golden.quantize(y, "bfp6x8")
    assert golden.block_dot(a, b).shape == (4, 3, 3)
    both = golden.dot(a, b)
    assert both.shape == (4, 3)
    assert both[2, 1] == golden.dot(golden.quantize(x[2, 0], "bfp4x8"), golden.quantize(y[1], "bfp6x8"))


@pytest.mark.parametrize(
    ("function", "a", "b"),
    [
        (golden.dot, ("bfp4x4", (8,), -1), ("bfp4x8", (8,), -1)),
        (golden.dot, ("bfp4x4", (8,), -1), ("bfp4x4", (7,), -1)),
        (golden.block_dot, ("bfp4x4", (2, 8), -1), ("bfp4x4", (3, 8), -1)),
        (golden.matmul, ("bfp4x4", (2, 8), 1), ("bfp4x4", (8, 3), 1)),
        (golden.matmul, ("bfp4x4", (2, 8), 0), ("bfp4x4", (8, 3), 0)),
        (golden.matmul, ("bfp4x4", (8,), 0), ("bfp4x4", (8, 3), 0)),
        (golden.matmul, ("bfp4x4", (2, 7), 1), ("bfp4x4", (8, 3), 0)),
    ],
)
def test_operands_that_do_not_meet(function, a, b):
    x, y = (golden.quantize(np.ones(shape, np.float32), fmt, axis=axis) for fmt, shape, axis in (a, b))
    with pytest.raises(ValueError):
        function(x, y)
