"""Names of formats, their stored facts, and what their arrays hold."""

import numpy as np
import pytest
from formats_support import BLOCK_FORMATS, scalars
from golden_support import patterns

import golden
from golden.blocks import BlockArray
from golden.catalog import ALIASES, ELEMENTS, block_minifloat, get_format, microexponents, msfp, mx
from golden.formats import BlockFormat, ScaleEncoding, ScaleFormat


def test_catalogue_lists_names_that_resolve():
    names = golden.list_formats()
    assert [get_format(name).name for name in names] == names
    assert len(set(names)) == len(names)
    assert {"mx9", "mx6", "mx4", "mxfp4", "mxint8", "nvfp4", "msfp12", "bm_e2m5x48"} <= set(names)
    assert all(get_format(alias).name in names for alias in ALIASES)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("MX9", "mx9"),
        ("mx_m7_k16_2_d8_1", "mx9"),
        ("mx_m2_k16_2_d8_1", "mx4"),
        ("mx_m7_k16_8_d8_1", "mx_m7_k16_8_d8_1"),
        ("mxfp8", "mxfp8_e4m3"),
        ("MXFP8_E5M2", "mxfp8_e5m2"),
        ("mxfp6", "mxfp6_e3m2"),
        ("mxfp4_e2m1", "mxfp4"),
        ("mxfp4x32", "mxfp4"),
        ("mxfp4x16", "mxfp4x16"),
        ("msfp12x16", "msfp12"),
        ("msfp12x64", "msfp12x64"),
        ("bm_e2m5", "bm_e2m5x48"),
        ("bm_e4m3x1", "bm_e4m3x1"),
    ],
)
def test_names_and_aliases(name, canonical):
    assert get_format(name).name == canonical
    assert get_format(canonical) == get_format(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("mx8", "mx"),
        ("mxfp8_e4m4", "mxfp8_e4m3"),
        ("mxfp5", "mxfp"),
        ("nvfp8", "nvfp4"),
        ("mfsp12", "msfp12"),
        ("bm_e2_m5", "bm_e2m5x48"),
        ("mx9 ", "mx9"),
    ],
)
def test_unknown_name_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest}") as error:
        get_format(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("msfp10", r"msfp 10: 11\.\.16"),
        ("msfp17", r"msfp 17: 11\.\.16"),
        ("msfp12x1025", r"block 1025: 1\.\.1024"),
        ("mxfp4x0", r"block 0: 1\.\.1024"),
        ("mx_m16_k16_2_d8_1", r"m 16: 1\.\.15"),
        ("mx_m7_k16_3_d8_1", "subblock 3: a divisor of the block 16"),
        ("mx_m7_k16_2_d11_1", r"d1 11: 2\.\.10"),
        ("mx_m7_k16_2_d8_4", r"d2 4: 1\.\.3"),
        ("bm_e6m1", r"exponent 6: 1\.\.5"),
        ("bm_e4m4", r"mantissa 4: 0\.\.3"),
    ],
)
def test_sizes_out_of_range(name, message):
    with pytest.raises(ValueError, match=message):
        get_format(name)


def test_unknown_element():
    with pytest.raises(ValueError, match="element 'e4m2': one of e5m2, e4m3"):
        mx("e4m2")


@pytest.mark.parametrize(
    ("fmt", "bits", "per_element", "lowest", "highest", "poison"),
    [
        ("mx9", 144, 9, -127, 127, 255),
        ("mx6", 96, 6, -127, 127, 255),
        ("mx4", 64, 4, -127, 127, 255),
        ("mxfp8_e5m2", 264, 8.25, -127, 127, 255),
        ("mxfp8_e4m3", 264, 8.25, -127, 127, 255),
        ("mxint8", 264, 8.25, -127, 127, 255),
        ("mxfp6_e3m2", 200, 6.25, -127, 127, 255),
        ("mxfp6_e2m3", 200, 6.25, -127, 127, 255),
        ("mxfp4", 136, 4.25, -127, 127, 255),
        ("msfp16", 136, 8.5, -127, 127, 255),
        ("msfp12", 72, 4.5, -127, 127, 255),
        ("bm_e2m5x48", 392, 392 / 48, -128, 126, 255),
        ("bm_e4m3x48", 392, 392 / 48, -134, 120, 255),
    ],
)
def test_stored_facts(fmt, bits, per_element, lowest, highest, poison):
    """The tables of formats.md 0.9 and 2.1."""
    fmt = get_format(fmt)
    scale = fmt.scale
    assert (fmt.bits, fmt.bits_per_element) == (bits, per_element)
    assert (scale.lowest, scale.highest, scale.poison_code) == (lowest, highest, poison)
    assert [scale.encode(e) for e in (lowest, highest)] == [0, 254]


def test_nvfp4_facts():
    fmt = get_format("nvfp4")
    assert (fmt.bits, fmt.bits_per_element, fmt.scale.poison_code, fmt.tensor_scale) == (72, 4.5, 0x7F, True)
    assert fmt.scale.minifloat == ELEMENTS["e4m3"]


