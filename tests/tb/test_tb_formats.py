"""Benches of every block format: models against the scalar reference, corners in full, the pairwise array, RTL."""

import json
from collections import Counter
from fractions import Fraction
from functools import reduce
from itertools import combinations, product

import numpy as np
import pytest
from tb_support import require_verilator

import tb.models_dot
from golden import reference
from golden.catalog import get_format
from golden.formats import Rounding
from golden.rounding import TARGETS, canonical_nan, to_float
from hdl.registry import make_config
from tb import pairwise, verified
from tb.batches import element_field, length, prefixes, scale_field, tensor_scales, to_code
from tb.bulk_check import check
from tb.configurations import FORMATS, configurations, find
from tb.covering import covering_array, missing_pairs
from tb.manifest import Manifest
from tb.models import expected
from tb.models_dot import fixed_widths
from tb.plan import count_hits, points, verdict
from tb.regression import emitted
from tb.spaces import SETS
from tb.stimulus import corner_batch, random_batch

SMALL = ["mx_m3_k4_2_d6_2", "mx_m7_k8_2_d8_1", "mxfp8_e5m2x3", "mxfp8_e4m3x3", "mxfp6_e3m2x2", "mxfp4x4", "mxint8x3"]
SMALL += ["msfp12x4", "bm_e2m5x3", "bm_e4m3x2"]
PAIRS = [("mxint8x3", "mxfp8_e5m2x3"), ("mxfp4x4", "msfp12x4"), ("mx_m7_k8_2_d8_1", "mx_m2_k8_2_d8_1")]
PAIRS += [("nvfp4", "nvfp4"), ("mx9", "nvfp4")]
CORNERS = [
    {"unit": "dot", "format": "mx4", "accumulate": "fused"},
    {"unit": "dot", "format": "mx9", "mode": "f25"},
    {"unit": "dot", "format": "mxfp8_e5m2x4"},
    {"unit": "dot", "format": "mxfp8_e4m3x4", "format_b": "mxfp8_e5m2x4", "accumulate": "fused"},
    {"unit": "dot", "format": "mxint8x4", "format_b": "mxfp4x4"},
    {"unit": "quantize", "format": "mx6", "source": "bf16", "scale_rule": "even"},
    {"unit": "quantize", "format": "mxfp8_e4m3x8", "source": "fp16", "rounding": "rtz"},
    {"unit": "dequantize", "format": "mxfp8_e5m2", "target": "fp16"},
    {"unit": "tile", "format": "mxfp4x4", "to": "mxfp6_e2m3x4"},
    {"unit": "dot", "format": "nvfp4", "accumulate": "fp32"},
    {"unit": "dot", "format": "mx9", "format_b": "nvfp4", "accumulate": "fused"},
    {"unit": "microexponent_shifter", "format": "mx9", "format_b": "mx4"},
    {"unit": "convert", "format": "mxfp4x4", "to": "mxfp8_e4m3x4"},
    {"unit": "convert", "format": "mx9", "to": "mx6", "inexact": "round", "scale_rule": "even"},
    {"unit": "convert", "format": "bfp8x8", "to": "mxfp4x8", "inexact": "round", "rounding": "rna"},
]


def drawn(count, **options):
    config = make_config(**options).to_dict()
    inputs = random_batch(config, count, np.random.default_rng(7))
    return config, inputs, expected(config, inputs)


def block(fmt, inputs, k, prefix=""):
    """A stored block of transfer k, for the reference."""
    shared = inputs[prefix + "microexponent"][k].tolist() if fmt.microexponents else []
    codes = inputs[prefix + element_field(fmt)][k].tolist()
    return reference.Block(fmt, int(inputs[prefix + scale_field(fmt)][k]), codes, shared)


