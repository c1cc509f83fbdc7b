"""Targets of the dot-product cores: flows that keep or map adders, the library, the floor, the tables."""

import json
import re
from types import SimpleNamespace

import pytest

from hdl.emit import Emitted, emit
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth.cells import GATE_EQUIVALENTS
from synth.flows import TARGETS
from synth.goals import GOALS, thinned
from synth.liberty import CELLS, liberty_text
from synth.synthesis import synthesise
from synth.targets import main, render
from synth.targets_units import DENSITIES, PARTS, measure_units, render_units


def of_core(target, **options):
    return synthesise(emit(make_config("dot_core", **options)), TARGETS[target], find_engine(), timeout=120)


def test_kept_adders_are_whole_and_counted_with_their_insides():
    made = of_core("adders", format="bfp3x4")
    adders = made.figures["parts"]
    assert adders["full_adder"] > 10
    outside = (
        made.figures["transistors"] - 30 * adders["full_adder"] - 14 * (sum(adders.values()) - adders["full_adder"])
    )
    assert 0 < outside < 1000
    assert made.figures["depth"] > 10
    assert len(re.findall(r"^module ", made.netlist, re.MULTILINE)) == 1  # flat, for the check


def test_library_maps_every_full_adder_to_a_cell():
    kept, mapped = of_core("adders", format="bfp3x4"), of_core("library", format="bfp3x4")
    cells = mapped.figures["cells"]
    assert cells["FA"] == kept.figures["parts"]["full_adder"]
    assert cells["HA"] == kept.figures["parts"]["half_adder"]
    assert cells.keys() <= CELLS.keys()
    area = sum(CELLS[cell].area * count for cell, count in cells.items())
    assert mapped.figures["gate_equivalents"] == pytest.approx(area, abs=0.06)  # printed to a tenth


def test_library_and_weights_of_generic_gates_agree():
    names = {
        "$_NOT_": "INV",
        "$_MUX_": "MUX2",
        "$_AOI3_": "AOI21",
        "$_OAI3_": "OAI21",
        "$_AOI4_": "AOI22",
        "$_OAI4_": "OAI22",
    }
    names |= {f"$_{gate}_": f"{gate}2" for gate in ("NAND", "NOR", "AND", "OR", "XOR", "XNOR")}
    for gate, cell in names.items():
        assert GATE_EQUIVALENTS[gate] == CELLS[cell].area
    assert liberty_text().count("cell(") == len(CELLS) + 1  # and the flip-flop


def test_functions_in_the_library_are_those_of_the_names():
    verilog = "module top(input [5:0] i, output o, s, c); assign o = ~((i[0] & i[1]) | (i[2] & i[3])); endmodule"
    figures = synthesise(Emitted("top", verilog, {}), TARGETS["library"], find_engine(), timeout=60).figures
    assert figures["cells"] == {"AOI22": 1}


@pytest.mark.parametrize(("a", "b", "bits"), [(3, 3, 7), (1, 1, 1), (2, 2, 4), (5, 5, 13), (3, 5, 11)])
def test_thinned_bits_are_those_that_the_core_sends_on(a, b, bits):
    assert thinned(a, b) == bits
    made = emit(make_config("dot_core", format=f"bfp{a + 1}x1", format_b=f"bfp{b + 1}x1"))
    assert len(re.findall(r"lane_full_adder_\d+ \(", made.verilog)) == a * b - bits


def test_no_tree_has_fewer_adders_than_its_floor():
    for name, options in {"int4x64": {"format": "bfp4x3", "encoding": "twos"}, "bfp4x64": {"format": "bfp4x3"}}.items():
        config = make_config("dot_core", **options)
        made = emit(config)
        width = next(port["width"] for port in made.manifest["ports"] if port["name"] == "sum")
        adders = len(re.findall(r"_full_adder \\?\S+ +\(", made.verilog))
        assert adders >= GOALS[name].floor(config.operands, width)["full_adders"] - width


def record(**changes):
    return {
        "name": "bfp4x64",
        "domain": "sign and magnitude",
        "peer": {"what": "peer", "transistors": 60_000},
        "target_transistors": 30_000,
        "dissolved_transistors": 33_000,
        "kept_transistors": 29_000,
        "adders": {"full_adder": 600, "half_adder": 10, "half_adder_plus": 2},
        "library_gate_equivalents": 5100.0,
        "floor": {"bits": 640, "full_adders": 600, "area": 5000.0},
        **changes,
    }


def test_tables_show_ratios_verdicts_and_the_floor():
    text = render({"records": [record()]})
    assert "| 60,000 | 30,000 | 33,000 | 0.550 | 29,000 | 0.483 | met with adders kept |" in text
    assert "| 640 | 600 | 600 | 12 | 5,100 | 5,000 | +2.0% |" in text
    assert "| met |" in render({"records": [record(dissolved_transistors=30_000)]})
    assert "| missed by 10.0% |" in render({"records": [record(kept_transistors=33_000)]})
    assert "| not measured |" in render({"records": [record(kept_transistors=None, dissolved_transistors=None)]})


def priced(transistors):
    return SimpleNamespace(to_dict=lambda: {"transistors": transistors, "checked_by": "proof", "what": "it"})


