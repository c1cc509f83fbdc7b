"""Products of every format and of mixed pairs: against the scalar reference, received specials, sums beyond 64 bits."""

from fractions import Fraction

import numpy as np
import pytest
from formats_support import BLOCK_FORMATS, BLOCKS, scalars, stored
from golden_support import NAN, blocks, floats, patterns
from hypothesis import example, given, settings
from hypothesis import strategies as st

import golden
from golden import f25, reference
from golden.blocks import BlockArray
from golden.catalog import block_minifloat, get_format, microexponents, minifloat, mx
from golden.formats import BlockFormat
from golden.products import block_specials, block_sums, dot_fused, fused_add
from golden.sums import Limbs, round_limbs, sum_bound

# Weights by activations as the papers mix them (formats.md 3.3, 3.4), and integers by minifloats.
PAIRS = [
    ("mxfp4", "mxfp6_e3m2"),
    ("mxint8", "mxfp4"),
    ("mxfp8_e4m3", "mxfp4"),
    ("mxfp8_e5m2", "mxfp8_e4m3"),
    ("mxfp8_e5m2", "mxint8"),
    ("mxfp6_e2m3", "bfp8x32"),
    ("mx9", "mx6"),
    ("mx9", "mx4"),
    ("mx9", "msfp12"),
    ("mx6", "mx_m7_k16_4_d8_2"),
    ("nvfp4", "mx9"),
    ("nvfp4", "mxfp8_e4m3x16"),
    ("bm_e2m5x48", "bm_e4m3x48"),
]


def assert_equals_scalar(a, b):
    """Every product of two block arrays of one row, against the scalar blocks of each."""
    pairs = list(zip(scalars(a), scalars(b), strict=True))
    columns = (column.tolist() for column in block_sums(a, b))
    assert list(zip(*columns, strict=True)) == [reference.block_sum(*pair) for pair in pairs]
    assert patterns(block_specials(a, b)) == [reference.block_special(*pair) for pair in pairs]
    assert patterns(golden.block_dot(a, b)) == [reference.block_dot(*pair) for pair in pairs]
    assert patterns(golden.dot(a, b)) == [reference.dot(scalars(a), scalars(b))]
    assert patterns(dot_fused(a, b)) == [reference.dot_fused(scalars(a), scalars(b))]
    left = BlockArray.from_codes(a.format, a.codes[None], a.scales[None], **extras(a), shape=(1, *a.shape))
    right = BlockArray.from_codes(b.format, b.codes[None], b.scales[None], **extras(b), shape=(*b.shape, 1), axis=0)
    assert patterns(golden.matmul(left, right)) == patterns(golden.dot(a, b))


def extras(q):
    shifts = None if q.microexponents is None else q.microexponents[None]
    return {"microexponents": shifts, "tensor_scale": q.tensor_scale}


@given(st.data(), BLOCKS, st.integers(1, 3))
def test_products_equal_scalar(data, fmt, count):
    others = BLOCKS.map(lambda other: resized(other, fmt.block))
    other = data.draw(st.one_of(st.just(fmt), others))
    assert_equals_scalar(data.draw(stored(fmt, count))[0], data.draw(stored(other, count))[0])


def resized(fmt, block):
    """The same elements and scales in another block size."""
    width = fmt.subblock if block % fmt.subblock == 0 else 1
    facts = {name: getattr(fmt, name) for name in ("element", "scale", "microexponent_bits", "tensor_scale")}
    return BlockFormat(name=f"{fmt.name} by {block}", block=block, subblock=width, **facts)


@pytest.mark.parametrize("pair", [*PAIRS, *((name, name) for name in BLOCK_FORMATS)], ids="-".join)
def test_named_pairs_equal_scalar(pair):
    formats = [get_format(name) for name in pair]
    rng = np.random.default_rng(sum(fmt.bits for fmt in formats))
    for spread in (1, 12):
        x = rng.standard_normal((2, 4 * formats[0].block)) * 2.0 ** rng.integers(-spread, 1, (2, 4 * formats[0].block))
        assert_equals_scalar(*(golden.quantize(row, fmt) for row, fmt in zip(x, formats, strict=True)))
    codes = [
        BlockArray.from_codes(
            fmt,
            rng.integers(0, 1 << fmt.element.bits, (4, fmt.block)),
            rng.integers(0, 1 << fmt.scale.bits, 4) >> 1 | 1,
            microexponents=rng.integers(0, 1 << fmt.microexponent_bits, (4, fmt.microexponents))
            if fmt.microexponents
            else None,
            tensor_scale=0.3 if fmt.tensor_scale else None,
        )
        for fmt in formats
    ]
    assert_equals_scalar(*codes)


