"""Element codecs: every code, scalar and vectorised, and external truth for every minifloat that has one."""

import ml_dtypes
import numpy as np
import pytest
from golden_support import ROUNDINGS, floats, patterns
from hypothesis import given
from hypothesis import strategies as st

import golden
from golden import elements, reference
from golden.catalog import E8M0, ELEMENTS, block_minifloat, minifloat
from golden.elements import decode, encode, specials, to_float32, unpack
from golden.formats import BlockFormat, ElementEncoding, ElementFormat, Rounding, ScaleRule, Specials
from golden.rounding import canonical_nan
from golden.scales import decode_scales

BFP8 = ElementFormat(encoding=ElementEncoding.SIGN_MAGNITUDE, mantissa_bits=7, fraction_bits=6)
NARROW = ELEMENTS | {
    "e4m3 ieee": minifloat(4, 3, specials=Specials.IEEE),
    "e3m4 ieee": minifloat(3, 4, specials=Specials.IEEE),
    "e3m4": minifloat(3, 4),
    "e3m0": minifloat(3, 0),
    "e1m6": minifloat(1, 6),
    "bm(2,5)": block_minifloat(2, 5).element,
    "bm(5,2)": block_minifloat(5, 2).element,
    "e4m3 bias 11": minifloat(4, 3, bias=11, specials=Specials.NAN),
    "sm8": BFP8,
}
WIDE = {
    "bfloat16": minifloat(8, 7, specials=Specials.IEEE),
    "float16": minifloat(5, 10, specials=Specials.IEEE),
}
# name -> (element, dtype, largest magnitude that still rounds to a finite value in the dtype)
EXTERNAL = {
    "e5m2": (ELEMENTS["e5m2"], ml_dtypes.float8_e5m2, np.nextafter(np.float32(61440), np.float32(0))),
    "e4m3": (ELEMENTS["e4m3"], ml_dtypes.float8_e4m3fn, 464),
    "e3m2": (ELEMENTS["e3m2"], ml_dtypes.float6_e3m2fn, np.inf),
    "e2m3": (ELEMENTS["e2m3"], ml_dtypes.float6_e2m3fn, np.inf),
    "e2m1": (ELEMENTS["e2m1"], ml_dtypes.float4_e2m1fn, np.inf),
    "e4m3 ieee": (NARROW["e4m3 ieee"], ml_dtypes.float8_e4m3, np.nextafter(np.float32(248), np.float32(0))),
    "e3m4 ieee": (NARROW["e3m4 ieee"], ml_dtypes.float8_e3m4, np.nextafter(np.float32(15.75), np.float32(0))),
    "bfloat16": (WIDE["bfloat16"], ml_dtypes.bfloat16, np.nextafter(np.float32(3.3961775e38), np.float32(0))),
    "float16": (WIDE["float16"], np.float16, np.nextafter(np.float32(65520), np.float32(0))),
}


FLT_MAX = float(np.finfo(np.float32).max)


def every_code(element):
    return np.arange(1 << element.bits).astype(elements.code_dtype(element.bits))


def same_bits(x, y):
    """Bit patterns, every NaN alike."""
    return np.array_equal(canonical_nan(x).view(np.uint32), canonical_nan(y).view(np.uint32))


@pytest.mark.parametrize("name", NARROW)
def test_every_code_round_trips_scalar_and_vector(name):
    element, codes = NARROW[name], every_code(NARROW[name])
    values = to_float32(codes, element)
    assert patterns(values) == [reference.element_to_fp32(int(code), element) for code in codes]
    assert decode(codes, element).tolist() == [reference.decode_element(int(code), element) for code in codes]
    finite = specials(codes, element) == 0
    found = encode(values[finite].view(np.uint32), 0, element, Rounding.RNE)
    back = codes[finite].copy()
    if not element.is_float:  # one zero, and two's complement never makes its lowest code
        back[back == 0x80] = {ElementEncoding.SIGN_MAGNITUDE: 0, ElementEncoding.TWOS_COMPLEMENT: 0x81}[
            element.encoding
        ]
    assert found.tolist() == back.tolist()
    for rounding in Rounding:
        scalar = [reference.encode_element(x, 0, element, rounding) for x in patterns(values[finite])]
        assert scalar == back.tolist()


@pytest.mark.parametrize("name", EXTERNAL)
def test_every_code_means_what_ml_dtypes_says(name):
    element, dtype, _ = EXTERNAL[name]
    codes = every_code(element)
    theirs = codes.view(dtype).astype(np.float32)
    assert same_bits(to_float32(codes, element), theirs)


