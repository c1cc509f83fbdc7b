"""One synthesis: a unit's Verilog through a target's script in a process of its own, and the figures that come out."""

import json
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.emit import Emitted
from hdl.yosys import Engine
from synth.cells import FLIP_FLOP, TRANSISTORS_PER_FLIP_FLOP, flip_flops, gate_equivalents
from synth.flows import Target

__all__ = ["Synthesis", "cells_by_module", "synthesise"]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """`figures` are JSON-ready; `netlist` is the mapped netlist as flat Verilog of plain operators.

    mapped  the netlist in a library's cells, of a target that writes one
    """

    figures: dict[str, Any]
    netlist: str
    seconds: float
    mapped: str = ""


def synthesise(unit: Emitted, target: Target, engine: Engine, *, timeout: float | None = None) -> Synthesis:
    """Raises YosysError on failure or timeout, ValueError for a cell that cannot be counted."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "unit.v").write_text(unit.verilog)
        (folder / "models.v").write_text(target.model_text)
        (folder / "cells.lib").write_text(target.liberty)
        engine.run([line.replace("{top}", unit.name) for line in target.script], folder, timeout=timeout)
        stat = json.loads((folder / "stat.json").read_text())
        modules = cells_by_module(stat)
        path = (folder / "path.txt").read_text() if not target.is_fpga else ""
        netlist = (folder / "netlist.v").read_text()
        mapped, abc = (_text(folder / name) for name in ("mapped.v", "abc.txt"))
    top = modules[unit.name]
    if target.is_fpga:
        figures = _fpga_figures(target, top["cells"])
    elif mapped:
        figures = {"area": round(_area(stat, unit.name), 3), "delay_ps": _delay(abc), "cells": top["cells"]}
    elif target.liberty:
        figures = {"gate_equivalents": round(_area(stat, unit.name), 1), "cells": top["cells"]}
    elif target.name == "submodules":
        copies = {unit.name: 1} | _instances(stat, unit.name)
        parts = {name.removeprefix(unit.name).removeprefix("_") or "top": name for name in modules}
        figures = {
            part: _gate_figures(modules[name]) | {"copies": copies[name]} for part, name in sorted(parts.items())
        }
    else:
        figures = _gate_figures(_with_parts(stat, unit.name)) | {"depth": _depth(path)}
        if len(modules) > 1:
            figures["parts"] = _instances(stat, unit.name)
    return Synthesis(figures, netlist, round(time.monotonic() - start, 1), mapped)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def cells_by_module(stat: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Own cells by type of each module, and own "transistors" where estimated: those of submodules taken out."""
    modules = {name.removeprefix("\\"): facts for name, facts in stat["modules"].items()}
    found: dict[str, dict[str, Any]] = {}
    for name, facts in modules.items():
        kinds = sorted(facts["num_cells_by_type"].items())
        found[name] = {"cells": {kind: count for kind, count in kinds if kind not in modules}}
        if "estimated_num_transistors" in facts:
            inside = sum(_transistors(modules[kind]) * count for kind, count in kinds if kind in modules)
            found[name]["transistors"] = _transistors(facts) - inside
    return found


def _area(stat: dict[str, Any], top: str) -> float:
    return {name.removeprefix("\\"): facts for name, facts in stat["modules"].items()}[top]["area"]


def _instances(stat: dict[str, Any], top: str) -> dict[str, int]:
    """How often the top module has each other module, those inside one another included."""
    modules = {name.removeprefix("\\"): facts["num_cells_by_type"] for name, facts in stat["modules"].items()}
    inside = {kind.removeprefix("\\"): count for kind, count in modules[top].items()}
    found: Counter[str] = Counter()
    for kind in sorted(inside.keys() & modules.keys()):
        for name, count in {kind: 1, **_instances(stat, kind)}.items():
            found[name] += count * inside[kind]
    return dict(sorted(found.items()))


def _with_parts(stat: dict[str, Any], top: str) -> dict[str, Any]:
    """Cells and transistors of the top module, those inside its submodules included."""
    modules, cells = cells_by_module(stat), Counter[str]()
    instances = {top: 1} | _instances(stat, top)
    for name, count in instances.items():
        cells.update({kind: cell * count for kind, cell in modules[name]["cells"].items()})
    transistors = sum(modules[name]["transistors"] * count for name, count in instances.items())
    return {"cells": dict(sorted(cells.items())), "transistors": transistors}


def _transistors(facts: dict[str, Any]) -> int:
    estimate = facts["estimated_num_transistors"]
    if not estimate.isdecimal():  # a trailing + marks cells that Yosys could not count
        raise ValueError(f"transistor estimate {estimate} leaves cells out")
    return int(estimate)


def _gate_figures(own: dict[str, Any]) -> dict[str, Any]:
    cells, registers = own["cells"], flip_flops(own["cells"])
    logic = {kind: count for kind, count in cells.items() if kind != FLIP_FLOP}
    return {
        "transistors": own["transistors"],
        "transistors_logic": own["transistors"] - registers * TRANSISTORS_PER_FLIP_FLOP,
        "gate_equivalents": gate_equivalents(cells),
        "gate_equivalents_logic": gate_equivalents(logic),
        "flip_flops": registers,
        "cells": cells,
    }


def _fpga_figures(target: Target, cells: dict[str, int]) -> dict[str, Any]:
    return {
        "luts": sum(cells.get(kind, 0) * sites for kind, sites in target.luts.items()),
        "flip_flops": sum(cells.get(kind, 0) for kind in target.flip_flops),
        "carries": sum(cells.get(kind, 0) for kind in target.carries),
        "dsps": sum(cells.get(kind, 0) for kind in target.dsps),
        "cells": cells,
    }


def _depth(path: str) -> int:
    """Cells on the longest path between ports and flip-flops."""
    found = re.search(r"\(length=(\d+)\)", path)
    if not found:
        raise ValueError("no longest path in the report of ltp")
    return int(found[1])


def _delay(log: str) -> float | None:
    """Picoseconds, as ABC's `stime` has them last; None where it was not asked or the library has no timing."""
    found = re.findall(r"Delay = *([\d.]+) ps", log)
    return round(float(found[-1]), 1) or None if found else None
