"""Conversion between block formats: against the scalar reference, against the FP32 path, and what counts as exact."""

from itertools import product

import numpy as np
import pytest

import golden
from golden import reference
from golden.block_array import BlockArray
from golden.catalog import get_format
from golden.formats import Rounding, ScaleRule, conversion_loss

# Two elements a block, so that a draw meets every combination; wide and narrow scales, every kind of element.
SMALL = [
    "bfp3x2e5", "bfp5x2e6", "bfp9x2", "mx_m2_k2_1_d5_1", "mx_m3_k2_1_d6_2", "mx_m4_k2_2_d5_1", "mx_m7_k2_2_d8_1",
    "mx_m4_k2_2_d6_2", "mxfp4x2", "mxfp6_e3m2x2", "mxfp6_e2m3x2", "mxfp8_e4m3x2", "mxfp8_e5m2x2", "mxint8x2",
    "msfp12x2", "msfp16x2", "bm_e2m1x2", "bm_e4m3x2", "bm_e3m0x2",
]  # fmt: skip


def drawn(name, count, rng, finite=False):
    """Blocks of any codes, half of them with scales at the ends; `finite` without poison and specials."""
    fmt = get_format(name)
    ends = [fmt.scale.encode(fmt.scale.lowest), fmt.scale.encode(fmt.scale.highest)]
    scales = np.where(rng.random(count) < 0.5, rng.choice(ends, count), rng.integers(0, 1 << fmt.scale.bits, count))
    codes = rng.integers(0, 1 << fmt.element.bits, (count, fmt.block))
    extremes = [1, 1 << fmt.element.bits - 1, fmt.element.max_code, fmt.element.max_code >> 1]
    codes = np.where(rng.random(codes.shape) < 0.5, rng.choice(extremes, codes.shape), codes)
    magnitudes = codes & ((1 << fmt.element.bits - 1) - 1)
    if finite:
        scales[scales == fmt.scale.poison_code] = ends[0]
        codes[magnitudes > fmt.element.max_code] = 1
    shared = rng.integers(0, fmt.max_microexponent + 1, (count, fmt.microexponents)) if fmt.microexponents else None
    return BlockArray.from_codes(
        fmt,
        codes[:, np.newaxis],
        scales[:, np.newaxis],
        microexponents=None if shared is None else shared[:, np.newaxis],
    )


def as_reference(blocks, k):
    shared = [] if blocks.microexponents is None else blocks.microexponents[k, 0].tolist()
    return reference.Block(blocks.format, int(blocks.scales[k, 0]), blocks.codes[k, 0].tolist(), shared)


def values(blocks):
    """Exact values (n, block) of finite blocks: float64 holds integers of 40 bits in any unit of these formats."""
    return np.ldexp(blocks.integers[:, 0].astype(np.float64), blocks.unit_exponents)


@pytest.mark.parametrize("rule", ScaleRule)
def test_conversion_is_the_scalar_reference(rule):
    rng = np.random.default_rng(5)
    for source, target in product(SMALL, SMALL):
        blocks = drawn(source, 6, rng)
        rounding = [Rounding.RNE, Rounding.RNA, Rounding.RTZ][rng.integers(3)]
        made = golden.convert(blocks, target, inexact="round", rounding=rounding, scale_rule=rule)
        for k in range(6):
            wanted = reference.convert(as_reference(blocks, k), made.format, rounding, rule)
            assert as_reference(made, k) == wanted, (source, target, rounding)


@pytest.mark.parametrize("rule", ScaleRule)
def test_what_is_called_exact_is_and_what_is_refused_loses_something(rule):
    rng, exact = np.random.default_rng(6), 0
    for source, target in product(SMALL, SMALL):
        blocks = drawn(source, 400, rng, finite=True)
        made = golden.convert(blocks, target, inexact="round", rounding="rtz", scale_rule=rule)
        same = bool((values(made) == values(blocks)).all())
        loss = conversion_loss(blocks.format, made.format, rule)
        assert same == (not loss), (source, target, loss)
        exact += same
        if loss:
            with pytest.raises(ValueError, match="inexact='round' rounds"):
                golden.convert(blocks, target, scale_rule=rule)
    assert len(SMALL) < exact < len(SMALL) ** 2


@pytest.mark.parametrize(("source", "target"), [("mx9", "mx6"), ("mxfp8_e4m3", "mxfp4"), ("mxfp6_e2m3", "mxint8")])
def test_where_fp32_holds_the_values_it_is_the_converter_of_fp32(source, target):
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((50, 64)) * np.exp2(rng.integers(-20, 20, (50, 1)))).astype(np.float32)
    blocks = golden.quantize(x, source)
    for rounding, rule in product(("rne", "rna", "rtz"), ScaleRule):
        made = golden.convert(blocks, target, inexact="round", rounding=rounding, scale_rule=rule)
        wanted = golden.quantize(blocks.dequantize(), target, rounding=rounding, scale_rule=rule)
        assert (made.to_bits() == wanted.to_bits()).all()
        assert made.shape == x.shape


def test_a_wider_format_of_the_same_kind_only_appends_zeros():
    x = np.random.default_rng(8).standard_normal((20, 32)).astype(np.float32)
    narrow = golden.quantize(x, "mx6")
    wide = golden.convert(narrow, "mx9")
    assert (wide.mantissas == narrow.mantissas << 3).all()
    assert (wide.scales == narrow.scales).all()
    assert (wide.microexponents == narrow.microexponents).all()


def test_specials_poison_a_block():
    blocks = BlockArray.from_codes("mxfp8_e5m2x2", [[[0x7C, 1]], [[0x7E, 1]], [[0x3C, 0x80]]], [[127], [127], [127]])
    made = golden.convert(blocks, "bfp9x2", inexact="round")
    assert made.poison[:, 0].tolist() == [True, True, False]
    assert made.codes[:, 0].tolist()[:2] == [[0, 0], [0, 0]]
    assert golden.convert(blocks, "bm_e4m3x2", inexact="round").codes[2, 0, 1] == 0x80  # minus zero


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("mx9", "mxfp4", {}, "mx9 to mxfp4: one block length wanted"),
        ("mx9", "mx6", {}, "mx9 to mx6: elements reach down 6 binades, mx6 keeps 3; inexact='round' rounds"),
        ("mx9", "mx6", {"inexact": "yes"}, "inexact 'yes': one of refuse, round"),
        ("mx9", "mx6", {"inexact": "round", "rounding": "sr"}, "rounding 'sr': one of rne, rna, rtz"),
        ("mx9", "nvfp4", {}, "nvfp4: formats whose scale is a power of two wanted"),
        ("mxfp6_e2m3", "mxfp8_e4m3", {}, "the largest elements saturate in mxfp8_e4m3 under the scale rule floor"),
    ],
)
def test_what_is_not_taken_is_named(source, target, options, message):
    blocks = golden.quantize(np.ones(32, np.float32), source)
    with pytest.raises(ValueError, match=message):
        golden.convert(blocks, target, **options)