# Widths (formats.md 2.5, 3.3)


@pytest.mark.parametrize(
    ("a", "b", "width"),
    [
        ("mx9", "mx9", 21),
        ("mx6", "mx6", 15),
        ("mx4", "mx4", 11),
        ("mxint8", "mxint8", 21),
        ("mxfp4", "mxfp4", 14),
        ("mxfp6_e2m3", "mxfp6_e2m3", 18),
        ("mxfp6_e3m2", "mxfp6_e3m2", 24),
        ("mxfp8_e4m3", "mxfp8_e4m3", 42),
        ("mxfp8_e5m2", "mxfp8_e5m2", 70),
        ("mxfp4", "mxfp6_e3m2", 19),
        ("mxint8", "mxfp4", 17),
        ("mxfp8_e4m3", "mxfp4", 28),
    ],
)
def test_widths_and_sums_that_reach_them(a, b, width):
    """The published accumulator widths, and blocks of largest elements that need every bit of them, of either sign."""
    a, b = get_format(a), get_format(b)
    assert sum_bound(a, b).bit_length() + 1 == width
    tops = []
    for fmt in (a, b):
        code = fmt.element.max_code if fmt.element.is_float or fmt.microexponents else 0x80
        zeros = {"microexponents": np.zeros((1, fmt.microexponents), int)} if fmt.microexponents else {}
        tops.append(BlockArray.from_codes(fmt, np.full((1, fmt.block), code), [127], **zeros))
    (total,), _, _ = block_sums(*tops)
    assert abs(int(total)) == sum_bound(a, b)
    assert_equals_scalar(*tops)


def test_bare_sums_beyond_64_bits_are_python_integers():
    q = golden.quantize([57344.0, -57344.0, 2.0**-16], "mxfp8_e5m2")
    assert [type(x) for x in block_sums(q, q)[0].tolist()] == [int]
    assert block_sums(q, q)[0].tolist() == [2 * (7 << 29) ** 2 + 1]
    assert block_sums(*[golden.quantize([1.0], "mxfp8_e4m3")] * 2)[0].dtype == np.int64


@given(st.integers(-(1 << 77), 1 << 77), st.integers(0, 77), st.integers(-220, 60))
@example((1 << 70) + (1 << 46), 0, -60)  # a tie, to even
@example((1 << 70) + (1 << 46) + 1, 0, -60)  # a tie but for the last of 71 bits
@example(-(1 << 70) - (1 << 46) - 1, 0, -60)
@example((1 << 70) + (1 << 46) - 1, 0, -60)
@example(1 << 61, 0, -20)  # where the limbs stop to fit 64 bits
@example((1 << 62) - 1, 0, -20)
@example(-(1 << 62), 0, -210)
def test_limbs_round_like_integers(total, narrower, exponent):
    total >>= narrower
    limbs = Limbs(np.array([total >> 16]), np.array([total & 0xFFFF]))
    assert limbs.exact().tolist() == [total]
    assert patterns(round_limbs(limbs, np.array([exponent]))) == [reference.to_fp32(total, exponent)]


@settings(max_examples=80)
@given(
    blocks(1).map(lambda row: row[0]),
    st.integers(-(1 << 77), 1 << 77),
    st.integers(0, 77),
    st.integers(-300, 150),
    st.integers(-110, 40),
)
@example(0, (1 << 70) + (1 << 46) + 1, 0, -60, 0)  # a tie but for the last of 71 bits
@example(0, -(1 << 70) - (1 << 46) - 1, 0, -60, 0)
@example(0, (1 << 70) + (1 << 46), 0, -60, 0)
def test_long_sums_fuse_with_one_rounding(accumulator, total, narrower, exponent, distance):
    total >>= narrower
    near = (accumulator >> 23 & 0xFF) - 150 + distance
    for place in (exponent, near):
        vector = fused_add(floats([accumulator]), np.array([total], object), np.array([place]), np.array([False]))
        assert patterns(vector) == [reference.fused_add(accumulator, reference.BlockSum(total, place, False))]


