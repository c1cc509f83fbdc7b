"""Any cell library: what its cells compute, its adders, bad files, area and delay of what maps to it."""

import json
import os
from itertools import product

import pytest

from hdl.emit import Emitted, emit
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth import area
from synth.__main__ import main
from synth.goals import GOALS, OWN_GATES
from synth.liberty import CELLS, liberty_text
from synth.library import LibraryError, read_library, truth_table
from synth.library_cores import gates_of, render_library
from synth.library_flow import adder_models, library_targets
from synth.synthesis import synthesise
from synth.timing import arrival, find_sta


@pytest.fixture
def library(tmp_path):
    def read(text, name="cells.lib"):
        path = tmp_path / name
        path.write_text(text)
        return read_library(path)

    return read


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("A", lambda a, b, c: a),
        ("!(A B)", lambda a, b, c: not (a and b)),
        ("A*B+C", lambda a, b, c: (a and b) or c),
        ("A+B C", lambda a, b, c: a or (b and c)),
        ("A^B C", lambda a, b, c: (a != b) and c),  # the exclusive-or binds more tightly
        ("A'B'", lambda a, b, c: not a and not b),
        ("(A|B)'&!C", lambda a, b, c: not (a or b) and not c),
        ("((A B)+(B C))+(C A)", lambda a, b, c: a + b + c >= 2),
        ("1", lambda a, b, c: True),
    ],
)
def test_truth_table_is_that_of_the_function(function, value):
    rows = [row[::-1] for row in product((0, 1), repeat=3)]  # A fastest
    assert truth_table(function, ("A", "B", "C")) == sum(bool(value(*row)) << r for r, row in enumerate(rows))


@pytest.mark.parametrize("function", ["A+", "(A", "A)", "D", "A%B", ""])
def test_no_function_is_an_error(function):
    with pytest.raises(ValueError, match="function"):
        truth_table(function, ("A", "B", "C"))


def test_cells_adders_and_gates_of_our_own_library_are_found_by_function(library):
    own = library(liberty_text())
    assert {name: (cell.area, "".join(cell.inputs)) for name, cell in own.cells.items()} == {
        name: (cell.area, cell.inputs) for name, cell in CELLS.items()
    }
    full, half = own.adder(3), own.adder(2)
    assert (full.name, full.sum, full.carry) == ("FA", ("S", False), ("CO", False))
    assert (half.name, half.sum, half.carry) == ("HA", ("S", False), ("CO", False))
    assert gates_of(own) == OWN_GATES
    assert not own.has_timing


INVERTED = """
/* one adder, both outputs inverted, pins in an odd order */
library ("odd") { time_unit : "1ps";
  cell ("FAx1") { area : 2.5; pin ("CON") { direction : "output"; function : "!((X Y)+(X Z)+(Y Z))"; }
    pin (X) { direction : input; } pin (Y) { direction : input; } pin (Z) { direction : input; }
    pin (SN) { direction : output; function : "!(X ^ Y ^ Z)"; } }
  cell (INV) { area : 1; pin (A) { direction : input; } pin (Y) { direction : output; function : "A'"; } }
}
"""


