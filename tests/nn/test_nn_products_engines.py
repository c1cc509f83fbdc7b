"""Where the engines end: sums of 24, 53 and 70 bits, scales at the ends of FP32, and BLAS itself."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import require
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nn_products_support import BACKENDS, patterns, tensor

import golden
from golden import reference
from golden.catalog import get_format
from golden.kernels import available
from golden.kernels.fake import Draws
from golden.nn.backend import NumpyBackend
from golden.nn.engines import Engine, block_bits, declared_engine, main
from golden.nn.precision import Operand

NAN = 0x7FC00000


def product(backend, a, b, fmt, fmt_b=None, rule="floor"):
    """(M, K) x (K, N) by a backend."""
    left = backend.convert(a, 1, Operand(get_format(fmt), scale_rule=rule), Draws("a"))
    right = backend.convert(b, 0, Operand(get_format(fmt_b or fmt), scale_rule=rule), Draws("b"))
    return backend.product(left.map(lambda v: v[np.newaxis]), right.map(lambda v: v[np.newaxis]))[0]


def check(a, b, fmt, fmt_b=None, rule="floor"):
    """Both backends against golden.matmul of the codes."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    blocks = golden.quantize(a, fmt, scale_rule=rule), golden.quantize(b, fmt_b or fmt, axis=0, scale_rule=rule)
    expected = patterns(golden.matmul(*blocks))
    for backend in BACKENDS:
        assert patterns(product(backend, a, b, fmt, fmt_b, rule)) == expected


@pytest.mark.parametrize(
    ("a", "b", "bits"),
    [  # the widths of formats.md 1.6, 2.5 and 3.3, which count the sign
        *(("bfp4x64", "bfp4x64", 13), ("bfp6x64", "bfp6x64", 17), ("bfp8x576", "bfp8x576", 25)),
        *(("mx9", "mx9", 21), ("mx6", "mx6", 15), ("mx4", "mx4", 11)),
        *(("mxint8", "mxint8", 21), ("mxfp4", "mxfp4", 14), ("mxfp6_e2m3", "mxfp6_e2m3", 18)),
        *(("mxfp6_e3m2", "mxfp6_e3m2", 24), ("mxfp8_e4m3", "mxfp8_e4m3", 42), ("mxfp8_e5m2", "mxfp8_e5m2", 70)),
        *(("mxfp4", "mxfp6_e3m2", 19), ("mxint8", "mxfp4", 17), ("mxfp8_e4m3", "mxfp4", 28)),
    ],
)
def test_widths_are_the_specified_ones(a, b, bits):
    assert block_bits(get_format(a), get_format(b)) + 1 == bits


def test_declared_engines():
    engines = [declared_engine(get_format(name), get_format(name)) for name in ("bfp4", "mx9", "mxfp8", "mxfp8_e5m2")]
    assert engines == [Engine.FLOAT32, Engine.FLOAT32, Engine.FLOAT64, Engine.FLOAT64X2]
    limits = {24: ("bfp8x1024", "bfp8x1024"), 25: ("bfp8x1024", "bfp9x1024")}
    limits |= {53: ("bfp12x1024", "mxfp8_e5m2x1024"), 54: ("mx_m11_k1024_2_d8_1", "mxfp8_e5m2x1024")}
    for bits, names in limits.items():
        pair = [get_format(name) for name in names]
        assert block_bits(*pair) == bits
        wanted = Engine.FLOAT32 if bits <= 24 else Engine.FLOAT64 if bits <= 53 else Engine.FLOAT64X2
        assert declared_engine(*pair) is wanted
    assert declared_engine(None, get_format("mx9")) is Engine.PLAIN
    # 64 products of E4M3 elements at a time need fewer bits than the format's 1024
    assert declared_engine(get_format("bfp12x1024"), get_format("bfp12x1024"), 4) is Engine.FLOAT32


def test_table_is_printed(capsys):
    assert main(["mxfp8_e5m2", "mxfp4"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "mxfp8_e5m2     mxfp8_e5m2       69  float64x2",
        "mxfp8_e5m2     mxfp4            41  float64",
        "mxfp4          mxfp4            13  float32",
    ]
    assert main(["mxfp9"]) == 2
    assert "mxfp9" in capsys.readouterr().err


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 16, 33, 64, 255, 384, 385, 768, 1024])
@pytest.mark.parametrize("columns", [1, 6, 16, 65])
def test_blas_adds_integers_exactly(depth, columns):
    """The BLAS in use, on integers whose partial sums reach 2^24, in the layouts that products hand it."""
    rng = np.random.default_rng(depth)
    largest = int((2**24 / depth) ** 0.5)
    a, b = rng.integers(-largest, largest + 1, (50, depth)), rng.integers(-largest, largest + 1, (depth, columns))
    a[:10], b[:, :1] = largest, largest  # partial sums that only climb
    x, y = a.astype(np.float32), b.astype(np.float32)
    wide = np.zeros((50, 3 * depth), np.float32)
    wide[:, depth : 2 * depth] = x
    for left in (x, np.asfortranarray(x), wide[:, depth : 2 * depth]):
        np.testing.assert_array_equal((left @ y).astype(np.int64), a @ b)
        np.testing.assert_array_equal((left @ np.asfortranarray(y)).astype(np.int64), a @ b)