def pairs(config, inputs, k):
    """Blocks a and b of transfer k."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    return [
        (block(a, inputs, k, x), block(b, inputs, k, y))
        for x, y in zip(prefixes(config, "a"), prefixes(config, "b"), strict=True)
    ]


@pytest.mark.parametrize(("a", "b"), [*((name, name) for name in SMALL), *PAIRS])
@pytest.mark.parametrize("accumulate", ["none", "fused"])
def test_dot_is_the_scalar_reference(a, b, accumulate):
    config, inputs, outputs = drawn(400, unit="dot", format=a, format_b=b, accumulate=accumulate)
    sums, total = [], 0
    for k in range(length(inputs)):
        ((x, y),) = pairs(config, inputs, k)
        if accumulate == "none":
            sums.append(reference.block_dot(x, y))
            continue
        special = reference.block_special(x, y)
        total = 0 if inputs["first"][k] else total
        term = reference.block_sum(x, y)
        total = reference.fp32_add(total, special) if special else reference.fused_add(total, term)
        scales = [int(inputs[name][k]) for name in tensor_scales(config)]
        shown = reference.fp32_multiply(total, reduce(reference.fp32_multiply, scales)) if scales else total
        sums += [shown] * int(inputs["last"][k])
    assert outputs["value"].tolist() == sums


@pytest.mark.parametrize("name", ["mx9", "mx_m3_k8_4_d6_2", "msfp12"])
def test_f25_is_the_scalar_reference(name):
    config, inputs, outputs = drawn(150, unit="dot", format=name, mode="f25", accumulate="fp32")
    inputs["first"][:] = inputs["last"][:] = 1
    wanted = [reference.dot_f25(*zip(*pairs(config, inputs, k), strict=True)) for k in range(length(inputs))]
    assert expected(config, inputs)["value"].tolist() == wanted
    assert len(outputs["value"]) < len(wanted)


@pytest.mark.parametrize("options", [{"format": name} for name in ("mxint8", "mxfp8_e4m3", "mx6", "msfp12")], ids=str)
def test_fixed_results_have_the_width_of_the_port(options):
    config = make_config(unit="dot", result="fixed", **options)
    groups = Manifest.from_dict(emitted(config)[1]).outputs[0].payload.groups
    assert (groups["sum"].width, groups["exponent"].width) == fixed_widths(config.to_dict())
    plain, inputs, outputs = drawn(300, unit="dot", result="fixed", **options)
    terms = [reference.block_sum(*pairs(plain, inputs, k)[0]) for k in range(length(inputs))]
    for field in ("sum", "exponent", "poison"):
        wanted = [getattr(term, field) % (1 << groups[field].width) for term in terms]
        assert outputs[field].tolist() == wanted


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("rounding", "rule"), [("rne", "floor"), ("rna", "ceil"), ("rtz", "even"), ("sr", "floor")])
def test_quantize_is_the_scalar_reference(name, rounding, rule):
    config, inputs, outputs = drawn(60, unit="quantize", format=name, rounding=rounding, scale_rule=rule)
    fmt = get_format(name)
    for k, values in enumerate(inputs["value"].tolist()):
        words = inputs["random"][k].tolist() if rounding == "sr" else None
        made = reference.quantize(values, fmt, Rounding(rounding), rule, words, config["random_bits"])
        assert block(fmt, outputs, k) == made


@pytest.mark.parametrize(
    "options",
    [
        {"format": "mx6", "to": "mx9"},
        {"format": "mx9", "to": "mx4", "inexact": "round", "scale_rule": "even"},
        {"format": "mxfp8_e5m2x3", "to": "mxfp6_e2m3x3", "inexact": "round", "rounding": "rna", "scale_rule": "ceil"},
    ],
    ids=lambda o: f"{o['format']}-{o['to']}",
)
def test_convert_is_the_scalar_reference(options):
    config, inputs, outputs = drawn(200, unit="convert", **options)
    source, target = get_format(config["format"]), get_format(config["to"])
    for k in range(length(inputs)):
        made = reference.convert(block(source, inputs, k), target, Rounding(config["rounding"]), config["scale_rule"])
        assert block(target, outputs, k) == made


def test_the_shifter_is_the_group_of_a_block_sum():
    """Products of the elements of two blocks, group by group through the model, add up to the block's exact sum."""
    _, pairs_of, _ = drawn(60, unit="dot", format="mx9", format_b="mx4")
    config = make_config("microexponent_shifter", format="mx9", format_b="mx4").to_dict()
    formats = [get_format(config[key]) for key in ("format", "format_b")]
    for k in range(length(pairs_of)):
        x, y = (block(fmt, pairs_of, k, prefix) for fmt, prefix in zip(formats, ("a.", "b."), strict=True))
        if reference.block_special(x, y):
            continue
        values = [[reference.decode_element(c, b.format.element) for c in b.codes] for b in (x, y)]
        products = np.prod(values, axis=0).reshape(-1, 2) & ((1 << 10) - 1)  # 127 * 3 and a sign
        shared = {f"{n}.microexponent": np.array(b.microexponents, np.uint8) for n, b in (("a", x), ("b", y))}
        sums = expected(config, {"product": products.astype(np.uint16)} | shared)["sum"].astype(np.int64)
        sums -= sums >> 12 << 13  # 11 bits of a pair's sum, moved by up to 2
        assert sums.sum() == reference.block_sum(x, y).sum


