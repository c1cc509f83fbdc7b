"""The dot-product cores in the cells of a library: area against the floor, delay against operators."""

from collections.abc import Sequence
from typing import Any

from hdl.yosys import Engine
from synth.command import Tell
from synth.goals import GATE_FUNCTIONS, Gates, Goal
from synth.library import Library
from synth.library_flow import library_targets

__all__ = ["gates_of", "measure_in_library", "render_library"]

Record = dict[str, Any]

# What is measured: architecture and variant. `speed` and `plain` are compared where both are mapped for delay.
_ROLES = {
    "area": ("area", "liberty"),
    "adders": ("area", "liberty-adders"),
    "speed": ("speed", "liberty-sized"),
    "plain": ("plain", "liberty-sized"),
}


def gates_of(library: Library) -> Gates | None:
    """Areas of the cells that a core's least area is made of; None if the library lacks one."""
    full = library.adder(3)
    areas = {name: library.least_area(*functions) for name, functions in GATE_FUNCTIONS.items()}
    if full is None or None in areas.values():
        return None
    return Gates(full_adder=library.cells[full.name].area, **{name: area or 0.0 for name, area in areas.items()})


def measure_in_library(
    goal: Goal, library: Library, engine: Engine, timeout: float, sta: str | None, tell: Tell
) -> Record:
    """One record: the goal, and figures of each role, None where the library or the time does not allow it.

    Our netlists are checked against the golden model; those of operators, which only serve to compare, are not.
    """
    from hdl.emit import emit
    from hdl.units.dot_core import DotCoreConfig
    from synth.area import measure

    targets, gates = library_targets(library), gates_of(library)
    figures: dict[str, Any] = dict.fromkeys(_ROLES)
    record: Record = {"name": goal.name, "status": {}, "checked_by": {}, "units": {}}
    for role, (arch, variant) in _ROLES.items():
        if variant not in targets:
            continue
        config = DotCoreConfig(**goal.options, arch=arch)
        unit = emit(config, engine)
        checked = arch != "plain"
        found = measure(unit, targets[variant], engine, timeout=timeout, checked=checked, sta=sta, progress=tell)
        figures[role] = found.figures
        record["status"][role], record["checked_by"][role] = found.status, found.checked_by or "unchecked"
        record["units"][role] = {"command": unit.manifest["command"], "verilog_sha256": unit.manifest["sha256"]}
        if role == "area":
            width = next(port["width"] for port in unit.manifest["ports"] if port["name"] == "sum")
            record["floor"] = goal.floor(config.operands, width, gates)["area"] if gates else None
    return record | {
        "figures": figures,
        "domain": goal.domain,
        "peer": {"what": goal.peer, "area": goal.peer_areas.get(library.name)},
        "target_areas": goal.target_areas.get(library.name),
    }


def render_library(records: Sequence[Record]) -> str:
    """The tables, as Markdown."""
    return "\n".join([*_area_lines(records), "", *_delay_lines(records)])


def _area_lines(records: Sequence[Record]) -> list[str]:
    lines = [
        "| core | operands | best peer | by ABC alone | to peer | delay, ns | with adder cells | to peer | delay, ns | "
        "floor | over | target |",
        "|---|---|" + "---:|" * 9 + "---|",
    ]
    for record in records:
        peer, floor = record["peer"]["area"], record["floor"]
        alone, adders = (_of(record, role, "area") for role in ("area", "adders"))
        lines.append(
            f"| {record['name']} | {record['domain']} | {_count(peer)} | {_count(alone)} | {_ratio(alone, peer)} | "
            f"{_delay(record, 'area')} | {_count(adders)} | {_ratio(adders, peer)} | {_delay(record, 'adders')} | "
            f"{_count(floor)} | {f'{adders / floor - 1:+.1%}' if adders and floor else '-'} | {_verdict(record)} |"
        )
    return lines


def _verdict(record: Record) -> str:
    if not record["target_areas"]:
        return "-"
    words = []
    for role, what, target in zip(("area", "adders"), ("alone", "with cells"), record["target_areas"], strict=True):
        own = _of(record, role, "area")
        verdict = "not measured" if own is None else "met" if own <= target else f"missed by {own / target - 1:.1%}"
        words.append(f"{target:,} {what}: {verdict}")
    return "; ".join(words)


def _delay_lines(records: Sequence[Record]) -> list[str]:
    lines = [
        "| core | operators: area | delay, ns | `speed`: area | delay, ns | delay, ratio | area, ratio | target 0.75 |",
        "|---|" + "---:|" * 6 + "---|",
    ]
    for record in records:
        plain, speed = (_late(record, role) for role in ("plain", "speed"))
        areas = [_of(record, role, "area") for role in ("plain", "speed")]
        verdict = "-" if not (plain and speed) else "met" if speed <= 0.75 * plain else "missed"
        lines.append(
            f"| {record['name']} | {_count(areas[0])} | {_delay(record, 'plain')} | {_count(areas[1])} | "
            f"{_delay(record, 'speed')} | {_ratio(speed, plain)} | {_ratio(areas[1], areas[0])} | {verdict} |"
        )
    return lines


def _of(record: Record, role: str, figure: str) -> float | None:
    return (record["figures"][role] or {}).get(figure)


def _late(record: Record, role: str) -> float | None:
    """Picoseconds: OpenSTA's where it was asked, else ABC's, which are the same without adder cells."""
    return _of(record, role, "arrival_ps") or _of(record, role, "delay_ps")


def _delay(record: Record, role: str) -> str:
    late = _late(record, role)
    return "-" if late is None else f"{late / 1000:.2f}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.3f}" if value and other else "-"
