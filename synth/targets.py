"""What the hardware is to reach, and what it does: `python -m synth.targets [--json FILE] [--docs FILE]`.

Each core is priced in the flow that its rivals were priced in, and its netlist checked against the golden model before
a figure is shown. `dissolved` is that flow as it is; `adders kept` leaves the adder modules of the tree whole.
Converters, FP32 units and complete units follow at the prices of `synth.density`. With `--liberty FILE` the cores are
mapped to that library instead: area, area with its adder cells against the least that
their arithmetic takes, and delay of the fast ones against operators. The table goes to stdout, progress to stderr. Exit
status: 0 done, whether or not every target is met; 2 a wrong option or library; 3 a tool or a figure is missing; 1
anything unexpected.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdl.cli import Parser, UsageError
from hdl.yosys import Engine, find_engine
from synth.command import Tell, add_outputs, check_names, check_outputs, run_command, speaker, table_writer
from synth.flows import TARGETS
from synth.goals import GOALS, Goal
from synth.liberty import CELLS
from synth.library import Library, read_library
from synth.library_cores import measure_in_library, render_library
from synth.library_flow import library_targets
from synth.targets_plot import draw
from synth.targets_units import DENSITIES, PARTS, measure_units, render_units, shortfall
from synth.timing import find_sta

__all__ = ["SCHEMA", "main", "measure_goal", "render"]

SCHEMA = "narrowgauge-targets-2"

Record = dict[str, Any]

_FLOWS = ("cmos", "adders", "library")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    return run_command(lambda: _run(_parse(words)), verbose="-v" in words)


def _parse(words: Sequence[str]) -> Namespace:
    parser = Parser(prog="python -m synth.targets", description=(__doc__ or "").partition("\n")[0])
    names = (*GOALS, *PARTS, *DENSITIES)
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of {', '.join(names)}; repeatable")
    parser.add_argument("--liberty", type=Path, metavar="FILE", help="the cores in the cells of this library instead")
    parser.add_argument("--sta", metavar="PROGRAM", help="OpenSTA, to time the netlists of --liberty, adder cells too")
    add_outputs(parser)
    options = parser.parse_args(list(words))
    check_names("--only", options.only or (), GOALS if options.liberty else names)
    check_outputs(options)
    if options.docs and options.only:
        raise UsageError("--docs: not together with --only; the documentation lists every target")
    if options.sta and not options.liberty:
        raise UsageError("--sta: times the netlists of --liberty, which is missing")
    if options.plot and not any(name in GOALS for name in options.only or GOALS):
        raise UsageError("--plot: draws cores, and --only names none")
    if options.plot and options.liberty:
        raise UsageError("--plot: draws transistors, not areas of --liberty")
    return options


def _run(options: Namespace) -> int:
    engine, names = find_engine(), options.only or [*GOALS, *PARTS, *DENSITIES]
    goals = [GOALS[name] for name in names if name in GOALS]
    tell, command = speaker(options.quiet), "python -m synth.targets"
    library = read_library(options.liberty) if options.liberty else None
    sta = find_sta(options.sta) if options.sta else None
    page = f"{command} --docs docs/area-targets.md"
    if library:
        command += f" --liberty {library.name}.lib"
        page = f"{command} --docs docs/area-{library.name.partition('_')[0]}.md"
    write = table_writer(options.docs, page) if options.docs else None
    if library:
        records = [measure_in_library(goal, library, engine, options.timeout, sta, tell) for goal in goals]
        found: dict[str, list[Record]] = {"records": records}
        table, about = render_library(records), _about_library(library)
    else:
        records = [measure_goal(goal, engine, options.timeout, tell) for goal in goals]
        found = {"records": records} | measure_units(names, engine, options.timeout, tell)
        table, about = render(found), _about_own()
    print(table)
    if options.json:
        command += " --sta sta" if sta else ""
        command = " ".join([command, *(f"--only {name}" for name in options.only or ())])
        options.json.write_text(json.dumps(_document(command, engine, about, found), indent=1) + "\n")
    if write:
        write(table)
    if options.plot:
        draw(records, options.plot)
    measured = [record for group in found.values() for record in group]
    return 3 if any(status != "ok" for record in measured for status in record["status"].values()) else 0


def measure_goal(goal: Goal, engine: Engine, timeout: float, tell: Tell) -> Record:
    """One record: the goal, the figures of each flow, and the arithmetic of its heap."""
    from hdl.emit import emit
    from hdl.units.dot_core import DotCoreConfig
    from synth.area import measure

    config = DotCoreConfig(**goal.options)
    unit = emit(config, engine)
    found = {name: measure(unit, TARGETS[name], engine, timeout=timeout, progress=tell) for name in _FLOWS}
    figures = {name: m.figures or {} for name, m in found.items()}
    return {
        "name": goal.name,
        "unit": unit.name,
        "command": unit.manifest["command"],
        "verilog_sha256": unit.manifest["sha256"],
        "domain": goal.domain,
        "peer": {"what": goal.peer, "transistors": goal.peer_transistors},
        "target_transistors": goal.target,
        "dissolved_transistors": figures["cmos"].get("transistors"),
        "kept_transistors": figures["adders"].get("transistors"),
        "adders": figures["adders"].get("parts"),
        "library_gate_equivalents": figures["library"].get("gate_equivalents"),
        "library_cells": figures["library"].get("cells"),
        "floor": goal.floor(config.operands, len(_sum_port(unit))),
        "status": {name: m.status for name, m in found.items()},
        "checked_by": {name: m.checked_by for name, m in found.items() if m.figures},
    }


def _sum_port(unit: Any) -> range:
    return range(next(port["width"] for port in unit.manifest["ports"] if port["name"] == "sum"))


def render(found: Mapping[str, Sequence[Record]]) -> str:
    """The tables, as Markdown: `records` of cores, `parts`, `densities`; none of what was not asked for."""
    records = found["records"]
    cores = ["", *_transistor_lines(records), "", *_floor_lines(records)] if records else []
    return "\n".join([*cores, *render_units(found)][1:])


def _transistor_lines(records: Sequence[Record]) -> list[str]:
    lines = [
        "| core | operands | best peer, T | target, T | dissolved, T | to peer | adders kept, T | to peer | target |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        peer, target = record["peer"]["transistors"], record["target_transistors"]
        dissolved, kept = record["dissolved_transistors"], record["kept_transistors"]
        verdict = (
            "met" if dissolved and dissolved <= target else "met with adders kept" if kept and kept <= target else ""
        )
        best = min((value for value in (dissolved, kept) if value), default=None)
        if not verdict:
            verdict = "not measured" if best is None else shortfall(best / target - 1)
        lines.append(
            f"| {record['name']} | {record['domain']} | {peer:,} | {target:,} | {_count(dissolved)} | "
            f"{_ratio(dissolved, peer)} | {_count(kept)} | {_ratio(kept, peer)} | {verdict} |"
        )
    return lines


def _floor_lines(records: Sequence[Record]) -> list[str]:
    lines = [
        "| core | bits to add | full adders, least | full adders | half adders | library, GE | floor, GE | over |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        floor, adders, area = record["floor"], record["adders"] or {}, record["library_gate_equivalents"]
        halves = adders.get("half_adder", 0) + adders.get("half_adder_plus", 0)
        least = floor["area"]
        over = f"{area / least - 1:+.1%}" if area and least else "-"
        lines.append(
            f"| {record['name']} | {floor['bits']:,} | {floor['full_adders']:,} | {adders.get('full_adder', 0):,} | "
            f"{halves} | {_count(area)} | {_count(least)} | {over} |"
        )
    return lines


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(value: float | None, peer: int) -> str:
    return "-" if value is None else f"{value / peer:.3f}"


def _about_own() -> Mapping[str, Any]:
    return {
        "library": {name: cell.area for name, cell in CELLS.items()},
        "scripts": {name: {"sha256": TARGETS[name].sha256, "commands": TARGETS[name].script} for name in _FLOWS},
    }


def _about_library(library: Library) -> Mapping[str, Any]:
    return {
        "library": {"name": library.name, "sha256": library.sha256, "time_unit": library.time_unit},
        "scripts": {
            name: {"sha256": target.sha256, "commands": target.script}
            for name, target in library_targets(library).items()
        },
    }


def _document(command: str, engine: Engine, about: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    from hdl.emit import project_version

    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        **about,
        **found,
    }


if __name__ == "__main__":
    sys.exit(main())
