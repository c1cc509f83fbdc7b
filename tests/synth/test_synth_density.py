"""Density: the papers' models, the gains of given parts, the tables; the float adder's price against HardFloat's."""

import json
import re

import numpy as np
import pytest
from amaranth.sim import Simulator

import golden
from golden.catalog import get_format
from golden.f25 import dot_f25
from golden.products import block_sums
from golden.rounding import to_fp32
from hdl.emit import emit
from hdl.layouts import float_layout
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth.command import table_writer
from synth.density import __main__ as density
from synth.density.aligned import KEPT, AlignedDot
from synth.density.model import PEER_FP32, PUBLISHED, component_gain, paper_gain
from synth.density.opponents import measure_opponents
from synth.density.parts import BlockConverter
from synth.density.price import Price, Pricer, buffer_transistors
from synth.density.report import draw, render
from synth.density.shared import GroupToFloat, measure_shared
from synth.flows import TARGETS
from synth.synthesis import synthesise


def test_fitted_model_gives_the_published_gains():
    for (name, block), published in PUBLISHED.items():
        if name != "BF16":
            assert paper_gain(int(name[4:]) - 1, block) == pytest.approx(published, rel=5e-3)
    assert paper_gain(4, 64) is None


def test_component_model_gives_the_figures_of_the_specification():
    found = [component_gain(*row) for row in (("HBFP4", 4, 64), ("HBFP6", 6, 64), ("HBFP8", 8, 576), ("BF16", 0, 64))]
    assert [round(gain, 2) for gain in found] == [16.15, 10.19, 7.23, 4.81]
    assert component_gain("BF16", 0, 576) == pytest.approx(4.83, abs=0.005)
    assert component_gain("MXFP4", 0, 32) is None


PRICES = {"float_multiply_fp32_core": 1000, "float_add_fp32_core": 500, "float_multiply_bf16_core": 200,
          "float_add_bf16_core": 100, "accumulator_fp32": 600, "accumulator_bf16": 150, "activation_fp32": 40,
          "activation_bf16": 20, "dot_core_bfp_m4_b64": 3000, "sum_to_float_bfp4x64": 300,
          "dot_core_mxfp8_e4m3": 2000, "sum_to_float_mxfp8_e4m3": 800}  # fmt: skip


class Given:
    """A pricer that knows its prices."""

    def unit(self, config, *, checked=True):
        return Price(PRICES[config.name], "", config.command())

    def core(self, fmt):
        return self.unit(make_config("dot_core", format=fmt.name))

    def fused_dot(self, name, terms):
        return Price({"fp32": 4000, "bf16": 3000}[name] * terms, "", name)

    def aligned_dot(self, name, terms):
        return Price({"fp32": 900, "bf16": 90}[name] * terms, "", name)

    def part(self, name, make, what):
        return Price(PRICES[name], "", what)

    def value_converter(self, fmt):
        return Price(260, "", fmt.name)

    def block_converter(self, fmt, source, *, flush=False):
        return Price({"fp32": 5500 if flush else 6400, "bf16": 4200}[source], "", fmt.name)


def test_gains_are_the_papers_recipe():
    record = density.measure_row(density.ROWS["HBFP4x64"], Given())
    fp32 = 64 * 1000 + 63 * 500 + 600 + 40
    own = 3000 + 300 + 600 + 40
    buffer = buffer_transistors(get_format("bfp4x64"))
    assert record["gain"] == {
        "bare": fp32 / own,
        "matched": fp32 / (own + 260),
        "buffered": fp32 / (own + 260 + buffer),
        "parallel": fp32 / (own + 6400),
        "parallel_flushed": fp32 / (own + 5500),
        "parallel_bf16": fp32 / (own + 4200),
        "operands": fp32 / (own + 3 * 6400),
    }
    peer = 64 * PEER_FP32["multiply"] + 63 * PEER_FP32["add"] + 640
    assert record["gain_over_peer"]["bare"] == peer / own
    scalar = density.measure_row(density.ROWS["BF16x64"], Given())
    assert scalar["gain"] == {"plain": fp32 / (64 * 200 + 63 * 100 + 150 + 20)}


def test_opponents_are_complete_units():
    record = measure_opponents(density.ROWS["HBFP4x64"], Given())
    own, mxfp8 = 3000 + 300 + 600 + 40 + 260, 2000 + 800 + 600 + 40 + 260
    opponents = {
        "fp32": 64 * 1000 + 63 * 500 + 640,
        "fp32 once": 4 * 16 * 4000 + 3 * 500 + 640,  # four units of 16 terms, and what adds up their results
        "fp32 aligned": 64 * 900 + 640,
        "bf16": 64 * 200 + 63 * 100 + 170,
        "bf16 once": 4 * 16 * 3000 + 3 * 100 + 170,
        "bf16 aligned": 64 * 90 + 640,  # summed in FP32, so accumulated in FP32
        "mxfp8": 2 * mxfp8,  # per product: a unit of 32
    }
    assert record["gain"] == pytest.approx({name: price / own for name, price in opponents.items()})


