"""Density: the papers' models, the gains of given parts, the tables; the float adder's price against HardFloat's."""

import json

import numpy as np
import pytest
from amaranth.sim import Simulator

import golden
from golden.catalog import get_format
from hdl.emit import emit
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth import density
from synth.command import table_writer
from synth.density_model import PEER_FP32, PUBLISHED, component_gain, paper_gain
from synth.density_parts import BlockConverter
from synth.density_price import Price, buffer_transistors
from synth.density_report import draw, render
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
          "activation_bf16": 20, "dot_core_bfp_m4_b64": 3000, "sum_to_float_bfp4x64": 300}  # fmt: skip


class Given:
    """A pricer that knows its prices."""

    def unit(self, config, *, checked=True):
        return Price(PRICES[config.name], "", config.command())

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
    assert "| HBFP4 (not measured) | 64 | - |" in render([record])


def test_tables_go_between_the_marks_and_the_picture_repeats(tmp_path):
    records = [density.measure_row(density.ROWS[name], Given()) for name in ("HBFP4x64", "BF16x64")]
    json.dumps(records)
    page = tmp_path / "density.md"
    page.write_text(
        "before\n<!-- table: python -m synth.density --docs docs/density.md -->\nold\n<!-- end of table -->\nafter\n"
    )
    table_writer(page, "python -m synth.density --docs docs/density.md")(render(records))
    text = page.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| HBFP4 | 64 | " in text
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        draw(records, picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "HBFP5x64"], "--only HBFP5x64: one of"),
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