@pytest.mark.parametrize("mantissas", [(8, 8), (8, 9), (4, 4), (16, 16)])
@pytest.mark.parametrize("negative", [0, 300])
def test_sums_that_climb_to_their_bound(mantissas, negative):
    """Blocks of 1024 full magnitudes; where the last products are negative, sums come back to show what was lost."""
    rng = np.random.default_rng(negative)
    depth = 2 * 1024 + 100
    a, b = ((1 << m - 1) - 1 - rng.integers(0, 3, (5, depth)) for m in mantissas)
    b[:, 1024 - negative : 1024] *= -1
    check(a, b.T, f"bfp{mantissas[0]}x1024", f"bfp{mantissas[1]}x1024")


@pytest.mark.parametrize(
    ("fmt", "fmt_b"), [("bfp12x1024", "mxfp8_e5m2x1024"), ("mx_m11_k1024_2_d8_1", "mxfp8_e5m2x1024")]
)
def test_limit_of_float64(fmt, fmt_b):
    """Sums of 53 and of 54 bits: full magnitudes down to a single smallest one, taken back but for that."""
    a = np.full((4, 1024), 2047.0 / 2048)
    b = np.full((1024, 3), 57344.0)
    b[512:] *= -1
    a[:, 1023] = [1 / 2048, 3 / 2048, 1 / 1024, 2047 / 2048]
    b[1023] = [2.0**-16, -(2.0**-16), 3 * 2.0**-15]
    b[511] = 0  # as many positive as negative ones are left
    check(a, b, fmt, fmt_b)
    check(a, np.abs(b), fmt, fmt_b)


@given(st.integers(0, 3), st.integers(-2, 2), st.permutations(range(6)), st.integers(-40, 40))
@example(0, 1, [0, 1, 2, 3, 4, 5], 0)
@example(0, -1, [5, 4, 3, 2, 1, 0], 0)
@settings(max_examples=60, deadline=None, database=None)
def test_ties_that_the_last_of_seventy_bits_decides(odd, last, order, scale):
    """E5M2: 2^30 (+ 2^7 or more), half of its FP32 ulp, and a product 62 bits below that breaks the tie or not."""
    pairs = [(2.0**15, 2.0**15), (2.0**4, 2.0**2), (2.0**-16, last * 2.0**-16), (2.0**5, odd * 2.0**2), (0, 1), (1, 0)]
    a, b = np.array([pairs[i] for i in order]).T
    exact = sum(Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True))
    expected = reference.to_fp32(int(exact * 2**32), -32 + 2 * scale)
    a, b = (np.ldexp(v, scale).astype(np.float32) for v in (a, b))
    for backend in BACKENDS:
        result = product(backend, np.stack([a, a, 0 * a]), np.stack([b, -b], axis=1), "mxfp8_e5m2x6")
        assert patterns(result[:2]) == [expected, expected ^ 1 << 31] * 2
        assert not result[2].any()


@pytest.mark.parametrize("fmt", ["bfp4x64", "bfp8x64", "mx9", "mxfp4", "mxfp8_e4m3", "mxfp8_e5m2"])
def test_scales_over_all_of_fp32(fmt):
    """Every pair of magnitudes from the least subnormal to FLT_MAX, each pair a call of its own."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-2, 2, (3, 70)), rng.uniform(-2, 2, (70, 3))
    exponents = (-149, -146, -135, -127, -126, -100, -75, -66, -30, 0, 40, 63, 64, 90, 126)
    for i in exponents:
        for j in exponents:
            if abs(i + j) < 300:
                check(np.ldexp(x, i), np.ldexp(y, j), fmt)


@pytest.mark.parametrize(
    "small",
    [
        [(2.0**-21, 2.0**-31)],  # a within its budget of bits, b not
        [(2.0**-31, 2.0**-21)],
        [(1.25 * 2.0**-23, 1.25 * 2.0**-23), (2.0**-23, -1.5 * 2.0**-23)],  # both two bits beyond
    ],
)
def test_blocks_that_span_too_many_bits(small):
    """E5M2 x 32: 16 and half its FP32 ulp, and what is left of small products, below the ulp of a float64 16."""
    pairs = [*[(1.0, 1.0)] * 16, (2.0**-10, 2.0**-10), *small]
    a, b = np.array(pairs + [(0.0, 0.0)] * (32 - len(pairs)), np.float32).T
    for backend in BACKENDS:
        assert product(backend, a[np.newaxis], b[:, np.newaxis], "mxfp8_e5m2") == 16 + 2.0**-19
        assert product(backend, a[np.newaxis, ::-1], b[::-1, np.newaxis], "mxfp8_e5m2") == 16 + 2.0**-19


def test_units_far_below_the_smallest_value():
    """Full mantissas: every value above 2^-75, every product too fine for FP32's subnormals."""
    rng = np.random.default_rng(0)
    a, b = ((127 - rng.integers(0, 9, shape)) / 64 * 2.0**-75 for shape in ((4, 64), (64, 4)))
    check(a, b, "bfp8x64")


