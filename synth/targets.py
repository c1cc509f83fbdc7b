"""What the dot-product cores are to reach, and what they do: `python -m synth.targets [--json FILE] [--docs FILE]`.

Each core is priced in the flow that its rivals were priced in, and its netlist checked against the golden model before
a figure is shown. `dissolved` is that flow as it is; `adders kept` leaves the adder modules of the tree whole. The
table goes to stdout, progress to stderr. Exit status: 0 done, whether or not every target is met; 2 a wrong option;
3 a tool or a figure is missing; 1 anything unexpected.
"""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdl.cli import Parser, UsageError
from hdl.yosys import Engine, ToolMissing, YosysError, find_engine
from synth.flows import TARGETS
from synth.goals import GOALS, Goal
from synth.liberty import CELLS

__all__ = ["SCHEMA", "main", "measure_goal", "render"]

SCHEMA = "narrowgauge-targets-1"

Record = dict[str, Any]

_FLOWS = ("cmos", "adders", "library")
_BEGIN, _END = "<!-- table: python -m synth.targets --docs docs/area-targets.md -->\n", "<!-- end of table -->\n"


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _run(_parse(words), words)
    except UsageError as error:
        return _fail(2, error)
    except (ToolMissing, YosysError) as error:
        return _fail(3, error)
    except OSError as error:
        return _fail(2, f"{error.filename}: {error.strerror}")


def _parse(words: Sequence[str]) -> Namespace:
    parser = Parser(prog="python -m synth.targets", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of {', '.join(GOALS)}; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="renew the tables in this Markdown file")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds per synthesis (default 600)")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on stderr but errors")
    options = parser.parse_args(list(words))
    for name in options.only or ():
        if name not in GOALS:
            raise UsageError(f"--only {name}: one of {', '.join(GOALS)}")
    if options.docs and options.only:
        raise UsageError("--docs: not together with --only; the documentation lists every target")
    if not options.timeout > 0:
        raise UsageError(f"--timeout {options.timeout:g}: seconds, above 0")
    return options


def _run(options: Namespace, words: Sequence[str]) -> int:
    engine, start = find_engine(), time.monotonic()

    def tell(text: str) -> None:
        if not options.quiet:
            print(f"{time.monotonic() - start:6.1f} s  {text}", file=sys.stderr, flush=True)

    records = [measure_goal(GOALS[name], engine, options.timeout, tell) for name in options.only or GOALS]
    print(render(records))
    if options.json:
        command = " ".join(["python -m synth.targets", *(f"--only {name}" for name in options.only or ())])
        options.json.write_text(json.dumps(_document(command, engine, records), indent=1) + "\n")
    if options.docs:
        _renew(options.docs, render(records))
    return 3 if any(status != "ok" for record in records for status in record["status"].values()) else 0


def measure_goal(goal: Goal, engine: Engine, timeout: float, tell: Any) -> Record:
    """One record: the goal, the figures of each flow, and the arithmetic of its heap."""
    from hdl.emit import emit
    from hdl.registry import make_config
    from synth.area import measure

    config = make_config("dot_core", **goal.options)
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
        "floor": goal.floor(config.operands, len(_sum_port(unit))),  # type: ignore[attr-defined]
        "status": {name: m.status for name, m in found.items()},
        "checked_by": {name: m.checked_by for name, m in found.items() if m.figures},
    }


def _sum_port(unit: Any) -> range:
    return range(next(port["width"] for port in unit.manifest["ports"] if port["name"] == "sum"))


def render(records: Sequence[Record]) -> str:
    """The tables, as Markdown."""
    return "\n".join([*_transistor_lines(records), "", *_floor_lines(records)])


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
            verdict = "not measured" if best is None else f"missed by {best / target - 1:.1%}"
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
        least = floor["gate_equivalents"]
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


def _document(command: str, engine: Engine, records: Sequence[Record]) -> Mapping[str, Any]:
    from hdl.emit import project_version

    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        "library": {name: cell.area for name, cell in CELLS.items()},
        "scripts": {name: {"sha256": TARGETS[name].sha256, "commands": TARGETS[name].script} for name in _FLOWS},
        "records": records,
    }


def _renew(path: Path, table: str) -> None:
    head, begun, rest = path.read_text().partition(_BEGIN)
    _, ended, tail = rest.partition(_END)
    if not (begun and ended):
        raise UsageError(f"--docs {path}: no table between {_BEGIN.strip()} and {_END.strip()}")
    path.write_text(head + _BEGIN + table + "\n" + _END + tail)


def _fail(status: int, message: object) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