def test_fused_keeps_what_e5m2_cancels():
    """A block whose sum needs 70 bits against an accumulator that cancels its top: the last bit decides."""
    a = golden.quantize([57344.0, 2.0**-16], "mxfp8_e5m2")
    b = golden.quantize([57344.0, 2.0**-16], "mxfp8_e5m2")
    sums, exponents, poison = block_sums(a, b)
    for sign in (1.0, -1.0):
        result = fused_add(np.float32([sign * 57344.0**2]), sums, exponents, poison)
        assert patterns(result) == patterns([2 * 57344.0**2 if sign > 0 else 2.0**-32])


# Received specials (formats.md 3.3)

INF, MINUS_INF, QUIET, ONE, ZERO, MINUS_ONE = 0x7C, 0xFC, 0x7E, 0x3C, 0x00, 0xBC


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ([INF, ZERO], [ONE, ONE], 0x7F800000),
        ([INF, ZERO], [MINUS_ONE, ONE], 0xFF800000),
        ([MINUS_INF, ZERO], [MINUS_INF, ONE], 0x7F800000),
        ([INF, ONE], [ZERO, ONE], NAN),
        ([INF, ONE], [0x80, ONE], NAN),
        ([INF, INF], [ONE, MINUS_ONE], NAN),
        ([INF, INF], [ONE, ONE], 0x7F800000),
        ([INF, ONE], [0x01, QUIET], NAN),
        ([QUIET, ONE], [ZERO, ONE], NAN),
        ([0x7D, ONE], [ONE, ONE], NAN),
        ([INF, MINUS_ONE], [ONE, 0x7B], 0x7F800000),
    ],
)
def test_received_specials(a, b, result):
    fmt = mx("e5m2", 2)
    x, y = (BlockArray.from_codes(fmt, [codes], [127]) for codes in (a, b))
    assert patterns(golden.block_dot(x, y)) == patterns(golden.dot(x, y)) == patterns(dot_fused(x, y)) == [result]
    assert [column.tolist() for column in block_sums(x, y)] == [[0], [0], [True]]
    assert_equals_scalar(x, y)


def test_specials_meet_in_the_accumulator():
    fmt = mx("e5m2", 1)
    a = BlockArray.from_codes(fmt, [[INF], [ONE], [MINUS_INF]], [127, 127, 127])
    one = BlockArray.from_codes(fmt, [[ONE]] * 3, [127, 127, 127])
    assert patterns(golden.dot(a, one)) == patterns(dot_fused(a, one)) == [NAN]
    a = BlockArray.from_codes(fmt, [[INF], [ONE], [INF]], [127, 127, 127])
    assert patterns(golden.dot(a, one)) == patterns(dot_fused(a, one)) == [0x7F800000]
    poisoned = BlockArray.from_codes(fmt, [[INF], [INF], [INF]], [127, 255, 127])
    assert patterns(golden.dot(poisoned, one)) == patterns(dot_fused(poisoned, one)) == [NAN]


def equal_to_dots(a, b):
    """matmul against the dot of every row with every column."""
    rows = BlockArray.from_codes(
        a.format,
        a.codes[:, None],
        a.scales[:, None],
        microexponents=None if a.microexponents is None else a.microexponents[:, None],
        tensor_scale=a.tensor_scale,
        shape=(a.shape[0], 1, a.shape[1]),
    )
    facts = {"microexponents": b.microexponents, "tensor_scale": b.tensor_scale}
    columns = BlockArray.from_codes(b.format, b.codes, b.scales, **facts, shape=b.shape[::-1])
    product, expected = golden.matmul(a, b), golden.dot(rows, columns)
    assert product.shape == expected.shape
    assert patterns(product) == patterns(expected)


@pytest.mark.parametrize("pair", [*PAIRS, *((name, name) for name in BLOCK_FORMATS)], ids="-".join)
def test_matmul_equals_dots(pair):
    depth = 2 * get_format(pair[0]).block + 5
    rng = np.random.default_rng(depth)
    x = rng.standard_normal((6, depth)) * 2.0 ** rng.integers(-10, 11, (6, depth))
    y = rng.standard_normal((depth, 5)) * 2.0 ** rng.integers(-10, 11, (depth, 5))
    x[2, 3], y[depth - 1, 1] = np.nan, np.inf
    equal_to_dots(golden.quantize(x, pair[0]), golden.quantize(y, pair[1], axis=0))