class FakePricer:
    """Every circuit costs 20,000 transistors, but that of MXFP4, whose synthesis takes too long."""

    def __init__(self, *_):
        pass

    def unit(self, config):
        return priced(20_000)

    def part(self, name, make, what):
        return priced(11_978)

    def block_converter(self, fmt, source, *, flush=False):
        assert (source, fmt.block) == ("bf16", 32)
        if fmt.name == "mxfp4":
            raise TimeoutError("mxfp4: timeout")
        return priced({"mxint8": 33_277, "mxfp8_e4m3": 57_702}[fmt.name])


def test_converters_and_float_units_beside_their_peers(monkeypatch):
    monkeypatch.setattr("synth.density.price.Pricer", FakePricer)
    found = measure_units(PARTS, None, 1.0, print)
    lines = {line.split(" | ")[0].strip("| "): line for line in render_units(found)}
    assert "| 51,196 | 33,277 | 33,277 | 0.650 | met |" in lines["bf16_to_mxint8"]
    assert "| 88,772 | 57,701 | 57,702 | 0.650 | missed by 0.00% |" in lines["bf16_to_mxfp8_e4m3"]
    assert "| 77,214 | 50,189 | - | - | not measured |" in lines["bf16_to_mxfp4"]
    assert "| 31,054 | 31,054 | 20,000 | 0.644 | met |" in lines["fp32_multiply"]
    assert "| 12,918 | 12,918 | 20,000 | 1.548 | missed by 54.8% |" in lines["fp32_add"]
    assert "| 11,978 | 11,978 | 11,978 | 1.000 | met |" in lines["fp32_accumulate"]
    status = {record["name"]: record["status"]["cmos"] for record in found["parts"]}
    assert status.pop("bf16_to_mxfp4") == "mxfp4: timeout"
    assert set(status.values()) == {"ok"}


def test_densities_are_at_least_their_targets(monkeypatch):
    unit = {"status": "ok", "gain": {"parallel": 24.0, "parallel_flushed": 25.0, "matched": 34.96}}
    monkeypatch.setattr("synth.targets_units.measure_row", lambda row, pricer: unit if row.block == 64 else None)
    text = "\n".join(render_units(measure_units(DENSITIES, None, 1.0, print)))
    assert "| 21.3 | 25 | 24.0 | missed by 4.0% |" in text
    assert "| 21.3 | 25 | 25.0 | met |" in text
    assert "| 21.3 | 35 | 35.0 | missed by 0.1% |" in text
    unit |= {"status": "core: timeout", "gain": {}}
    assert render_units(measure_units(["density_matched"], None, 1.0, print))[-1].endswith("| 35 | - | not measured |")


def test_command_line(tmp_path, capsys, monkeypatch):
    units = {"parts": [], "densities": []}
    monkeypatch.setattr("synth.targets.measure_units", lambda names, *_: units)
    monkeypatch.setattr("synth.targets.measure_goal", lambda goal, *_: record(name=goal.name, status={"cmos": "ok"}))
    assert main(["--only", "mxfp4x32", "--json", str(tmp_path / "t.json"), "-q"]) == 0
    assert "| mxfp4x32 |" in capsys.readouterr().out
    written = json.loads((tmp_path / "t.json").read_text())
    assert written["command"] == "python -m synth.targets --only mxfp4x32"
    assert written["library"]["FA"] == CELLS["FA"].area
    page = tmp_path / "page.md"
    page.write_text(
        "head\n<!-- table: python -m synth.targets --docs docs/area-targets.md -->\nold\n<!-- end of table -->\ntail\n"
    )
    assert main(["--docs", str(page), "-q"]) == 0
    assert "old" not in page.read_text()
    assert page.read_text().startswith("head\n")
    assert page.read_text().endswith("tail\n")
    page.write_text("no marks\n")
    monkeypatch.setattr("synth.targets.measure_goal", None)  # not after minutes of synthesis
    assert main(["--docs", str(page), "-q"]) == 2
    assert "no table between" in capsys.readouterr().err
    monkeypatch.setattr("synth.targets.measure_goal", lambda goal, *_: record(name=goal.name, status={"cmos": "ok"}))
    pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for picture in pictures:
        assert main(["--plot", str(picture), "-q"]) == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert b"mxfp8_e4m3x32" in pictures[0].read_bytes() or b"<use" in pictures[0].read_bytes()
    assert main(["--plot", str(tmp_path / "none" / "a.svg")]) == 2
    assert main(["--only", "fp32_add", "--plot", str(pictures[0]), "-q"]) == 2
    assert "--plot: draws cores" in capsys.readouterr().err
    units["parts"].append({"name": "fp32_add", "peer": {"what": "peer", "transistors": 20}, "target_transistors": 10})
    units["parts"][0] |= {"transistors": None, "status": {"cmos": "timeout"}}
    assert main(["--only", "fp32_add", "-q"]) == 3
    assert capsys.readouterr().out.startswith("| circuit |")
    assert main(["--only", "nothing"]) == 2
    assert "error: --only nothing: one of bfp4x64, " in capsys.readouterr().err
    monkeypatch.setattr("synth.targets.measure_goal", lambda *_: record(status={"cmos": "timeout"}))
    assert main(["--only", "mxfp4x32", "-q"]) == 3
