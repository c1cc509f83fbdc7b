"""How a unit is synthesised for the cells of any library: three variants, each with area and delay in its units.

`liberty`         for area: the commands of `cmos`, with the library's cells for its gates
`liberty-sized`   for delay: choices of structure, then buffers and drive strengths
`liberty-adders`  for area, the adders of compressor trees in the library's full and half adder cells, if it has them

ABC computes the delay of the first two, without wires. It does not see through adder cells: OpenSTA does
(synth/timing.py). A library without timing tables maps for area alone.
"""

from collections.abc import Mapping

from synth.flows import ABC_AREA, ADDERS, FLIP_FLOPS, Target
from synth.library import AdderCell, Library

__all__ = ["VARIANTS", "adder_models", "library_targets"]

VARIANTS: Mapping[str, str] = {
    "liberty": "by ABC for area",
    "liberty-sized": "by ABC for delay, with drive strengths",
    "liberty-adders": "by ABC for area, adders of trees in adder cells",
}

_ABC_SIZED = "-script +strash;dc2;dch,-C,10,-f;map,-B,0.9;topo;buffer,-c;upsize,-c;dnsize,-c;stime,-p"


def library_targets(library: Library) -> dict[str, Target]:
    """The variants by name: those that the library has timing tables, or a full adder, for."""
    models = adder_models(library)
    possible = {"liberty": True, "liberty-sized": library.has_timing, "liberty-adders": bool(models)}
    return {name: _target(name, library, models) for name in VARIANTS if possible[name]}


def _target(name: str, library: Library, models: str) -> Target:
    with_adders = name == "liberty-adders"
    script = _ABC_SIZED if name == "liberty-sized" else ABC_AREA
    if name == "liberty" and library.has_timing:
        script += ";topo;stime,-p"
    return Target(
        name=name,
        summary=VARIANTS[name],
        commands=(
            # A cache of libraries by file time may hold another one.
            "libcache -scl -disable",
            "read_liberty -lib -ignore_miss_func cells.lib",
            *(ADDERS if with_adders else ()),
            "synth -flatten -noabc -top {top}",
            FLIP_FLOPS,
            "opt_clean",
            "dfflibmap -liberty cells.lib",
            f"tee -q -o abc.txt abc -liberty cells.lib {script}",
            "opt_clean",
            "select -assert-none t:$* t:$scopeinfo %d",  # whatever the library has no cell for
            "write_verilog -noattr -noexpr mapped.v",
        ),
        flatten=("read_liberty -overwrite -ignore_miss_func cells.lib",),
        liberty=library.text,
        models=models if with_adders else "",
    )


def adder_models(library: Library) -> str:
    """Verilog that puts the library's cells for the adder modules of a tree; empty without a full adder."""
    full, half = library.adder(3), library.adder(2)
    if full is None:
        return ""
    modules = [_module("full_adder", full, "abc")]
    if half is not None:
        modules.append(_module("half_adder", half, "ab"))
    else:
        modules.append(_logic("half_adder", "a ^ b", "a & b"))
    return "\n".join([*modules, _logic("half_adder_plus", "~(a ^ b)", "a | b")])  # a + b + 1: no library has it


def _module(kind: str, cell: AdderCell, inputs: str) -> str:
    pins = [f".{pin}({port})" for pin, port in zip(cell.inputs, inputs, strict=True)]
    outputs = {"sum": cell.sum, "carry": cell.carry}
    pins += [f".{pin}({port}_)" for port, (pin, _) in outputs.items()]
    values = [f"  assign {port} = {'~' if inverted else ''}{port}_;" for port, (_, inverted) in outputs.items()]
    lines = [
        f"module {kind} (output sum, carry, input {', '.join(inputs)});",
        "  wire sum_, carry_;",
        f"  {cell.name} cell_ ({', '.join(pins)});",
        *values,
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _logic(kind: str, total: str, carry: str) -> str:
    return (
        f"module {kind} (output sum, carry, input a, b);\n"
        f"  assign sum = {total};\n  assign carry = {carry};\nendmodule\n"
    )