@pytest.mark.parametrize("name", ["mxfp8_e5m2", "mxfp8_e4m3", "nvfp4", "mx9", "mxint8"])
def test_matmul_of_any_codes_equals_dots(name):
    """Infinities, NaN, poison, all scales: also where a sum overflows before or after an infinite block."""
    fmt, rng = get_format(name), np.random.default_rng(3)
    scales = (1 << fmt.scale.bits) - 1
    operands = []
    for _ in range(2):
        codes = rng.integers(0, 1 << fmt.element.bits, (40, 3, fmt.block))
        codes[10:] &= np.where(rng.random(codes[10:].shape) < 0.02, 0xFF, 0x3F) if name == "mxfp8_e5m2" else 0xFF
        operands.append((codes, rng.choice([0, 60, 127, 200, 230, 254, scales], (40, 3)) & scales))
    shifts = {}
    if fmt.microexponents:
        shifts["microexponents"] = rng.integers(0, 1 << fmt.microexponent_bits, (40, 3, fmt.microexponents))
    if fmt.tensor_scale:
        shifts["tensor_scale"] = 1e-5
    a = BlockArray.from_codes(fmt, *operands[0], **shifts)
    b = BlockArray.from_codes(fmt, *operands[1], **shifts, shape=(3 * fmt.block, 40), axis=0)
    equal_to_dots(a, b)


@pytest.mark.parametrize("pair", [("mxfp8_e5m2", "mxfp8_e5m2"), ("mxfp8_e5m2", "mxfp8_e4m3"), ("bm_e5m2x32", "mxint8")])
def test_matmul_keeps_what_wide_sums_cancel(pair):
    """Elements from end to end of their range, each with its negative: what is left lies 70 bits below the products."""
    rng, operands = np.random.default_rng(11), []
    for negated, name in zip((False, True), pair, strict=True):
        fmt = get_format(name)
        codes = rng.integers(0, fmt.element.max_code + 1, (30, 2, 32))
        codes[..., 1::2] = codes[..., ::2]  # pairs of one magnitude, whose products cancel
        signs = np.resize([0, negated], 32).astype(int)
        codes[..., -2:] = rng.integers(0, 3, (30, 2, 2))
        flipped = (1 << fmt.element.bits) - codes if fmt.element.encoding == "twos-complement" else codes | 0x80
        operands.append(np.where(signs, flipped % 256, codes))
    a = BlockArray.from_codes(pair[0], operands[0], np.full((30, 2), 127))
    b = BlockArray.from_codes(pair[1], operands[1], np.full((30, 2), 127), shape=(64, 30), axis=0)
    equal_to_dots(a, b)
    left = np.abs(golden.matmul(a, b))
    assert np.count_nonzero(left) > 600
    assert left.max() < 2.0**-8


def test_empty_sum_under_infinite_tensor_scales_is_nan():
    """The product of two tensor scales is one FP32 operation and may overflow; 0 times it is NaN, as in IEEE."""
    q = golden.quantize([3e38] + [0.0] * 31, "nvfp4")
    tail, head = (
        BlockArray.from_codes("nvfp4", q.codes[i : i + 1], q.scales[i : i + 1], tensor_scale=q.tensor_scale)
        for i in (1, 0)
    )
    assert patterns(golden.dot(tail, tail)) == [NAN]
    assert patterns(golden.dot(head, head)) == [0x7F800000]
    assert_equals_scalar(tail, head)


def test_order_matters_where_infinite_blocks_meet_overflow():
    """A sum that has overflowed to +Inf meets a block of -Inf: NaN; the other way round -Inf stays."""
    fmt, big = mx("e5m2", 1), 0x7B
    a = BlockArray.from_codes(fmt, [[[big], [big], [MINUS_INF]], [[MINUS_INF], [big], [big]]], [[239, 239, 127]] * 2)
    a = BlockArray.from_codes(fmt, a.codes, [[239, 239, 127], [127, 239, 239]])
    ones = BlockArray.from_codes(fmt, [[[ONE]] * 3], [[127] * 3], shape=(3, 1), axis=0)
    assert patterns(golden.matmul(a, ones)) == [NAN, 0xFF800000]
    equal_to_dots(a, ones)


# NVFP4


def test_nvfp4_tensor_scales_multiply_the_end():
    """Dequantised and multiplied in float64, the dot agrees to FP32's accuracy; the scales are folded in once."""
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((2, 64)).astype(np.float32)
    a, b = golden.quantize(x, "nvfp4"), golden.quantize(y * 100, "nvfp4")
    exact = np.dot(a.dequantize().astype(np.float64), b.dequantize().astype(np.float64))
    assert abs(golden.dot(a, b) - exact) < 1e-5 * abs(exact)
    bare = golden.block_dot(a, b).sum(dtype=np.float32)
    assert golden.dot(a, b) == bare * (a.tensor_scale * b.tensor_scale)