def test_inverted_outputs_of_an_adder_cell_are_inverted_back(library):
    odd = library(INVERTED)
    assert (odd.name, odd.time_unit) == ("odd", "1ps")
    assert odd.adder(3).sum == ("SN", True)
    assert odd.adder(3).carry == ("CON", True)
    assert odd.adder(2) is None
    models = adder_models(odd)
    assert "FAx1 cell_ (.X(a), .Y(b), .Z(c), .SN(sum_), .CON(carry_));" in models
    assert "assign sum = ~sum_;" in models
    assert gates_of(odd) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a readme\n", "line 1 is no Liberty text"),
        ("library(x) {\n  area : 1;\n  ???\n}\n", "line 3 is no Liberty text"),
        ("library(x) { cell(A) { area : 1; }", "library(x) is never closed"),
        ("technology(x) { }", "no library in it"),
        ("library(x) { cell(A) { area : 1; } }", "no combinational cell"),
        (INVERTED.replace("A'", "A%"), "function 'A%'"),
        (INVERTED.replace("2.5", "small"), "could not convert"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(text, message, tmp_path, capsys):
    path = tmp_path / "bad.lib"
    path.write_text(text)
    assert main(["--mantissa", "2", "--block", "1", "--liberty", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --liberty {path}: not a usable Liberty file: ")
    assert message in error
    assert error.count("\n") == 1


def test_missing_file_and_misplaced_options(tmp_path, capsys):
    with pytest.raises(LibraryError, match="No such file"):
        read_library(tmp_path / "none.lib")
    assert main(["--sta", "sta"]) == 2
    assert main(["--liberty", __file__, "--sta", "no-such-program"]) == 2
    assert "opensta" not in capsys.readouterr().err  # the wrong file comes first


def test_adders_of_a_core_become_the_cells_of_the_library(library):
    own = library(liberty_text())
    targets = library_targets(own)
    assert list(targets) == ["liberty", "liberty-adders"]  # without timing nothing is sized
    unit = emit(make_config("dot_core", format="bfp3x4"))
    made = synthesise(unit, targets["liberty-adders"], find_engine(), timeout=120)
    cells = made.figures["cells"]
    assert cells["FA"] == len([line for line in unit.verilog.splitlines() if "_full_adder " in line])
    assert made.figures["area"] == pytest.approx(sum(CELLS[cell].area * n for cell, n in cells.items()), abs=0.01)
    assert made.figures["delay_ps"] is None
    assert "FA " in made.mapped
    assert "FA " not in made.netlist


def timed(cell, area_, function, inputs):
    """A cell that takes 100 ps from any input, whatever its load."""
    table = 'values ("0.1,0.1,0.1","0.1,0.1,0.1","0.1,0.1,0.1");'
    pins = "".join(f"pin({pin}) {{ direction : input; capacitance : 0.001; }}\n" for pin in inputs)
    tables = "".join(
        f"{k}(t3) {{ {table} }}\n" for k in ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    )
    arcs = "".join(
        f'timing() {{ related_pin : "{pin}"; timing_sense : negative_unate;\n{tables} }}\n' for pin in inputs
    )
    output = f'pin(Y) {{ direction : output; function : "{function}"; max_capacitance : 1.0;\n{arcs} }}\n'
    return f"cell({cell}) {{ area : {area_};\n{pins}{output} }}\n"


TIMED = (
    'library(timed) { delay_model : table_lookup; time_unit : "1ns"; capacitive_load_unit (1,pf);\n'
    "lu_table_template(t3) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;\n"
    'index_1 ("0.01,0.1,1.0"); index_2 ("0.001,0.01,0.1"); }\n'
    + timed("INV", 1.0, "!A", "A")
    + timed("BUF", 2.0, "A", "A")
    + timed("NAND2", 2.0, "!(A*B)", "AB")
    + "}\n"
)


def test_delay_is_that_of_the_longest_path(library):
    verilog = "module top(input a, b, c, output o); assign o = ~(~(a & b) & c); endmodule"
    targets = library_targets(library(TIMED))
    assert list(targets) == ["liberty", "liberty-sized"]  # no full adder in it
    for name in targets:
        figures = synthesise(Emitted("top", verilog, {}), targets[name], find_engine(), timeout=60).figures
        assert figures == {"area": 4.0, "delay_ps": 200.0, "cells": {"NAND2": 2}}


def test_a_register_without_a_cell_is_an_error(library):
    verilog = "module top(input clk, d, output reg q); always @(posedge clk) q <= d; endmodule"
    with pytest.raises(RuntimeError, match="D flip-flops are not supported"):
        synthesise(Emitted("top", verilog, {}), library_targets(library(TIMED))["liberty"], find_engine(), timeout=60)


def fake_sta(folder, text):
    program = folder / "sta"
    program.write_text(f"#!/bin/sh\ncat time.tcl > {folder}/seen\ncat <<'E'\n{text}\nE\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for OpenSTA")
def test_arrival_is_read_from_the_report_and_clocks_are_told(tmp_path):
    sta = fake_sta(tmp_path, "   10.0 x\n          2286.3   data arrival time\n      99.0   data arrival time")
    assert find_sta(sta) == sta
    assert arrival("", "top", None, "", sta) == 2286.3
    seen = (tmp_path / "seen").read_text()
    assert "create_clock" not in seen
    assert "report_checks -unconstrained" in seen
    assert "set_cmd_units -time ps" in seen
    assert arrival("", "top", "clk", "", sta) == 2286.3
    assert "[get_ports clk]" in (tmp_path / "seen").read_text()
    with pytest.raises(ValueError, match="found no path: Error: no such cell"):
        arrival("", "top", None, "", fake_sta(tmp_path, "Error: no such cell"))


def test_command_line_prints_and_records_the_library(library, tmp_path, capsys, monkeypatch):
    library(liberty_text())
    monkeypatch.setattr(area, "check", lambda *_, **__: "proof: stub")
    monkeypatch.setattr(area.cache, "cache_folder", lambda: tmp_path / "cache")
    words = ["--unit", "dot_core", "--format", "bfp2x2", "--liberty", str(tmp_path / "cells.lib"), "-q"]
    assert main([*words, "--json", str(tmp_path / "a.json")]) == 0
    document = json.loads((tmp_path / "a.json").read_text())
    (record,) = document["records"]
    assert str(tmp_path) not in json.dumps(document)
    assert set(document["scripts"]) == set(record["library"]["figures"]) == {"liberty", "liberty-adders"}
    out = capsys.readouterr().out
    assert f"{record['library']['figures']['liberty']['area']:,.0f}" in out
    assert "transistors" not in out


def test_table_of_cores_in_a_library():
    figures = {
        "area": {"area": 160_000.0, "delay_ps": 5_600.0},
        "adders": {"area": 120_000.0, "delay_ps": None, "arrival_ps": 7_000.0},
        "speed": {"area": 170_000.0, "delay_ps": 4_500.0},
        "plain": {"area": 380_000.0, "delay_ps": 6_000.0},
    }
    record = {
        "name": "bfp4x64",
        "domain": "signs",
        "peer": {"area": 320_000},
        "target_areas": (167_000, 110_000),
        "floor": 100_000.0,
        "figures": figures,
    }
    text = render_library([record])
    assert "| 320,000 | 160,000 | 0.500 | 5.60 | 120,000 | 0.375 | 7.00 | 100,000 | +20.0% | " in text
    assert "167,000 alone: met; 110,000 with cells: missed by 9.1% |" in text
    assert "| 380,000 | 6.00 | 170,000 | 4.50 | 0.750 | 0.447 | met |" in text
    late = record | {"figures": figures | {"speed": {"area": 1.0, "delay_ps": 4_501.0}, "plain": figures["plain"]}}
    assert "| missed |" in render_library([late])
    assert "| - | - | - |" in render_library([record | {"figures": dict.fromkeys(figures), "target_areas": None}])


def test_peers_and_targets_in_other_libraries_belong_together():
    assert all(set(goal.target_areas) <= set(goal.peer_areas) for goal in GOALS.values())