class Lines(Pricer):
    """Circuits of 100 transistors a lane and 1,000 besides; says which were made."""

    def unit(self, config, *, checked=True):
        fmt = get_format(config.format)
        self._known[fmt.name] = Price(1000 + 100 * fmt.block, "", f"{checked}")
        return self._known[fmt.name]


def test_cores_too_large_to_synthesise_lie_on_a_line():
    pricer = Lines(None, 1.0, print)
    assert pricer.core(get_format("bfp8x576")).transistors == 1000 + 57_600
    assert {name: price.what for name, price in pricer._known.items()} == {"bfp8x16": "True", "bfp8x64": "False"}
    assert pricer.core(get_format("bfp4x576")).transistors == 1000 + 57_600
    assert pricer._known.keys() == {"bfp8x16", "bfp8x64", "bfp4x576"}
    assert pricer.core_on_line(get_format("mxfp8_e4m3x64"), (16, 32)).transistors == 1000 + 6400
    assert pricer._known.keys() >= {"mxfp8_e4m3x16", "mxfp8_e4m3"}


def fields(code, layout):
    exponent = code >> layout.fraction_bits & (1 << layout.exponent_bits) - 1
    significand = code & (1 << layout.fraction_bits) - 1 | (exponent > 0) << layout.fraction_bits
    return code >> layout.size - 1, significand, max(exponent - 1, 0)


def aligned_sum(a, b, layout):
    """(sum, exponent of its LSB): every product cut off below the 28th bit from where the largest one may start."""
    bits, products = 2 * layout.significand_bits, []
    for x, y in zip(a, b, strict=True):
        (sign, m, e), (other, n, f) = fields(int(x), layout), fields(int(y), layout)
        products.append((sign ^ other, m * n, e + f if m * n else 0))
    largest = max(exponent for _, _, exponent in products)
    magnitudes = [(m << KEPT >> bits) >> largest - exponent for _, m, exponent in products]
    total = sum(-m if sign else m for (sign, _, _), m in zip(products, magnitudes, strict=True))
    return total, largest + 2 * (1 - layout.bias) + 2 - KEPT


def test_the_aligned_opponent_is_what_its_docstring_says():
    rng, layout = np.random.default_rng(2), float_layout("e5m2")
    dot, made, wanted = AlignedDot(layout, 2), [], []
    rows = []
    for spread in (1, 5, 15) * 30:
        exponents = rng.integers(15 - spread, 15 + spread, (2, 2)) * (rng.random((2, 2)) < 0.9)
        signs, fractions = rng.integers(0, 2, (2, 2)), rng.integers(0, 4, (2, 2))
        rows.append(signs << 7 | exponents << 2 | fractions)
    rows.append(np.array([[0, 0x04], [0x78, 0x04]]))  # zero times the largest beside the smallest
    rows += [np.array([[0x7C, 0], [0x3C, 0]]), np.array([[0x7C, 0], [0, 0]])]  # infinity, NaN

    async def drive(sim):
        for a, b in rows:
            for port, codes in ((dot.a, a), (dot.b, b)):
                sim.set(port.as_value(), int.from_bytes(codes.astype(np.uint8).tobytes(), "little"))
            await sim.delay(1e-9)
            made.append(sim.get(dot.value.as_value()))

    sim = Simulator(dot)
    sim.add_testbench(drive)
    sim.run()
    for a, b in rows[:-2]:
        total, exponent = (np.array([n], np.int64) for n in aligned_sum(a, b, layout))
        wanted.append(int(to_fp32(total, exponent).view(np.uint32)[0]))
    assert made == [*wanted, 0x7F80_0000, 0x7FC0_0000]


def test_the_reduction_of_a_group_is_the_golden_models():
    rng, fmt = np.random.default_rng(3), get_format("mx4")
    group, made, rows = GroupToFloat(fmt), [], []
    for _ in range(40):
        values = rng.standard_normal((2, 64)) * np.repeat(np.exp2(rng.integers(-9, 9, (2, 4))), 16, axis=1)
        rows.append([golden.quantize(x.astype(np.float32), fmt.name) for x in values])

    async def drive(sim):
        for a, b in rows:
            sums, _, _ = block_sums(a, b)
            for port, block in ((group.a, a), (group.b, b)):
                sim.set(port.as_value(), int.from_bytes(block.to_bits().tobytes(), "little"))
            for port, total in zip(group.sums, sums, strict=True):
                sim.set(port, int(total))
            await sim.delay(1e-9)
            made.append(sim.get(group.value.as_value()))

    sim = Simulator(group)
    sim.add_testbench(drive)
    sim.run()
    assert made == [int(dot_f25(a, b).view(np.uint32)) for a, b in rows]


