"""The dot-product core: compressor trees, its three architectures, and its plain ports."""

import random
import re

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Fragment, Module, Signal
from amaranth.sim import Simulator

from hdl.arith.adders import Adders
from hdl.arith.compress import carry_save, dadda, dadda_levels, ripple
from hdl.arith.heap import Bit, Heap
from hdl.arith.prefix import prefix_add
from hdl.arith.products import magnitudes
from hdl.config import ConfigError
from hdl.emit import emit
from hdl.layouts import FloatLayout, field_map
from hdl.registry import make_config
from hdl.units.core_e2m1 import multiply_e2m1
from hdl.units.dot_core import core_layout
from hdl.yosys import find_engine
from tb.core import check_core, core_corners, core_rows, core_sums
from tb.formal.cores import core_proofs
from tb.formal.methods import Verdict
from tb.formal.proof import run_proof
from tb.manifest import Manifest


def evaluate(m, inputs, output, rows):
    seen = []

    async def bench(ctx):
        for row in rows:
            ctx.set(inputs, row)
            seen.append(ctx.get(output))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def random_heap(rng, inputs, width):
    """A heap of every kind of entry, and the number that it stands for as a function of the inputs' values."""
    heap, terms = Heap(width), []
    for k in range(len(inputs)):
        column, negative = rng.randrange(width), rng.random() < 0.3
        (heap.subtract if negative else heap.add)(inputs[k], column, rng.randrange(4))
        terms.append((k, (-1 if negative else 1) << column))
    heap.constant += (constant := rng.randrange(-50, 50))
    factor = rng.randrange(-40, 40)
    heap.add_multiple([Bit(bit) for bit in inputs[:3]], factor)

    def number(word):
        total = constant + sum(weight for k, weight in terms if word >> k & 1) + factor * (word & 7)
        return total % (1 << width)

    return heap, number


def added(m, heap, schedule):
    adders = Adders(m, None, name=schedule)
    if schedule == "ripple":
        return Cat(*(bit.value for bit in ripple(heap, adders)))
    columns = {"carry_save": carry_save, "dadda": dadda}[schedule](heap, adders)
    assert max(map(len, columns)) <= 2
    rows = [[column[k].value if k < len(column) else Const(0, 1) for column in columns] for k in range(2)]
    return prefix_add(m, *rows, name="final")


@pytest.mark.parametrize("schedule", ["ripple", "carry_save", "dadda"])
def test_every_schedule_adds_up_any_heap(schedule):
    rng = random.Random(7)
    for width, bits in ((1, 5), (4, 9), (7, 30), (9, 12)):
        m, inputs = Module(), Signal(bits)
        heap, number = random_heap(rng, inputs, width)
        total = added(m, heap, schedule)
        rows = [0, (1 << bits) - 1, *(rng.getrandbits(bits) for _ in range(60))]
        assert evaluate(m, inputs, total, rows) == [number(word) for word in rows]


def test_a_full_adder_takes_one_bit_away_and_ripple_needs_no_more():
    m, inputs, heap = Module(), Signal(40), Heap(8)
    for k in range(40):
        heap.add(inputs[k], k % 3)
    adders = Adders(m, None, name="tree")
    total = Cat(*(bit.value for bit in ripple(heap, adders)))
    assert heap.size == 40
    assert adders.used["full_adder"] == 40 - 7  # the sum, up to 92, has seven bits
    assert evaluate(m, inputs, total, [(1 << 40) - 1, 0b111]) == [14 * 1 + 13 * 2 + 13 * 4, 7]


@pytest.mark.parametrize("width", [8, 12, 24])
def test_no_carry_runs_through_a_fast_tree(width):
    m, inputs, heap = Module(), Signal(width), Heap(2 * width)
    magnitudes(heap, list(inputs), list(inputs))
    heap.constant -= 1
    columns = carry_save(heap, Adders(m, None, name="tree"))
    assert max(map(len, columns)) <= 2
    latest = max(bit.arrival for column in columns for bit in column)
    assert latest <= 2 * len(dadda_levels(width))  # two exclusive-ors a level
    Fragment.get(m, None)  # a module that nobody elaborates warns


def test_every_product_of_e2m1():
    m, codes = Module(), Signal(6)
    x, y = (Signal(FloatLayout("e2m1", 2, 1), name=name) for name in "xy")
    m.d.comb += [x.as_value()[:3].eq(codes[:3]), y.as_value()[:3].eq(codes[3:])]
    product = multiply_e2m1(m, x, y, name="product")
    magnitudes = [0, 1, 2, 3, 4, 6, 8, 12]
    assert evaluate(m, codes, product, range(64)) == [a * b for b in magnitudes for a in magnitudes]


def test_heights_after_dadda():
    assert dadda_levels(13) == [9, 6, 4, 3, 2]
    assert dadda_levels(2) == []


@pytest.mark.parametrize("proof", [p for p in core_proofs() if "booth" not in p.name], ids=lambda p: p.name)
def test_fused_cores_are_the_plain_one_for_every_input(proof):
    outcome = run_proof(proof, find_engine(), timeout=60)
    assert outcome.holds, [(run.bug, run.verdict) for run in outcome.runs]
    assert outcome.runs[0].verdict is Verdict.PROVED


