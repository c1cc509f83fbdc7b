"""Conversion to every block format: against the scalar reference, by definition, and against other implementations."""

from bisect import bisect_right
from fractions import Fraction
from functools import cache
from itertools import pairwise

import gfloat
import ml_dtypes
import numpy as np
import pytest
from formats_support import BLOCK_FORMATS, BLOCKS, scalars
from gfloat import formats as gfloat_formats
from golden_support import ROUNDINGS, SCALE_RULES, blocks, floats, patterns
from hypothesis import given
from hypothesis import strategies as st

import golden
from golden import reference
from golden.catalog import ELEMENTS, get_format, microexponents, mx
from golden.elements import to_float32
from golden.formats import Rounding


def assert_equals_scalar(rows, fmt, rounding, scale_rule, words=None, word_bits=0):
    random = {} if words is None else {"random": words.reshape(-1), "random_bits": word_bits}
    tensor = [x for row in rows for x in row]
    q = golden.quantize(floats(tensor), fmt, rounding=rounding, scale_rule=scale_rule, **random)
    drawn = [None] * len(rows) if words is None else words.tolist()
    expected = [
        reference.quantize(row, fmt, rounding, scale_rule, word, word_bits, tensor)
        for row, word in zip(rows, drawn, strict=True)
    ]
    assert scalars(q) == expected
    assert patterns(q.dequantize()) == [x for block in expected for x in reference.dequantize(block)]
    packed = [reference.pack(block) for block in expected]
    assert [int.from_bytes(image.tobytes(), "little") for image in q.to_bits()] == packed
    assert [reference.unpack(x, fmt, expected[0].tensor_scale) for x in packed] == expected


@given(st.data(), BLOCKS, ROUNDINGS, SCALE_RULES)
def test_equals_scalar(data, fmt, rounding, scale_rule):
    rows = [data.draw(blocks(fmt.block)) for _ in range(data.draw(st.integers(1, 3)))]
    words, word_bits = None, 0
    if rounding == "sr":
        word_bits = data.draw(st.sampled_from([1, 8, 16, 24]))
        word = st.lists(st.integers(0, (1 << word_bits) - 1), min_size=fmt.block, max_size=fmt.block)
        words = np.array([data.draw(word) for _ in rows], np.uint32)
    assert_equals_scalar(rows, fmt, rounding, "floor" if fmt.tensor_scale else scale_rule, words, word_bits)


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("scale_rule", ["floor", "ceil", "even"])
@pytest.mark.parametrize("name", [*BLOCK_FORMATS, "mx_m5_k12_3_d6_2", "mx_m15_k8_8_d10_3"])
def test_every_named_format_equals_scalar(name, scale_rule, rounding):
    """Every format by every rule and rounding, whole blocks: close magnitudes, spread ones, specials among them."""
    fmt = get_format(name)
    if fmt.tensor_scale and scale_rule != "floor":
        with pytest.raises(ValueError, match=f"scale_rule '{scale_rule}'.*only the default 'floor'"):
            golden.quantize(np.ones(16), fmt, scale_rule=scale_rule)
        return
    rng = np.random.default_rng(fmt.bits)
    x = rng.standard_normal((4, fmt.block)) * 2.0 ** (rng.integers(-12, 1, (4, fmt.block)) * [[0], [1], [1], [0]])
    x[2] *= 2.0**-128
    x[3] *= 2.0**125
    x[1, 1::5] = -0.0
    x[3, 2] = np.nan if rounding == "rna" else 0
    words = rng.integers(0, 1 << 16, x.shape, np.uint16) if rounding == "sr" else None
    rows = np.reshape(patterns(x), x.shape).tolist()
    assert_equals_scalar(rows, fmt, rounding, scale_rule, words, 16)


def test_all_scales_of_nvfp4_blocks():
    """Tensors whose blocks span all of E4M3's codes, its subnormals and zero; amax from the least to the largest."""
    for amax in (1.0, 2.0**-149, 1e-38, 3.4028235e38, 2688.0, 0.0):
        down = 2.0 ** -np.arange(24.0)[:, None]
        x = np.float32(amax) * (down * np.linspace(0.3, 1, 16)).astype(np.float32)
        rows = np.reshape(patterns(x), x.shape).tolist()
        assert_equals_scalar(rows, get_format("nvfp4"), Rounding.RNE, "floor")


def value(pattern):
    return Fraction(float(floats([pattern])[0]))