def rounded(value, target):
    """RNE of a Fraction to a float type: the scalar definition."""
    precision, lowest, top = {"fp32": (24, -126, 127), "bf16": (8, -126, 127), "fp16": (11, -14, 15)}[target]
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    unit = Fraction(2) ** (max(exponent, lowest) - precision + 1)
    made = round(size / unit) * unit  # Python rounds halves to even
    made = float("inf") if made >= 2 ** (top + 1) else float(made)
    return -made if value < 0 else made


@pytest.mark.parametrize("target", TARGETS)
def test_dequantising_rounds_once(target):
    rng = np.random.default_rng(3)
    integers = rng.integers(-(1 << 40), 1 << 40, 3000) >> rng.integers(0, 40, 3000)
    integers[::3] = integers[::3] >> 20 << 8 | 128  # ties and what lies just beside them
    integers[1::6] ^= 1
    exponents = rng.integers(-190, 130, 3000)
    got = to_float(integers, exponents, target)
    wanted = [rounded(i * Fraction(2) ** e, target) for i, e in zip(integers.tolist(), exponents.tolist(), strict=True)]
    assert (got.astype(np.float64) == np.array(wanted)).all()
    assert (np.signbit(got) == (integers < 0)).all()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("target", ["fp32", "bf16", "fp16"])
def test_dequantize_is_the_scalar_reference(name, target):
    _, inputs, outputs = drawn(80, unit="dequantize", format=name, target=target)
    fmt = get_format(name)
    for k, codes in enumerate(outputs["value"].tolist()):
        stored = block(fmt, inputs, k)
        if target == "fp32":
            assert codes == reference.dequantize(stored)
            continue
        exact = np.array(reference.dequantize(stored), np.uint32).view(np.float32)
        if not np.isfinite(exact).all() or (np.abs(exact[exact != 0]) < 2.0**-126).any():
            continue  # FP32 has rounded already: the other test's business
        again = np.array([rounded(Fraction(float(x)), target) if x else x for x in exact], np.float32)
        assert codes == to_code(np.copysign(again, exact), target).tolist()


@pytest.mark.parametrize("options", CORNERS, ids=lambda o: "-".join(map(str, o.values())))
def test_corners_alone_reach_every_point(options):
    config, hits = make_config(**options).to_dict(), Counter()
    for seed in (11, 12):
        batch = corner_batch(config, np.random.default_rng(seed))
        hits += count_hits(config, batch, expected(config, batch))
    record, complaints = verdict(config, hits)
    assert not complaints
    assert record.keys() == {point.name for point in points(config)}


@pytest.mark.parametrize(
    ("field", "point"),
    [("a.element", "every element code of a beside fixed partners"), ("b.exponent", "every exponent of b")],
)
def test_a_code_that_is_left_out_is_named(field, point):
    config = make_config(unit="dot", format="mxfp4x4").to_dict()
    batch = corner_batch(config, np.random.default_rng(1))
    assert count_hits(config, batch, expected(config, batch))[point] > 0
    batch[field][batch[field] == 5] = 4
    assert count_hits(config, batch, expected(config, batch))[point] == 0


def test_points_of_other_formats_are_no_part_of_a_plan():
    names = {point.name for point in points(make_config(unit="dot", format="mxint8").to_dict())}
    assert "lowest times lowest" in names
    assert not {"infinity times zero", "every sum of microexponents", "f25: every block zero"} & names


def test_the_list_of_formats_keeps_its_promises():
    listed = configurations("formats")
    for unit in ("dot", "quantize", "dequantize"):
        assert {make_config(unit=unit, format=name) for name in FORMATS} <= set(listed)
    mixed = {(c.format, c.format_b) for c in listed if c.unit == "dot" and c.format != c.format_b}
    assert {frozenset(pair) for pair in mixed} >= {
        frozenset(pair)
        for pair in (
            ("mxfp4", "mxfp6_e3m2"),
            ("mxint8", "mxfp4"),
            ("mxfp8_e4m3", "mxfp4"),
            ("mxfp8_e5m2", "mxfp8_e4m3"),
            ("mx9", "mx4"),
        )
    }
    assert {c.accumulate for c in listed if c.unit == "dot" and c.mode == "f25"} == {"none", "fp32", "fused"}
    assert len({c.name for c in listed}) == len(listed)
    assert find("dot_mxfp4") == [make_config("dot", format="mxfp4")]


def test_a_million_vectors_for_each_format():
    jobs = SETS["formats"]
    single = {job.config.format for job in jobs if job.config == make_config("dot", format=job.config.format)}
    assert single == {*FORMATS, "nvfp4"}
    for unit in ("quantize", "dequantize"):
        assert {make_config(unit, format=name) for name in FORMATS} <= {job.config for job in jobs}
    assert all(job.vectors >= 1_000_000 or job.name.endswith("-all") for job in jobs)
    mixed = next(job for job in jobs if job.config.format_b != job.config.format)
    batch = mixed.batch(2, 1)
    assert length(batch) * mixed.chunks >= mixed.vectors
    assert all((batch[name] == again).all() for name, again in mixed.batch(2, 1).items())