def test_steps_and_costs_are_area_times_transfers():
    class Shared(Given):
        def core(self, fmt):
            return Price(1000 * fmt.element.mantissa_bits + 100 * fmt.microexponents * fmt.microexponent_bits, "", "")

        def core_on_line(self, fmt, blocks):
            return Price(40_000, "", "")

        def part(self, name, make, what):
            return Price(500, "", what)

    record = {"status": "ok"} | measure_shared(Shared())
    mx9, mx6 = record["units"]["mx9"], record["units"]["mx6"]
    assert (mx9["transistors"], mx9["transfers"], record["fp8"]["transfers"]) == (4 * 7800 + 500, 5, 4)
    assert mx6["cost"] == (4 * 4800 + 500) * 3 / (40_500 * 4)
    table = render({"shared": [record]})["shared"]
    step = (4 * (7000 + 100 * 16) + 500) / (4 * 7800 + 500) - 1  # a microexponent per element
    assert f"| {step:+.0%}, ".replace("%", " %") in table.splitlines()[-4]


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("name", ["bfp4x8", "mxfp4x8"])
def test_the_converter_that_is_priced_is_the_golden_models(name, flush):
    rng = np.random.default_rng(1)
    fields = rng.integers(0, 4, (30, 8)) * rng.integers(0, 2, (30, 1))  # subnormals, alone and beside numbers
    codes = (rng.integers(0, 1 << 23, fields.shape) | fields << 23 | rng.integers(0, 2, fields.shape) << 31).astype(
        "<u4"
    )
    wanted = golden.quantize(codes.view(np.float32), name, flush_subnormals=flush).to_bits()
    converter, made = BlockConverter(get_format(name), flush=flush), []

    async def drive(sim):
        for block in codes:
            sim.set(converter.values.as_value(), int.from_bytes(block.tobytes(), "little"))
            await sim.delay(1e-9)
            made.append(sim.get(converter.block.as_value()))

    sim = Simulator(converter)
    sim.add_testbench(drive)
    sim.run()
    assert made == [int.from_bytes(block.tobytes(), "little") for block in wanted]


def test_a_row_that_takes_too_long_says_so():
    class Slow(Given):
        def block_converter(self, fmt, source, *, flush=False):
            raise TimeoutError("block_converter: timeout")

    record = density.measure_row(density.ROWS["HBFP4x64"], Slow())
    assert (record["status"], record["gain"]) == ("block_converter: timeout", {})
    assert "| HBFP4 (not measured) | 64 | - |" in render({"records": [record]})["records"]


def test_tables_go_between_the_marks_and_the_picture_repeats(tmp_path):
    records = [density.measure_row(density.ROWS[name], Given()) for name in ("HBFP4x64", "BF16x64")]
    json.dumps(records)
    page = tmp_path / "density.md"
    page.write_text(
        "before\n<!-- table: python -m synth.density --docs docs/density.md -->\nold\n<!-- end of table -->\nafter\n"
    )
    table_writer(page, "python -m synth.density --docs docs/density.md")(render({"records": records})["records"])
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| HBFP4 | 64 | " in text
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        draw({"records": records}, picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "HBFP5x64"], "--only HBFP5x64: one of"),
        (["--only", "HBFP4x64", "--docs", "docs/density.md"], "--docs: not together with a row"),
        (["--timeout", "0"], "--timeout 0: seconds"),
        (["--json", "/no/such/folder/x.json"], "a file in an existing folder"),
    ],
)
def test_wrong_options_are_status_2(words, message, capsys):
    assert density.main(words) == 2
    assert message in capsys.readouterr().err


def test_fp32_adder_is_no_larger_than_the_public_one():
    unit = emit(make_config("float_add", ports="plain"))
    figures = synthesise(unit, TARGETS["cmos"], find_engine(), timeout=120).figures
    assert figures["flip_flops"] == 0
    assert figures["transistors"] <= PEER_FP32["add"]


def test_converters_of_up_to_64_lanes_are_synthesised_and_longer_ones_lie_on_a_line(monkeypatch):
    made = []

    def part(self, name, make, what):
        made.append(name)
        lanes = int(re.search(r"x(\d+)_bf16", name)[1])
        return Price(lanes * lanes, "proof", what)

    monkeypatch.setattr(Pricer, "part", part)
    pricer = Pricer(None, 1.0, print)
    direct = pricer.block_converter(get_format("bfp4x64"), "bf16")
    assert (direct.transistors, direct.checked_by, made) == (64 * 64, "proof", ["block_converter_bfp4x64_bf16"])
    longer = pricer.block_converter(get_format("bfp4x80"), "bf16")
    slope = (64 * 64 - 16 * 16) // 48
    assert (longer.transistors, longer.checked_by) == (64 * 64 + 16 * slope, "")
    assert longer.what.endswith("80 lanes: the line through 16 and 64")