@cache
def magnitudes(element):
    """What the codes without sign mean, in units of the least: increasing, and no two alike."""
    values = [abs(reference.decode_element(code, element)) for code in range(element.max_code + 1)]
    assert all(x < y for x, y in pairwise(values))
    return values


@given(st.data(), BLOCKS.filter(lambda fmt: not fmt.tensor_scale and fmt.element.bits <= 9), SCALE_RULES)
def test_nearest_by_definition(data, fmt, scale_rule):
    """No code lies nearer to an element under its scales than the one chosen; of two as near, it is the even one."""
    row = data.draw(blocks(fmt.block, finite=True))
    q, element = golden.quantize(floats(row), fmt, scale_rule=scale_rule), fmt.element
    known = magnitudes(element)
    shifts = np.zeros(fmt.block, int) if q.microexponents is None else q.microexponents[0].repeat(fmt.subblock)
    for pattern, code, shift in zip(row, q.codes[0].tolist(), shifts.tolist(), strict=True):
        unit = Fraction(2) ** int(q.exponents[0] - shift + element.lsb_exponent)
        wanted = abs(value(pattern)) / unit
        chosen = abs(reference.decode_element(code, element))
        above = bisect_right(known, wanted)  # its neighbours are the last value up to it and the first beyond
        nearest = sorted(known[max(above - 1, 0) : above + 1], key=lambda x: (abs(x - wanted), known.index(x) % 2))
        assert chosen == nearest[0]
        negative = bool(pattern >> 31) and (chosen > 0 or element.is_float)
        assert bool(code >> element.bits - 1) == negative


@given(st.data(), st.integers(2, 7), st.integers(1, 3), st.integers(1, 3), SCALE_RULES)
def test_microexponents_by_definition(data, m, d2, k2, rule):
    """A pair takes the largest shift that its own scale rule allows, and the block the largest pair's exponent."""
    fmt = microexponents(m, 4 * k2, k2, 8, d2)
    row = data.draw(blocks(fmt.block, finite=True))
    q = golden.quantize(floats(row), fmt, scale_rule=rule)
    single = microexponents(m, k2, k2, 10, d2)  # a pair on its own, with an exponent that does not clamp
    pairs = golden.quantize(floats(row).reshape(4, k2), single, scale_rule=rule)
    wanted = pairs.exponents[:, 0]
    nonzero = floats(row).reshape(4, k2).any(axis=1)
    shared = np.clip(wanted[nonzero].max(initial=-127), -127, 127)
    assert q.exponents.tolist() == [shared]
    expected = np.where(nonzero, np.clip(shared - wanted, 0, 2**d2 - 1), 2**d2 - 1)
    assert q.microexponents[0].tolist() == expected.tolist()


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_default_conversion_is_idempotent(name):
    """NVFP4 is not among those: its tensor scale depends on a maximum that rounding moves."""
    x = np.random.default_rng(0).standard_normal((300, 96)).astype(np.float32)
    once = golden.quantize(x, name)
    twice = golden.quantize(once.dequantize(), name)
    if name != "nvfp4":
        assert np.array_equal(once.dequantize(), twice.dequantize())


@pytest.mark.parametrize("name", [name for name in BLOCK_FORMATS if name != "nvfp4"])
def test_power_of_two_scaling_moves_the_exponent_alone(name):
    x = np.random.default_rng(1).standard_normal((20, 96)).astype(np.float32)
    q, scaled = golden.quantize(x, name), golden.quantize(x * np.float32(2.0**-40), name)
    assert np.array_equal(q.codes, scaled.codes)
    assert np.array_equal(q.exponents - 40, scaled.exponents)


@pytest.mark.parametrize("m", range(2, 8))
def test_msfp_is_bfp_by_another_name(m):
    """formats.md 5: MSFP equals BFP of the same m, E = E1 - 1."""
    x = np.random.default_rng(m).standard_normal((50, 16)).astype(np.float32)
    for rounding in ("rne", "rtz"):
        q, b = (golden.quantize(x, fmt, rounding=rounding) for fmt in (f"msfp{m + 9}", f"bfp{m + 1}x16"))
        assert np.array_equal(q.codes, b.codes)
        assert np.array_equal(q.exponents, b.exponents - 1)