class Spy(NumpyBackend):
    """Notes the engines that calls took."""

    def __init__(self):
        super().__init__(compiled=False)
        self.engines, compute = [], self._product
        self._product = lambda *args: self.engines.append(args[3]) or compute(*args)


@pytest.mark.parametrize(
    ("x", "y", "engine"),
    [
        (1.0, 1.0, Engine.FLOAT32),
        (2.0**-60, 2.0**-60, Engine.FLOAT32),
        (2.0**-75, 2.0**-75, Engine.FLOAT64),  # units below 2^-149
        (2.0**60, 2.0**58, Engine.FLOAT32),
        (2.0**62, 2.0**62, Engine.FLOAT64),  # partial sums past FLT_MAX
        (0.0, 2.0**-149, Engine.FLOAT32),
        (0.0, 2.0**127, Engine.FLOAT32),
    ],
)
def test_scales_choose_the_engine_of_a_call(x, y, engine):
    spy = Spy()
    product(spy, np.full((2, 64), x, np.float32), np.full((64, 2), y, np.float32), "bfp4x64")
    assert spy.engines == [engine]


def test_accumulation_in_block_order():
    """2^24, then ones: each is lost on its own, and would not be in another order or in a fused accumulator."""
    ones = np.ones((4, 1))
    check([[2.0**24, 1, 1, -(2.0**24)], [1, 1, 2.0**24, -(2.0**24)]], ones, "bfp4x1")
    for backend in BACKENDS:
        a = np.array([[2.0**24, 1, 1, -(2.0**24)], [1, 1, 2.0**24, -(2.0**24)]], np.float32)
        assert product(backend, a, ones.astype(np.float32), "bfp4x1").ravel().tolist() == [0, 2]


def test_infinities_poison_and_zeros():
    """Sums past FLT_MAX, Inf - Inf, NaN from one block, +0 from cancelling and from negative zeros."""
    huge = 3e38
    a = np.array(
        [[huge, huge, huge, huge], [huge, huge, -huge, -huge], [1, np.nan, 1, 1], [1, -1, 0, -0.0]], np.float32
    )
    b = np.array([[2, 1, -1], [2, 1, -1], [2, 0, -0.0], [2, 0, 1]], np.float32)
    for fmt in ("bfp4x2", "mxfp8_e5m2x2", "mxfp8_e4m3x2"):
        check(a, b, fmt)
    for backend in BACKENDS:
        results = np.reshape(patterns(product(backend, a, b, "bfp4x2")), (4, 3))
        assert (results[1, 0], results[0, 0]) == (NAN, 0x7F800000)
        assert (results[2] == NAN).all()
        assert not results[3, :2].any()


def test_values_beyond_flt_max():
    """Rules ceil and even dequantise to 2^128 near FLT_MAX; products with small numbers are finite again."""
    a = np.array([[3.4e38, 1e38, -3.4e38, 1], [1, 2, 3, 4]], np.float32)
    b = np.array([[2.0**-9, 1], [2.0**-9, 0], [2.0**-11, 0], [0, 1]], np.float32)
    for rule in ("ceil", "even"):
        converted = BACKENDS[0].convert(a, 1, Operand(get_format("bfp4x4"), scale_rule=rule), Draws(""))
        assert converted.values.dtype == np.float64
        assert converted.largest == 2.0**128
        check(a, b, "bfp4x4", rule=rule)
        check(b.T, a.T, "bfp4x4", rule=rule)