def test_microexponent_bits_per_element_follow_from_the_formula():
    """formats.md 2.1: 1 + m + d1/k1 + d2/k2."""
    for m, k1, k2, d1, d2 in ((7, 16, 2, 8, 1), (4, 32, 8, 6, 3), (2, 64, 1, 10, 2)):
        assert microexponents(m, k1, k2, d1, d2).bits_per_element == 1 + m + d1 / k1 + d2 / k2


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"scale": ScaleFormat(encoding=ScaleEncoding.BIASED, bits=8, bias=127), "tensor_scale": True}, "tensor_scale"),
        ({"scale": get_format("nvfp4").scale}, "tensor_scale"),
        ({"scale": get_format("nvfp4").scale, "tensor_scale": True, "microexponent_bits": 1}, "under a float scale"),
        ({"element": ELEMENTS["e4m3"], "scale": get_format("nvfp4").scale, "tensor_scale": True}, "specials: none"),
    ],
)
def test_scales_that_do_not_go_together(facts, message):
    with pytest.raises(ValueError, match=message):
        BlockFormat(**{"name": "x", "element": ELEMENTS["e2m1"], "block": 16} | facts)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"encoding": ScaleEncoding.FLOAT, "bits": 8}, "minifloat: an element format for a float scale"),
        ({"encoding": ScaleEncoding.BIASED, "bits": 8, "minifloat": ELEMENTS["e4m3"]}, "and for no other"),
        ({"encoding": ScaleEncoding.FLOAT, "bits": 8, "minifloat": ELEMENTS["e5m2"]}, "only NaN"),
        ({"encoding": ScaleEncoding.FLOAT, "bits": 8, "bias": 7, "minifloat": ELEMENTS["e4m3"]}, "bias 7: 0"),
    ],
)
def test_scales_that_make_no_sense(facts, message):
    with pytest.raises(ValueError, match=message):
        ScaleFormat(**facts)


# Arrays


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["mx6", "mxfp8_e5m2", "mxint8", "nvfp4", "bm_e4m3x48"])
def test_any_axis_and_ragged_tails(name, axis):
    x = np.random.default_rng(axis).standard_normal((5, 37, 6)).astype(np.float32)
    fmt = get_format(name)
    q = golden.quantize(x, fmt, axis=axis)
    moved = golden.quantize(np.ascontiguousarray(np.moveaxis(x, axis, -1)), fmt)
    assert scalars(q) == scalars(moved)
    assert np.array_equal(np.moveaxis(q.dequantize(), axis, -1), moved.dequantize())
    assert not q.codes[..., -1, x.shape[axis] % fmt.block :].any() or x.shape[axis] % fmt.block == 0
    back = golden.from_bits(q.to_bits(), fmt, x.shape, axis, tensor_scale=q.tensor_scale)
    assert scalars(back) == scalars(q)
    assert patterns(back.dequantize()) == patterns(q.dequantize())


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_shapes_and_types(name):
    fmt = get_format(name)
    q = golden.quantize(np.ones((3, 100), np.float32), fmt)
    blocks = -(-100 // fmt.block)
    assert (q.codes.shape, q.codes.dtype) == ((3, blocks, fmt.block), np.uint8)
    assert (q.scales.shape, q.scales.dtype) == ((3, blocks), np.uint8)
    assert q.to_bits().shape == (3, blocks, fmt.bytes)
    if fmt.microexponents:
        assert (q.microexponents.shape, q.microexponents.dtype) == ((3, blocks, fmt.block // 2), np.uint8)
    else:
        assert q.microexponents is None
    assert (q.tensor_scale is not None) == (name == "nvfp4")
    assert q.dequantize().dtype == np.float32
    assert (np.abs(q.integers) <= fmt.max_integer).all()


def test_narrow_inputs_agree():
    import ml_dtypes

    x = np.array([1.5, -0.25, 3.0, 0.0, 2.0**-14, -5.5])
    for name in BLOCK_FORMATS:
        expected = golden.quantize(x.astype(np.float32), name)
        for dtype in (np.float16, ml_dtypes.bfloat16, np.float64):
            assert scalars(golden.quantize(x.astype(dtype), name)) == scalars(expected)


@pytest.mark.parametrize(
    ("name", "extra", "message"),
    [
        ("mx9", {}, r"microexponents None: \(1, 8\) wanted"),
        ("mx9", {"microexponents": np.zeros((1, 7), int)}, r"microexponents \(1, 7\): \(1, 8\) wanted"),
        ("mx9", {"microexponents": np.full((1, 8), 2)}, r"microexponents: integers 0\.\.1 wanted"),
        ("msfp12", {"microexponents": np.zeros((1, 8), int)}, "microexponents: msfp12 has none"),
        ("msfp12", {"tensor_scale": 1.0}, "tensor_scale: msfp12 has none"),
        ("nvfp4", {}, "tensor_scale None: one positive finite FP32"),
        ("nvfp4", {"tensor_scale": 0.0}, "tensor_scale 0.0: one positive"),
        ("nvfp4", {"tensor_scale": -1.0}, "tensor_scale -1.0: one positive"),
        ("nvfp4", {"tensor_scale": np.inf}, "tensor_scale inf: one positive"),
        ("nvfp4", {"tensor_scale": [1.0]}, "one positive finite FP32"),
    ],
)
def test_bad_scales_of_given_codes(name, extra, message):
    with pytest.raises(ValueError, match=message):
        BlockArray.from_codes(name, np.zeros((1, 16), int), [127], **extra)


def test_images_of_nvfp4_need_their_tensor_scale():
    q = golden.quantize(np.ones(16), "nvfp4")
    with pytest.raises(ValueError, match="tensor_scale None"):
        golden.from_bits(q.to_bits(), "nvfp4", (16,))
    assert q.tensor_scale.shape == ()


def test_builders_take_the_sizes_of_their_names():
    assert msfp(13, 8) == get_format("msfp13x8")
    assert mx("int8", 4) == get_format("mxint8x4")
    assert block_minifloat(3, 2) == get_format("bm_e3m2")