# Zero, NaN and infinite blocks


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_zero_blocks(name):
    fmt = get_format(name)
    q = golden.quantize(np.array([0.0, -0.0] * fmt.block, np.float32), fmt)
    assert q.scales.tolist() == [0, 0]  # the lowest code of every one of these
    assert (q.codes[:, 1::2] == (1 << fmt.element.bits - 1 if fmt.element.is_float else 0)).all()
    assert (q.codes[:, ::2] == 0).all()
    if fmt.microexponents:
        assert (q.microexponents == fmt.max_microexponent).all()
    assert (q.dequantize() == 0).all()
    assert np.signbit(q.dequantize()).any() == fmt.element.is_float


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_poison_stays_in_its_block(name, special):
    fmt = get_format(name)
    x = np.random.default_rng(2).standard_normal(3 * fmt.block).astype(np.float32)
    clean = golden.quantize(x, fmt)
    x[fmt.block + 1] = special
    q = golden.quantize(x, fmt)
    assert q.poison.tolist() == [False, True, False]
    assert q.scales[1] == fmt.scale.poison_code
    assert not q.codes[1].any()
    assert fmt.microexponents == 0 or not q.microexponents[1].any()
    values = q.dequantize().reshape(3, -1)
    assert set(patterns(values[1])) == {0x7FC00000}
    if name != "nvfp4" or clean.tensor_scale == q.tensor_scale:
        assert np.array_equal(values[[0, 2]], clean.dequantize().reshape(3, -1)[[0, 2]])
    assert golden.from_bits(q.to_bits(), fmt, x.shape, tensor_scale=q.tensor_scale).poison.tolist() == [
        False,
        True,
        False,
    ]


def test_no_finite_tensor_makes_a_special():
    """The largest FP32 values by every rule: finite codes, the largest among them; `ceil` clamps at the top scale."""
    top = np.array([0x7F7FFFFF, 0xFF7FFFFF], np.uint32).view(np.float32)
    for name in BLOCK_FORMATS:
        for rule in ["floor"] if name == "nvfp4" else ["floor", "ceil", "even"]:
            q = golden.quantize(np.resize(top, 48), name, scale_rule=rule)
            assert not q.poison.any()
            assert (q.specials == 0).all()
            assert np.isfinite(q.dequantize()).all() or rule != "floor"


# Other implementations

GFLOAT = {
    "mxfp8_e5m2": "mxfp8_e5m2",
    "mxfp8_e4m3": "mxfp8_e4m3",
    "mxfp6_e3m2": "mxfp6_e3m2",
    "mxfp6_e2m3": "mxfp6_e2m3",
    "mxfp4": "mxfp4_e2m1",
    "mxint8": "mxint8",
}


def gfloat_samples():
    """100 blocks as float64: wide and narrow ones, all powers of two and their neighbours, zeros, FP32's ends."""
    rng = np.random.default_rng(5)
    places = rng.integers(-8, 9, (100, 32)) + rng.integers(-100, 100, (100, 1))
    x = rng.standard_normal((100, 32)) * 2.0**places
    x[90:] = 2.0 ** rng.integers(-3, 4, (10, 32))
    x = x.astype(np.float32)
    x[70:90] = rng.standard_normal((20, 32))
    x[80:90, 0] = np.nextafter((2.0 ** rng.integers(4, 20, 10)).astype(np.float32), np.float32(0))
    x[70:80, 0] = -np.abs(x[80:90, 0])  # these round to -2 in units of the scale
    x[60], x[61], x[62, ::2] = 0, 3e38, -0.0
    return x


@pytest.mark.parametrize("name", GFLOAT)
def test_equals_gfloat(name):
    """3,200 elements per format in float64, where gfloat's log2 is exact enough; scales too, which it does not return.

    gfloat's MXINT8 reaches -2, code 0x80, which converters here never make (formats.md 3.1).
    """
    info = getattr(gfloat_formats, "format_info_" + GFLOAT[name])
    x = gfloat_samples()
    ours = golden.quantize(x, name).dequantize().astype(np.float64)
    theirs = np.array([gfloat.quantize_block(info, row.astype(np.float64), gfloat.compute_scale_amax) for row in x])
    scales = np.array([gfloat.compute_scale_amax(info.etype.emax, row.astype(np.float64)) for row in x])
    assert np.array_equal(2.0 ** golden.quantize(x, name).exponents[:, 0], scales)
    lowest = theirs == -2.0 * scales[:, None] if name == "mxint8" else np.zeros(x.shape, bool)
    assert lowest.any() == (name == "mxint8")
    assert np.array_equal(ours[~lowest], theirs[~lowest])
    assert np.array_equal(np.signbit(ours[~lowest]), np.signbit(theirs[~lowest])) or name == "mxint8"
    assert np.array_equal(ours[lowest] * 128, theirs[lowest] * 127)


