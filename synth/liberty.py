"""A small Liberty library of our own: the cells and areas of `AREAS`, NAND2 = 1, no timing.

It maps by area alone. Full and half adders are in it for compressor trees, whose adders a techmap puts there: ABC never
infers them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CELLS", "LibraryCell", "liberty_text"]


@dataclass(frozen=True, slots=True)
class LibraryCell:
    """Area in gate equivalents, inputs, and the function of each output."""

    area: float
    inputs: str
    outputs: Mapping[str, str] = field(default_factory=dict)


def _gate(area: float, inputs: str, function: str) -> LibraryCell:
    return LibraryCell(area, inputs, {"Y": function})


# Published cell areas of a 45 nm open library (0.798 um^2 = 1), smallest drive strength.
CELLS: Mapping[str, LibraryCell] = {
    "INV": _gate(0.667, "A", "!A"),
    "BUF": _gate(1.0, "A", "A"),
    "NAND2": _gate(1.0, "AB", "!(A*B)"),
    "NAND3": _gate(1.333, "ABC", "!(A*B*C)"),
    "NAND4": _gate(1.667, "ABCD", "!(A*B*C*D)"),
    "NOR2": _gate(1.0, "AB", "!(A+B)"),
    "NOR3": _gate(1.333, "ABC", "!(A+B+C)"),
    "NOR4": _gate(1.667, "ABCD", "!(A+B+C+D)"),
    "AND2": _gate(1.333, "AB", "A*B"),
    "AND3": _gate(1.667, "ABC", "A*B*C"),
    "AND4": _gate(2.0, "ABCD", "A*B*C*D"),
    "OR2": _gate(1.333, "AB", "A+B"),
    "OR3": _gate(1.667, "ABC", "A+B+C"),
    "OR4": _gate(2.0, "ABCD", "A+B+C+D"),
    "XOR2": _gate(2.0, "AB", "A^B"),
    "XNOR2": _gate(2.0, "AB", "!(A^B)"),
    "AOI21": _gate(1.333, "ABC", "!((A*B)+C)"),
    "OAI21": _gate(1.333, "ABC", "!((A+B)*C)"),
    "AOI22": _gate(1.667, "ABCD", "!((A*B)+(C*D))"),
    "OAI22": _gate(1.667, "ABCD", "!((A+B)*(C+D))"),
    "AOI211": _gate(1.667, "ABCD", "!((A*B)+C+D)"),
    "OAI211": _gate(1.667, "ABCD", "!((A+B)*C*D)"),
    "AOI221": _gate(2.0, "ABCDE", "!((A*B)+(C*D)+E)"),
    "OAI221": _gate(2.0, "ABCDE", "!((A+B)*(C+D)*E)"),
    "AOI222": _gate(2.667, "ABCDEF", "!((A*B)+(C*D)+(E*F))"),
    "OAI222": _gate(2.667, "ABCDEF", "!((A+B)*(C+D)*(E+F))"),
    "MUX2": _gate(2.333, "ABS", "(A*!S)+(B*S)"),
    "HA": LibraryCell(3.333, "AB", {"S": "A^B", "CO": "A*B"}),
    "FA": LibraryCell(5.333, "ABC", {"S": "A^B^C", "CO": "(A*B)+(A*C)+(B*C)"}),
}

_DFF = """  cell(DFF) { area : 5.667; ff(IQ, IQN) { next_state : "D"; clocked_on : "C"; }
    pin(C) { direction : input; clock : true; } pin(D) { direction : input; }
    pin(Q) { direction : output; function : "IQ"; } }
"""


def liberty_text() -> str:
    """The library as a Liberty file."""
    lines = ["library(narrowgauge) {\n"]
    for name, cell in CELLS.items():
        pins = [f"    pin({pin}) {{ direction : input; }}\n" for pin in cell.inputs]
        pins += [f'    pin({pin}) {{ direction : output; function : "{f}"; }}\n' for pin, f in cell.outputs.items()]
        lines += [f"  cell({name}) {{ area : {cell.area};\n", *pins, "  }\n"]
    return "".join([*lines, _DFF, "}\n"])
