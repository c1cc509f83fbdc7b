"""docs/area.md: the figures of the records, and the same bytes from the same records."""

import importlib.util
import json

import pytest
from conftest import require

from hdl.emit import emit
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth.flows import TARGETS
from synth.report import main, render
from synth.synthesis import synthesise
from synth.table import parts

FIGURES = {"transistors": 1432, "transistors_logic": 1400, "gate_equivalents": 345.6, "flip_flops": 2, "cells": {}}
PART = {**FIGURES, "copies": 1}


def record(name="dot_bfp_m4_b64", fmt="bfp4x64", unit="dot", **changes):
    fpga = {"ice40": {"luts": 77, "dsps": 0}, "xilinx-dsp": {"luts": 55, "dsps": 4}}
    targets = ("cmos", "submodules", *fpga)
    return {
        "unit": unit,
        "name": name,
        "config": {"unit": unit, "format": fmt},
        **FIGURES,
        "depth": 31,
        "fpga": fpga,
        "by_submodule": {"top": PART, "round": {**PART, "transistors": 68}},
        "status": dict.fromkeys(targets, "ok"),
        "checked_by": dict.fromkeys(targets, "bulk: 100000 vectors"),
        "engine": "Yosys 0.70 (pyosys)",
        **changes,
    }


def test_tables_show_the_figures():
    text = render([record(), record("quantize_bfp_m4_b64", unit="quantize")])
    row = "| 1,432 | 1,400 | 346 | 2 | 31 | 77 | 55 +4 |"
    assert f"| `dot_bfp_m4_b64` {row}" in text
    assert f"| `quantize_bfp_m4_b64` {row}" in text
    assert "| sum, module borders kept |  | 1,500 |" in text
    assert "* 8 netlists, bulk: 100000 vectors" in text


def test_numbered_copies_are_one_part():
    own = dict.fromkeys(("top", "round_0", "round_1", "align_10_shift", "maximum$12"), PART)
    found = {part["part"]: (part["copies"], part["transistors"]) for part in parts(record(by_submodule=own))}
    expected = {"top": (1, 1432), "round_*": (2, 2864), "align_*_shift": (1, 1432), "maximum": (1, 1432)}
    assert found == expected


def test_a_module_counts_as_often_as_it_is_used():
    kept = record(by_submodule={"top": PART, "full_adder": {**PART, "copies": 3}})
    assert [(part["copies"], part["transistors"]) for part in parts(kept)] == [(1, 1432), (3, 3 * 1432)]
    made = emit(make_config("tile", format="bfp2x4"))
    figures = synthesise(made, TARGETS["submodules"], find_engine(), timeout=60).figures
    copies = {part: own["copies"] for part, own in figures.items()}
    assert copies["full_adder"] == made.verilog.count(f"  {made.name}_full_adder ") > 3
    assert copies["top"] == copies["dot"] == copies["dot_round"] == 1
    assert len(copies) == made.verilog.count("\nmodule ")


def test_missing_figures_are_named_not_left_out():
    lost = record(transistors=None, transistors_logic=None, gate_equivalents=None, flip_flops=None, depth=None)
    lost["status"] = {**lost["status"], "cmos": "timeout: stopped after 600 s"}
    text = render([lost])
    assert "| `dot_bfp_m4_b64` | timeout | timeout | timeout | timeout | timeout | 77 | 55 +4 |" in text
    assert "* no figure: `dot_bfp_m4_b64` for cmos, timeout: stopped after 600 s" in text


def test_equal_records_give_equal_files(tmp_path, capsys):
    require("matplotlib", bool(importlib.util.find_spec("matplotlib")), "pip install matplotlib")
    records = tmp_path / "records.json"
    records.write_text(json.dumps({"records": [record(), record("dot_bfp_m4_b16", "bfp4x16")]}))
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert main([str(records), "-o", str(folder), "-q"]) == 0
        written.append([(folder / file).read_bytes() for file in ("area.md", "area.svg")])
    assert written[0] == written[1]
    assert b"BFP4" in written[0][1]
    assert capsys.readouterr().err == ""
    assert main([str(records), "--timeout", "0"]) == 2
    assert "--timeout 0: seconds, above 0" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", '{"records": []}'])
def test_files_without_records_are_refused(text, tmp_path, capsys):
    path = tmp_path / "none.json"
    path.write_text(text)
    assert main([str(path), "-o", str(tmp_path)]) == 2
    assert "no area records" in capsys.readouterr().err
    assert not (tmp_path / "area.md").exists()