@pytest.mark.parametrize("kind", ["float32", "float64", "float64x2"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 16), (3, 17), (4, 32), (5, 33), (9, 47), (6, 64), (7, 100)])
def test_shapes_of_register_tiles(kind, rows, columns):
    """Rows and columns around the tile's, in stacks, from views that run backwards: both backends, same bits."""
    fmt = {"float32": "bfp4x3", "float64": "mxfp8_e4m3x3", "float64x2": "mxfp8_e5m2x3"}[kind]
    rng = np.random.default_rng(rows)
    a = (rng.standard_normal((2, rows, 2, 7)) * 2.0 ** rng.integers(-20, 20, (2, rows, 2, 7))).astype(np.float32)
    b = rng.standard_normal((2, 2, 7, columns)).astype(np.float32)
    results = []
    for backend in BACKENDS:
        left = backend.convert(a, 3, Operand(get_format(fmt)), Draws("")).map(lambda v: v[::-1, :, ::-1])
        right = backend.convert(b, 2, Operand(get_format(fmt)), Draws(""))
        results.append(backend.product(left, right))
    quantized = golden.quantize(a, fmt).dequantize().astype(np.float64), golden.quantize(b, fmt, axis=2).dequantize()
    total = np.zeros((2, rows, columns), np.float32)
    for group in range(2):
        for start in range(0, 7, 3):
            part = slice(start, start + 3)
            total += (quantized[0][::-1, :, 1 - group, part] @ quantized[1][:, group, part]).astype(np.float32)
    assert patterns(results[0]) == patterns(results[1])
    if kind != "float64x2":  # elsewhere this check itself is not exact
        assert patterns(results[0]) == patterns(total)


def test_both_backends_are_tested():
    """Without numba all of this would hold the NumPy backend against itself."""
    require("numba", available(), "pip install numba")
    assert [backend.compiled for backend in BACKENDS] == [True, False]


def test_bounds_of_converted_tensors():
    for backend in BACKENDS:
        convert = lambda x, backend=backend: backend.convert(  # noqa: E731
            np.array(x, np.float32), 0, Operand(get_format("bfp8x2")), Draws("")
        )
        zeros = convert([0.0, -0.0, 0.0])
        assert (zeros.smallest, zeros.largest, zeros.poison) == (0, 0, False)
        some = convert([0.0, -3.0, 2.0**-149, 0.0])
        assert (some.smallest, some.largest, some.poison) == (2.0**-149, 3, False)
        poisoned = convert([1.0, np.nan, -0.5, 0.0])
        assert (poisoned.smallest, poisoned.largest, poisoned.poison) == (0.5, 0.5, True)


def test_only_blocks_that_need_it_are_marked_wide():
    x = np.ones((3, 12), np.float32)
    x[1, 5], x[2, 8] = 2.0**-20, 0
    convert = BACKENDS[0].convert
    assert convert(x, 1, Operand(get_format("mxfp8_e5m2x4")), Draws("")).wide is None
    x[1, 5] = 2.0**-25
    wide = convert(x, 1, Operand(get_format("mxfp8_e5m2x4")), Draws("")).wide
    assert np.argwhere(wide).tolist() == [[1, 4], [1, 5], [1, 6], [1, 7]]
    assert convert(x, 1, Operand(get_format("mxfp8_e4m3x4")), Draws("")).wide is None


@pytest.mark.parametrize("rule", ["floor", "ceil", "even"])
@pytest.mark.parametrize(
    "fmt", ["bfp4x4", "bfp16x5", "mx9", "mx4", "mxfp8_e5m2x4", "mxfp6_e3m2x4", "mxfp4x4", "mxint8x4"]
)
def test_values_tell_the_blocks(fmt, rule):
    """What lets a backend that needs codes make them from values: converting again changes nothing."""
    for rounding in ("rne", "rtz", "sr"):
        for kind in ("gauss", "wide", "tiny", "ties"):
            operand = Operand(get_format(fmt), rounding, rule)
            values = BACKENDS[0].convert(tensor((4, 37), 1, kind), 1, operand, Draws("x")).values
            assert patterns(golden.quantize(values, fmt, scale_rule=rule).dequantize()) == patterns(values)


def test_operands_that_do_not_meet():
    a = BACKENDS[0].convert(np.ones((1, 2, 4), np.float32), 2, Operand(get_format("bfp4x4")), Draws(""))
    for shape, fmt in (((1, 5, 3), "bfp4x4"), ((2, 4, 3), "bfp4x4"), ((1, 4, 3), "bfp4x2")):
        b = BACKENDS[0].convert(np.ones(shape, np.float32), 1, Operand(get_format(fmt)), Draws(""))
        with pytest.raises(ValueError, match="wanted"):
            BACKENDS[0].product(a, b)
    plain = BACKENDS[0].convert(np.ones((1, 4, 3), np.float32), 1, Operand(), Draws(""))
    with pytest.raises(ValueError, match="fp32"):
        BACKENDS[0].product(a, plain)