@pytest.mark.parametrize("name", ["mxfp8_e5m2", "mxfp8_e4m3", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4"])
def test_equals_scaled_casts_of_ml_dtypes(name):
    """100,000 elements in blocks: divide by the scale, saturate, cast."""
    element = get_format(name).element
    dtype = {
        "mxfp8_e5m2": ml_dtypes.float8_e5m2,
        "mxfp8_e4m3": ml_dtypes.float8_e4m3fn,
        "mxfp6_e3m2": ml_dtypes.float6_e3m2fn,
        "mxfp6_e2m3": ml_dtypes.float6_e2m3fn,
        "mxfp4": ml_dtypes.float4_e2m1fn,
    }[name]
    rng = np.random.default_rng(9)
    x = (rng.standard_normal((3125, 32)) * 2.0 ** rng.integers(-9, 1, (3125, 32))).astype(np.float32)
    scales = 2.0 ** (np.floor(np.log2(np.abs(x.astype(np.float64)).max(axis=1, keepdims=True))) - element.emax)
    largest = np.float64(element.max_integer) * 2.0**element.lsb_exponent
    expected = np.clip(x / scales, -largest, largest).astype(np.float32).astype(dtype)
    q = golden.quantize(x, name)
    assert np.array_equal(q.codes[:, 0], expected.view(np.uint8))
    assert np.array_equal(q.dequantize(), (expected.astype(np.float64) * scales).astype(np.float32))


def maxima_at_ties(amax, rows):
    """Block maxima (n) whose scale falls on a tie of E4M3 or a few FP32 units beside it; the tensor's stays amax."""
    codes = np.arange(0x30, 0x7E, dtype=np.uint8)
    ties = sum(to_float32(c, ELEMENTS["e4m3"]).astype(np.float64) for c in (codes, codes + np.uint8(1))) / 2
    wanted = np.resize(ties, len(rows)) * (float(amax) / 2688) * 6
    units = np.spacing(wanted.astype(np.float32)) * (np.arange(len(rows)) // len(ties) % 7 - 3)
    rows[:, 1:] *= 2.0**-14
    return np.maximum((wanted + units).astype(np.float32), np.abs(rows[:, 1:]).max(axis=1))


def test_nvfp4_equals_transformer_engine_in_float32():
    """formats.md 4's order of operations once more, in NumPy float32 and casts of ml_dtypes, on 160,000 elements."""
    rng = np.random.default_rng(4)
    for magnitude in (1.0, 1e-30, 1e30, 1e-42):
        x = (rng.standard_normal((2500, 16)) * 2.0 ** rng.integers(-12, 1, (2500, 1)) * magnitude).astype(np.float32)
        x[:1000, 0] = maxima_at_ties(np.abs(x).max(), x[:1000].astype(np.float64))
        one, largest = np.float32(1), np.finfo(np.float32).max
        with np.errstate(all="ignore"):
            encode = min(np.float32(2688) / np.abs(x).max(), largest)
            decode = one / encode
            amax = np.abs(x).max(axis=1, keepdims=True)
            scales = np.minimum(amax * (encode * (one / np.float32(6))), np.float32(448)).astype(
                ml_dtypes.float8_e4m3fn
            )
            factors = np.minimum(one / (scales.astype(np.float32) * decode), largest)
            codes = np.clip(x * factors, np.float32(-6), np.float32(6)).astype(ml_dtypes.float4_e2m1fn)
        q = golden.quantize(x, "nvfp4")
        assert patterns(q.tensor_scale) == patterns(decode)
        assert np.array_equal(q.scales[:, 0], scales.view(np.uint8)[:, 0])
        assert np.array_equal(q.codes[:, 0], codes.view(np.uint8))
        exact = codes.astype(np.float64) * scales.astype(np.float64) * np.float64(decode)  # 2 + 4 + 24 bits
        with np.errstate(under="ignore"):
            assert np.array_equal(q.dequantize(), exact.astype(np.float32))


def test_published_tie_rules_differ():
    """microxcaling's default rounds ties away, this model's to even: formats.md 3.5, both by name."""
    x = [4.0, 2.5, -2.5, 0.25]
    away, even = (golden.quantize(x, "mxfp4", rounding=mode).dequantize().tolist() for mode in ("rna", "rne"))
    assert (away, even) == ([4, 3, -3, 0.5], [4, 2, -2, 0])


def test_element_table_is_what_the_formats_use():
    assert {name: mx(name).element for name in ELEMENTS} == ELEMENTS
    assert to_float32(np.array([7], np.uint8), ELEMENTS["e2m1"]).tolist() == [6]