@pytest.mark.parametrize(
    ("name", "largest", "least_normal", "least", "code"),
    [
        ("e5m2", 57344, 2.0**-14, 2.0**-16, 0x7B),
        ("e4m3", 448, 2.0**-6, 2.0**-9, 0x7E),
        ("e3m2", 28, 0.25, 0.0625, 0x1F),
        ("e2m3", 7.5, 1, 0.125, 0x1F),
        ("e2m1", 6, 1, 0.5, 0x7),
        ("int8", 127 / 64, 1 / 64, 1 / 64, 0x7F),
    ],
)
def test_facts_of_the_ocp_elements(name, largest, least_normal, least, code):
    """The table of formats.md 3.1."""
    element = ELEMENTS[name]
    values = to_float32(every_code(element), element)
    finite = values[np.isfinite(values)]
    assert finite.max() == largest == to_float32(np.array([code], np.uint8), element)[0]
    assert element.max_code == code
    assert finite[finite > 0].min() == least == 2.0**element.lsb_exponent
    if element.is_float:
        assert least_normal == 2.0 ** (1 - element.bias)
    assert np.floor(np.log2(largest)) == element.emax


def test_received_specials():
    assert patterns(to_float32(np.array([0x7C, 0xFC, 0x7D, 0xFF], np.uint8), ELEMENTS["e5m2"])) == [
        *(0x7F800000, 0xFF800000),
        *(0x7FC00000, 0x7FC00000),
    ]
    assert patterns(to_float32(np.array([0x7F, 0xFF, 0x7E], np.uint8), ELEMENTS["e4m3"])) == [
        *(0x7FC00000, 0x7FC00000),
        *patterns([448.0]),
    ]
    assert to_float32(np.array([0x80, 0x81], np.uint8), ELEMENTS["int8"]).tolist() == [-2, -127 / 64]


def inputs(element, count=100_000):
    """FP32 magnitudes for one element format: its values, every tie and its neighbours, its range, FP32's corners."""
    values = np.abs(to_float32(every_code(element), element).astype(np.float64))
    values = np.unique(values[np.isfinite(values)])
    ties = (values[1:] + values[:-1]) / 2
    top = values[-1] + (values[-1] - values[-2]) / 2
    near = np.minimum(np.concatenate([values, ties, [top, 2 * top, 1e30]]), FLT_MAX).astype(np.float32)
    corners = np.array([1, 3, 0x400000, 0x7FFFFF, 0x800000, 0x7F7FFFFF], np.uint32).view(np.float32)
    fixed = np.concatenate([near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(FLT_MAX)), corners])
    rng = np.random.default_rng(element.bits)
    low, high = np.log2(values[1]) - 3, np.log2(values[-1]) + 2
    spread = 2.0 ** rng.uniform(max(low, -149), min(high, 127.9), max(count - 2 * len(fixed), 10_000))
    return np.concatenate([fixed, -fixed, spread * rng.choice([-1, 1], len(spread))]).astype(np.float32)


@pytest.mark.parametrize("name", EXTERNAL)
def test_rounding_equals_ml_dtypes(name):
    """100,000 floats: equal to the bit; past the top ml_dtypes makes NaN or infinity where formats.md 3.2 saturates."""
    element, dtype, limit = EXTERNAL[name]
    x = inputs(element)
    assert len(x) >= 100_000
    codes = encode(x.view(np.uint32), 0, element, Rounding.RNE)
    with np.errstate(over="ignore"):
        theirs = x.astype(dtype).view(codes.dtype)
    finite = np.abs(x) <= limit
    assert np.array_equal(codes[finite], theirs[finite])
    over = ~finite
    assert over.any() == (limit < np.inf)
    assert (codes[over] & ((1 << element.bits - 1) - 1) == element.max_code).all()
    assert (specials(theirs[over], element) != 0).all()


def test_int8_rounding_equals_numpy():
    x = inputs(ELEMENTS["int8"])
    expected = np.clip(np.rint(x.astype(np.float64) * 64), -127, 127).astype(np.int8).view(np.uint8)
    assert np.array_equal(encode(x.view(np.uint32), 0, ELEMENTS["int8"], Rounding.RNE), expected)


@pytest.mark.parametrize("name", [*NARROW, *WIDE])
def test_directed_modes_against_nearest(name):
    """Truncation never grows a magnitude, and rounding away differs from RNE at ties alone, upwards."""
    element = (NARROW | WIDE)[name]
    x = np.abs(inputs(element, 20_000))
    modes = (Rounding.RNE, Rounding.RNA, Rounding.RTZ)
    nearest, away, down = (to_float32(encode(x.view(np.uint32), 0, element, mode), element) for mode in modes)
    assert (down <= x).all()
    assert (down <= nearest).all()
    moved = away != nearest
    assert moved.any()
    ties = (away[moved].astype(np.float64) + nearest[moved]) / 2
    assert np.array_equal(ties, x[moved].astype(np.float64))
    assert (away[moved] > nearest[moved]).all()


