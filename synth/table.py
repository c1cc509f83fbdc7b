"""Area records as text tables and CSV."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from synth.flows import TARGETS

__all__ = ["csv_text", "parts", "render"]

Record = dict[str, Any]

_SUMMED = ("transistors", "transistors_logic", "gate_equivalents", "flip_flops")


def render(records: Sequence[Record]) -> str:
    """One row per unit, and for a single unit its breakdown and how each netlist was checked."""
    sections = [_align(_rows(records))] if any(set(r["status"]) & TARGETS.keys() for r in records) else []
    fpga = _fpga_names(records)
    if fpga:
        sections.append("FPGA columns: LUTs, +DSP blocks where used.")
    if any("library" in record for record in records):
        sections += [_align(_library_rows(records)), _library_note(records[0]["library"])]
    if len(records) == 1:
        sections += _details(records[0])
    problems = [
        f"{record['name']} {target}: {status.splitlines()[0]}"
        for record in records
        for target, status in record["status"].items()
        if status != "ok"
    ]
    unchecked = [
        f"{record['name']} {target}: UNCHECKED netlist"
        for record in records
        for target, method in record["checked_by"].items()
        if method == "unchecked"
    ]
    return "\n\n".join(part for part in (*sections, "\n".join(problems + unchecked)) if part)


def _fpga_names(records: Sequence[Record]) -> list[str]:
    return sorted({name for record in records for name in record["fpga"]})


def _rows(records: Sequence[Record]) -> list[list[str]]:
    fpga = _fpga_names(records)
    rows = [["unit", "transistors", "(logic)", "gate eq.", "flip-flops", "depth", *fpga]]
    for record in records:
        gates = [record[k] for k in ("transistors", "transistors_logic", "gate_equivalents", "flip_flops", "depth")]
        rows.append([record["name"], *map(_number, gates), *(_fpga(record, name) for name in fpga)])
    return rows


def _library_rows(records: Sequence[Record]) -> list[list[str]]:
    """Area and delay per variant; the delay is OpenSTA's where it was asked, ABC's otherwise."""
    names = list(records[0]["library"]["figures"])
    rows = [["unit", *(word for name in names for word in (name, "delay"))]]
    for record in records:
        cells = [record["library"]["figures"][name] for name in names]
        rows.append([record["name"], *(word for found in cells for word in _area_and_delay(found))])
    return rows


def _area_and_delay(figures: Record | None) -> tuple[str, str]:
    if figures is None:
        return "-", "-"
    late = figures.get("arrival_ps", figures["delay_ps"])
    return f"{figures['area']:,.0f}", "-" if late is None else f"{late / 1000:.3f}"


def _library_note(library: Record) -> str:
    timed = any("arrival_ps" in figures for figures in library["figures"].values() if figures)
    source = "OpenSTA's" if timed else "ABC's, which does not see through adder cells"
    return f"Library {library['name']}: areas in its unit; delays in ns without wires, {source}."


def parts(record: Record) -> list[Record]:
    """The breakdown, copies of a submodule and numbered ones as one part: "part" (`round_*`), "copies", sums."""
    found: dict[str, Record] = {}
    for name, own in record["by_submodule"].items():
        kind = re.sub(r"(?<=_)\d+", "*", re.sub(r"\$\d+", "", name))
        whole = found.setdefault(kind, {"part": kind, "copies": 0, **dict.fromkeys(_SUMMED, 0)})
        whole["copies"] += own["copies"]
        whole |= {key: whole[key] + own["copies"] * own[key] for key in _SUMMED}
        found[kind] = whole
    return list(found.values())


def _details(record: Record) -> list[str]:
    found = []
    if record["by_submodule"]:
        rows = [["submodule", "copies", "transistors", "(logic)", "gate eq.", "flip-flops"]]
        listed = parts(record)
        rows += [
            [part["part"], str(part["copies"]), *(_number(round(part[key], 1)) for key in _SUMMED)] for part in listed
        ]
        total = (_number(round(sum(part[key] for part in listed), 1)) for key in _SUMMED)
        rows.append(["sum, borders kept", "", *total])
        found.append(_align(rows))
    methods = [f"{target}: {method}" for target, method in record["checked_by"].items()]
    found.append("\n".join(["Netlists checked by", *methods]) if methods else "")
    return found


def _fpga(record: Record, target: str) -> str:
    figures = record["fpga"].get(target)
    if figures is None:
        return "-"
    return f"{figures['luts']:,}" + (f" +{figures['dsps']}" if figures["dsps"] else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _align(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def csv_text(records: Sequence[Record]) -> str:
    """One line per unit: configuration, gate figures, then LUTs, flip-flops, carries and DSPs per FPGA target."""
    rows = [_flat(record) for record in records]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(record: Record) -> dict[str, Any]:
    gates = ("transistors", "transistors_logic", "gate_equivalents", "gate_equivalents_logic", "flip_flops", "depth")
    row = {"name": record["name"], **record["config"], **{key: record[key] for key in gates}}
    for target, figures in record["fpga"].items():
        for kind in ("luts", "flip_flops", "carries", "dsps"):
            row[f"{target} {kind}"] = figures[kind] if figures else None
    for variant, found in record.get("library", {}).get("figures", {}).items():
        for kind in ("area", "delay_ps", "arrival_ps"):
            row[f"{variant} {kind}"] = found.get(kind) if found else None
    row |= {f"{target} checked by": method for target, method in record["checked_by"].items()}
    return row | {"engine": record["engine"]}