def test_ports_are_plain_and_the_manifest_says_so():
    made = emit(make_config("dot_core", format="mx6"))
    assert "module dot_core_mx6(" in made.verilog
    assert not re.search(r"\b(clk|rst|reg)\b", made.verilog)
    assert "Combinational: no clock, no reset, no handshake." in made.verilog
    manifest = Manifest.from_dict(made.manifest)
    assert (manifest.clock, manifest.reset, manifest.latency, manifest.streams) == (None, None, 0, {})
    a, b, total = manifest.port("a"), manifest.port("b"), manifest.port("sum")
    assert {port.role for port in manifest.ports} == {"data"}
    assert list(a.groups) == ["a.mantissa", "a.microexponent"]
    assert (
        a.width
        == b.width
        == sum(f.width for f in field_map(core_layout(make_config("dot_core", format="mx6").operand)))
    )
    assert total.groups["sum"].encoding == "twos-complement"


def test_adders_are_modules_of_the_unit():
    text = emit(make_config("dot_core", format="bfp4x4")).verilog
    assert len(re.findall(r"^module ", text, re.MULTILINE)) == 4
    assert {"full_adder", "half_adder", "half_adder_plus"} == set(
        re.findall(r"^module dot_core_bfp_m4_b4_(\w+)", text, re.M)
    )
    plain = emit(make_config("dot_core", format="bfp4x4", arch="plain")).verilog
    assert "full_adder" not in plain
    assert len(re.findall(r"^module ", plain, re.MULTILINE)) == 1


def test_what_a_core_cannot_be():
    with pytest.raises(ConfigError, match="--format mxfp4: a format of plain integers, with --encoding twos"):
        make_config("dot_core", format="mxfp4", encoding="twos")
    with pytest.raises(ConfigError, match="--format-b mxint8: a format of block 64"):
        make_config("dot_core", format_b="mxint8")
    with pytest.raises(ConfigError, match=r"--pipeline 1: 0\.\.0"):
        make_config("dot_core", pipeline=1)


@pytest.mark.parametrize("name", ["bfp4x5", "mxfp8_e5m2x3", "mx4", "mxint8x3"])
def test_golden_sums_are_those_of_exact_decimals(name):
    formats = make_config("dot_core", format=name).operands
    batch = core_rows(formats, 200, np.random.default_rng(3))
    for row, total in enumerate(core_sums(formats, batch)):
        operands = []
        for side, fmt in zip("ab", formats, strict=True):
            codes = next(values for key, values in batch.items() if key in (f"{side}.element", f"{side}.mantissa"))[row]
            shared = batch.get(f"{side}.microexponent", np.zeros((200, fmt.block), int))[row]
            operands.append([integer(fmt, int(c), int(shared[k // fmt.subblock])) for k, c in enumerate(codes)])
        assert total == sum(x * y for x, y in zip(*operands, strict=True))


def integer(fmt, code, microexponent):
    """An element in units of the least one, from its bits."""
    element = fmt.element
    sign, body = divmod(code, 1 << element.bits - 1)
    if element.encoding == "twos-complement":
        return body - (sign << element.bits - 1)
    exponent, fraction = divmod(body, 1 << element.mantissa_bits)
    magnitude = fraction if not exponent else fraction + (1 << element.mantissa_bits) << exponent - 1
    return (-1) ** sign * (magnitude << fmt.max_microexponent - microexponent)


def test_corners_hold_every_pair_of_extremes():
    formats = make_config("dot_core", format="mxint8x2").operands
    corners = core_corners(formats)
    pairs = set(zip(corners["a.mantissa"][:, 0].tolist(), corners["b.mantissa"][:, 1].tolist(), strict=True))
    assert (128, 128) in pairs
    assert (128, 127) in pairs
    assert len(pairs) == 36


def test_bulk_agrees_and_finds_a_wrong_gate():
    made = emit(make_config("dot_core", format="mxfp8_e4m3x2"))
    manifest = Manifest.from_dict(made.manifest)
    assert check_core(manifest, made.verilog, vectors=20_000).passed
    wrong = made.verilog.replace("assign carry = ", "assign carry = ~", 1)
    record = check_core(manifest, wrong, vectors=1000)
    assert not record.passed
    assert "rows differ" in record.failure


@pytest.mark.parametrize(
    ("options", "arch"),
    [
        ({}, "area"),
        ({"pipeline": 0}, "area"),
        ({"pipeline": 2}, "plain"),  # its second register stands among the products
        ({"pipeline": 2, "accumulate": "fp32"}, "area"),
        ({"pipeline": 3, "accumulate": "fp32"}, "plain"),
        ({"format": "bfp4x1"}, "plain"),
        ({"format": "mx4"}, "plain"),
        ({"format": "mx6", "format_b": "mx4"}, "area"),
        ({"format": "mx6", "mode": "f25"}, "plain"),
        ({"format": "bfp8x256"}, "area"),
        ({"format": "bfp8x257"}, "plain"),
        ({"format": "mxfp8_e5m2"}, "area"),
        ({"format": "mxfp8_e5m2x64"}, "plain"),
        ({"format": "nvfp4"}, "area"),
        ({"format": "mx4", "format_b": "msfp11"}, "area"),
    ],
)
def test_default_architecture_of_a_dot_product(options, arch):
    config = make_config("dot", **options)
    assert config.arch == arch
    assert not config.name.endswith(f"_{arch}")  # a default has no part in the name