@given(
    st.sampled_from(list(NARROW)),
    st.one_of(st.integers(0, 0x7F7FFFFF), st.integers(0x3A000000, 0x44000000)),
    st.integers(0, 1),
    st.one_of(st.integers(-130, 130), st.integers(-6, 6)),
    ROUNDINGS,
    st.sampled_from([1, 8, 16, 32]),
    st.data(),
)
def test_encode_equals_scalar(name, magnitude, sign, exponent, rounding, word_bits, data):
    element, pattern = NARROW[name], magnitude | sign << 31
    word = data.draw(st.integers(0, (1 << word_bits) - 1))
    words = np.array([word], np.uint32)
    code = encode(np.array([pattern], np.uint32), np.array([exponent]), element, rounding, words, word_bits)
    assert code.tolist() == [reference.encode_element(pattern, exponent, element, rounding, word, word_bits)]


@pytest.mark.parametrize("name", ["e5m2", "e4m3", "e2m1", "e1m6", "int8"])
def test_stochastic_rounding_goes_up_as_often_as_the_fraction_says(name):
    """Between two neighbours, over all 256 words: floor(256 * fraction) of them go up, in every binade."""
    element = NARROW[name]
    codes = np.arange(element.max_code).astype(np.uint8)
    below, above = (to_float32((codes + i).astype(np.uint8), element).astype(np.float64) for i in (0, 1))
    for fraction in (0.0, 0.25, 0.30078125, 0.5, 0.998046875):
        x = (below + (above - below) * fraction).astype(np.float32)
        words = np.arange(256, dtype=np.uint8)
        drawn = encode(x.view(np.uint32)[:, None], 0, element, Rounding.SR, words[None, :], 8)
        assert np.array_equal((drawn != codes[:, None]).sum(axis=1), np.full(len(codes), int(256 * fraction)))
        assert (drawn.astype(int) - codes[:, None] <= 1).all()


def test_codec_limits():
    with pytest.raises(ValueError, match="8 exponent bits"):
        decode(np.array([0], np.uint16), WIDE["bfloat16"])
    assert [x.tolist() for x in unpack(np.array([0x3F80, 0xC040], np.uint16), WIDE["bfloat16"])] == [
        [False, True],
        [128, 192],
        [-7, -6],
    ]


# E8M0 is a shared exponent: its codes by the scale codec, its rounding by the scale rules of one-bit elements.


def test_every_scale_code():
    codes = np.arange(255).astype(np.uint8)
    theirs = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    assert np.array_equal(2.0 ** decode_scales(codes, E8M0), theirs)
    assert [E8M0.decode(int(code)) for code in codes] == decode_scales(codes, E8M0).tolist()
    assert [E8M0.encode(E8M0.decode(int(code))) for code in codes] == codes.tolist()
    assert np.isnan(np.array([E8M0.poison_code], np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float32))


def test_scale_rules_of_one_bit_elements_are_casts_to_e8m0():
    """`even` on elements of one significant bit is RNE to a power of two; a tie goes up, as in ml_dtypes."""
    one_bit = BlockFormat(name="one bit", element=minifloat(1, 0, bias=1), scale=E8M0, block=1)
    x = np.abs(inputs(minifloat(4, 7)))
    x = x[(x >= 2.0**-126) & (x < 2.0**100)]
    scales = golden.quantize(x[:, None], one_bit, scale_rule=ScaleRule.EVEN).scales[:, 0]
    assert np.array_equal(scales, x.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8))
    floor = golden.quantize(x[:, None], one_bit).exponents[:, 0]
    ceil = golden.quantize(x[:, None], one_bit, scale_rule="ceil").exponents[:, 0]
    assert (2.0**floor <= x).all()
    assert (x < 2.0 ** (floor + 1)).all()
    assert (x <= 2.0**ceil).all()
    assert (x > 2.0 ** (ceil - 1)).all()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"exponent": 9, "mantissa": 2}, r"exponent_bits 9: 1\.\.8"),
        ({"exponent": 4, "mantissa": 11}, r"mantissa_bits 11: 0\.\.10"),
        ({"exponent": 1, "mantissa": 3, "specials": Specials.IEEE}, "at least 2 exponent bits"),
        ({"exponent": 4, "mantissa": 0, "specials": Specials.NAN}, "1 mantissa bit"),
    ],
)
def test_minifloats_out_of_range(facts, message):
    with pytest.raises(ValueError, match=message):
        minifloat(**facts)


def test_patterns_helper_is_exact():
    assert floats(patterns(np.float32([1.5, -0.0]))).tolist() == [1.5, -0.0]
