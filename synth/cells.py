"""What a gate costs: gate equivalents from published cell areas, and Yosys's transistor count of a flip-flop.

Gate equivalents are cell areas of a 45 nm open library, NAND2 = 1 (0.798 um^2): pre-layout, no wires, smallest drive
strength. A composed weight is a sum of published ones and says so.
"""

from collections.abc import Mapping

__all__ = [
    "FLIP_FLOP",
    "GATE_EQUIVALENTS",
    "TRANSISTORS_PER_FLIP_FLOP",
    "WEIGHT_SOURCE",
    "flip_flops",
    "gate_equivalents",
]

WEIGHT_SOURCE = "cell areas of a 45 nm open library, NAND2 = 1"

# The one kind of flip-flop that the scripts leave: rising edge; enables and synchronous resets are gates before it.
FLIP_FLOP = "$_DFF_P_"

# Yosys's gate types, the ones that the `cmos` scripts of synth.flows may leave, and the library cell of each.
GATE_EQUIVALENTS: Mapping[str, float] = {
    "$_NOT_": 0.667,  # INV
    "$_NAND_": 1.0,  # NAND2
    "$_NOR_": 1.0,  # NOR2
    "$_AND_": 1.333,  # AND2
    "$_OR_": 1.333,  # OR2
    "$_XOR_": 2.0,  # XOR2
    "$_XNOR_": 2.0,  # XNOR2
    "$_AOI3_": 1.333,  # AOI21
    "$_OAI3_": 1.333,  # OAI21
    "$_AOI4_": 1.667,  # AOI22
    "$_OAI4_": 1.667,  # OAI22
    "$_MUX_": 2.333,  # MUX2
    "$_NMUX_": 3.0,  # MUX2 and INV: the library has no inverting multiplexer
    FLIP_FLOP: 5.667,  # DFF
}

# What `stat -tech cmos` charges for FLIP_FLOP (a test compares the two).
TRANSISTORS_PER_FLIP_FLOP = 16


def gate_equivalents(cells: Mapping[str, int]) -> float:
    """Sum over cells by type, to a tenth. Raises ValueError for a type without a weight: none goes uncounted."""
    missing = sorted(cells.keys() - GATE_EQUIVALENTS.keys())
    if missing:
        raise ValueError(f"no gate-equivalent weight for {', '.join(missing)}")
    return round(sum(GATE_EQUIVALENTS[cell] * count for cell, count in cells.items()), 1)


def flip_flops(cells: Mapping[str, int]) -> int:
    """Number of flip-flops in a gate netlist."""
    return cells.get(FLIP_FLOP, 0)