def test_all_groups_of_a_shifter_are_all_there_are():
    (job,) = [job for job in SETS["formats"] if job.name == "shifter-mx4-all"]
    batch = job.batch(0, 1)
    columns = [*batch["product"].T, batch["a.microexponent"], batch["b.microexponent"]]
    assert len(set(zip(*(column.tolist() for column in columns), strict=True))) == job.vectors == 1 << 12


@pytest.mark.parametrize("unit", pairwise.ARRAYS)
def test_every_pair_of_values_is_in_a_unit(unit):
    factors = pairwise.ARRAYS[unit]
    array = pairwise.rows(unit)
    met = {(name, row[name], other, row[other]) for row in array for name, other in combinations(factors, 2)}
    wanted = {
        (name, str(x), other, str(y))
        for name, other in combinations(factors, 2)
        for x, y in product(factors[name], factors[other])
    }
    assert met == wanted
    assert array == pairwise.rows(unit)
    made = {pairwise.configuration(unit, row) for row in array}
    if unit == "convert":
        assert {config.inexact for config in made} == {"refuse", "round"}
    else:
        assert {make_config(unit=unit, format=name) for name in pairwise.PAIRWISE_FORMATS} <= made


def test_a_covering_array_is_small_and_a_lost_row_is_missed():
    factors = {"a": "123", "b": "123", "c": "123", "d": "123"}
    array = covering_array(factors)
    assert 9 <= len(array) <= 12  # a Latin square has nine
    assert not missing_pairs(factors, array)
    assert missing_pairs(factors, array[1:])
    given = {"a": "3", "b": "2", "c": "1", "d": "1"}
    assert covering_array(factors, [given])[0] == given


def test_what_is_said_to_be_verified_is_current():
    assert verified.DOCUMENT.read_text() == verified.document(), "python -m tb.pairwise --write"
    assert json.loads(verified.LIST.read_text()) == verified.verified(), "python -m tb.pairwise --write"


# Verilog, and a manifest that names another semantics of the same ports: the bench must tell them apart.
LIES = [
    ({"unit": "quantize", "format": "mx4", "scale_rule": "even"}, {"scale_rule": "floor"}),
    ({"unit": "convert", "format": "mxfp8_e4m3x4", "to": "mxfp4x4", "inexact": "round"}, {"rounding": "rna"}),
    ({"unit": "dot", "format": "mxfp8_e4m3x4"}, {"format": "bm_e4m3x4", "format_b": "bm_e4m3x4"}),
]


@pytest.mark.parametrize(("options", "lie"), LIES, ids=lambda o: "-".join(map(str, o.values())))
def test_hardware_agrees_and_a_lie_about_it_is_caught(options, lie):
    require_verilator()
    verilog, data = emitted(make_config(**options))
    record = check(Manifest.from_dict(data), verilog, vectors=3000, optimize=False)
    assert record.passed, record.failure
    wrong = Manifest.from_dict({**data, "config": {**data["config"], **lie}})
    assert not check(wrong, verilog, vectors=3000, optimize=False).passed


def test_nvfp4_in_hardware_rounds_the_product_of_the_scales_first(monkeypatch):
    require_verilator()
    verilog, data = emitted(make_config("dot", format="nvfp4", accumulate="fp32"))
    manifest = Manifest.from_dict(data)
    record = check(manifest, verilog, vectors=3000, optimize=False)
    assert record.passed, record.failure

    def one_after_the_other(total, *scales):
        with np.errstate(all="ignore"):
            return canonical_nan(total * scales[0] * scales[1])

    monkeypatch.setattr(tb.models_dot, "tensor_scaled", one_after_the_other)
    assert not check(manifest, verilog, vectors=3000, optimize=False).passed


def test_f25_in_hardware_cuts_towards_minus_infinity(monkeypatch):
    require_verilator()
    verilog, data = emitted(make_config("dot", format="mx4", mode="f25"))
    manifest = Manifest.from_dict(data)
    record = check(manifest, verilog, vectors=3000, optimize=False)
    assert record.passed, record.failure

    def towards_zero(sums, exponents, width):
        addends, units = align(np.abs(sums), exponents, width)
        return np.sign(sums) * addends, units

    align = tb.models_dot.align
    monkeypatch.setattr(tb.models_dot, "align", towards_zero)
    assert not check(manifest, verilog, vectors=3000, optimize=False).passed