def test_received_negative_scale_is_what_its_code_says():
    """The block scale is E4M3 and never negative from a converter; 0xB8 reads as -1, 0xFF as its NaN."""
    q = BlockArray.from_codes("nvfp4", np.full((2, 16), 2), [0xB8, 0xFF], tensor_scale=1)
    assert q.poison.tolist() == [False, True]
    assert q.dequantize()[:16].tolist() == [-1] * 16
    zeros = BlockArray.from_codes("nvfp4", np.resize([0, 8], (1, 16)), [0xB8], tensor_scale=1)
    assert np.signbit(zeros.dequantize()).tolist() == [True, False] * 8
    assert patterns(zeros.dequantize()) == reference.dequantize(scalars(zeros)[0])


# f25 (formats.md 2.5)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(["mx9", "mx6", "mx4", "msfp14", "bfp4x16", "mx_m9_k8_4_d8_3"]), st.integers(1, 6))
def test_f25_equals_scalar(data, name, count):
    fmt = get_format(name)
    other = data.draw(st.sampled_from([fmt, resized(microexponents(5, 2, 2, 8, 2), fmt.block)]))
    a, b = (data.draw(stored(x, count))[0] for x in (fmt, other))
    assert patterns(f25.dot_f25(a, b)) == [reference.dot_f25(scalars(a), scalars(b))]


@given(st.lists(st.tuples(st.integers(-(1 << 20), 1 << 20), st.integers(-260, 260)), min_size=1, max_size=5))
def test_f25_alignment_by_definition(blocks):
    """The largest exponent fits its 25 bits, every addend is floored, and the sum cannot overflow."""
    sums, exponents = (np.array(column) for column in zip(*blocks, strict=True))
    addends, unit = f25.align(sums, exponents, 21 if (np.abs(sums) < 1 << 20).all() else 22)
    expected = [Fraction(s) * Fraction(2) ** (x - int(unit)) for s, x in blocks]
    assert addends.tolist() == [x.numerator // x.denominator for x in expected]
    assert -(1 << 24) <= addends.sum() < 1 << 24


def test_f25_of_several_rows_and_a_short_group():
    x = np.random.default_rng(2).standard_normal((3, 2, 150)).astype(np.float32)
    a, b = golden.quantize(x, "mx6"), golden.quantize(x[::-1].copy(), "mx9")
    together = f25.dot_f25(a, b)
    assert together.shape == (3, 2)
    one = f25.dot_f25(golden.quantize(x[1, 1], "mx6"), golden.quantize(x[1, 1], "mx9"))
    assert together[1, 1] == one


def test_f25_loses_what_exact_keeps():
    """formats.md 2.5: a lone -1 far below a large block still costs a unit of the fixed-point sum."""
    big, least = np.float32(2.0**10), np.float32(2.0**-30)
    x = np.zeros(32, np.float32)
    x[0], x[16] = big, -least
    ones = np.zeros(32, np.float32)
    ones[0] = ones[16] = 1
    a, b = golden.quantize(x, "mx9"), golden.quantize(ones, "mx9")
    assert golden.dot(a, b) == big
    unit = 2.0 ** (10 - 12 - 2 + 21 + 2 - 25)  # X of the large block, its width and two bits for four blocks
    assert f25.dot_f25(a, b) == np.float32(float(big) - unit) < big


def test_f25_wants_sign_magnitude_blocks_that_divide_its_group():
    for name in ("mxfp4", "mxint8", "mx_m4_k48_2_d8_1"):
        q = golden.quantize(np.ones(48), name)
        with pytest.raises(ValueError, match=f"{name}: f25 wants"):
            f25.dot_f25(q, q)


# Errors


def test_operands_that_do_not_meet():
    for pair in (("mxfp4", "mx9"), ("nvfp4", "mxfp8")):
        a, b = (golden.quantize(np.ones(64), name) for name in pair)
        for function in (golden.dot, golden.block_dot, dot_fused, block_sums):
            with pytest.raises(ValueError, match="equal blocks and lengths wanted"):
                function(a, b)


def test_elements_too_wide_to_sum():
    wide = BlockFormat(name="half", element=minifloat(5, 10), scale=block_minifloat(2, 1).scale, block=4)
    q = golden.quantize(np.ones(4), wide)
    with pytest.raises(ValueError, match="half: elements are integers of 41 bits, at most 34 wanted"):
        golden.dot(q, q)
