"""What is counted and how: cells, transistors, depth, parts."""

import json

import pytest

from hdl.emit import Emitted
from hdl.yosys import find_engine
from synth.cells import FLIP_FLOP, GATE_EQUIVALENTS, TRANSISTORS_PER_FLIP_FLOP, gate_equivalents
from synth.flows import TARGETS
from synth.synthesis import cells_by_module, synthesise

CHAIN = """
module chain(input clk, input en, input [3:0] a, output reg q, output y);
  assign y = ((a[0] ^ a[1]) ^ a[2]) ^ a[3];
  always @(posedge clk) if (en) q <= y;
endmodule
"""


def of_source(name, verilog, target):
    return synthesise(Emitted(name, verilog, {}), TARGETS[target], find_engine(), timeout=60).figures


def test_enabled_flip_flop_is_counted_with_its_enable():
    plain = of_source("ff", "module ff(input clk, d, output reg q); always @(posedge clk) q <= d; endmodule", "cmos")
    assert plain["cells"] == {FLIP_FLOP: 1}
    assert plain["transistors"] == TRANSISTORS_PER_FLIP_FLOP
    assert (plain["flip_flops"], plain["transistors_logic"], plain["gate_equivalents_logic"]) == (1, 0, 0)
    assert plain["gate_equivalents"] == round(GATE_EQUIVALENTS[FLIP_FLOP], 1)
    enabled = of_source("chain", CHAIN, "cmos")
    assert enabled["flip_flops"] == 1
    assert enabled["transistors_logic"] > 3 * 12  # three exclusive-ors and what holds the register's value


def test_depth_counts_cells_between_ports_and_flip_flops():
    assert of_source("chain", CHAIN.replace("if (en)", ""), "cmos")["depth"] == 2  # ABC balances the three gates
    assert of_source("inv", "module inv(input a, output y); assign y = ~a; endmodule", "cmos")["depth"] == 1


def test_synthesis_repeats_exactly():
    assert of_source("chain", CHAIN, "cmos") == of_source("chain", CHAIN, "cmos")


def test_own_transistors_of_parts_add_up_to_the_whole():
    leaf = {"num_cells_by_type": {"$_NOT_": 3}, "estimated_num_transistors": "6"}
    middle = {"num_cells_by_type": {"$_NAND_": 1, "leaf": 2}, "estimated_num_transistors": "16"}
    top = {"num_cells_by_type": {"$_XOR_": 1, "middle": 1, "leaf": 1}, "estimated_num_transistors": "34"}
    found = cells_by_module({"modules": {"\\top": top, "\\middle": middle, "\\leaf": leaf}})
    assert {name: own["transistors"] for name, own in found.items()} == {"top": 12, "middle": 4, "leaf": 6}
    assert found["middle"]["cells"] == {"$_NAND_": 1}


def test_estimate_that_leaves_cells_out_is_an_error():
    with pytest.raises(ValueError, match=r"6\+ leaves cells out"):
        cells_by_module({"modules": {"\\u": {"num_cells_by_type": {}, "estimated_num_transistors": "6+"}}})


def test_cell_without_weight_is_an_error():
    assert gate_equivalents({"$_NAND_": 3, "$_XOR_": 1}) == 5.0
    with pytest.raises(ValueError, match="DFFE"):
        gate_equivalents({"$_NAND_": 3, "$_DFFE_PP_": 1})


@pytest.mark.parametrize("target", ["ice40", "ecp5"])
def test_fpga_counts_cover_every_cell(target):
    figures = of_source("chain", CHAIN, target)
    kinds = TARGETS[target]
    counted = {*kinds.luts, *kinds.flip_flops, *kinds.carries, *kinds.dsps}
    assert figures["flip_flops"] == 1
    assert figures["luts"] >= 1
    assert set(figures["cells"]) <= counted, json.dumps(figures["cells"])
