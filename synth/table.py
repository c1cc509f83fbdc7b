"""Area records as text tables and CSV."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["csv_text", "parts", "render"]

Record = dict[str, Any]

_SUMMED = ("transistors", "transistors_logic", "gate_equivalents", "flip_flops")


def render(records: Sequence[Record]) -> str:
    """One row per unit, and for a single unit its breakdown and how each netlist was checked."""
    fpga = sorted({name for record in records for name in record["fpga"]})
    rows = [["unit", "transistors", "(logic)", "gate eq.", "flip-flops", "depth", *fpga]]
    for record in records:
        gates = [record[k] for k in ("transistors", "transistors_logic", "gate_equivalents", "flip_flops", "depth")]
        rows.append([record["name"], *map(_number, gates), *(_fpga(record, name) for name in fpga)])
    sections = [_align(rows)]
    if fpga:
        sections.append("FPGA columns: LUTs, +DSP blocks where used.")
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


def parts(record: Record) -> list[Record]:
    """The breakdown with numbered copies of a submodule as one part: "part" (`round_*`), "copies", summed figures."""
    found: dict[str, Record] = {}
    for name, own in record["by_submodule"].items():
        kind = re.sub(r"(?<=_)\d+", "*", re.sub(r"\$\d+", "", name))
        whole = found.setdefault(kind, {"part": kind, "copies": 0, **dict.fromkeys(_SUMMED, 0)})
        whole["copies"] += 1
        whole |= {key: whole[key] + own[key] for key in _SUMMED}
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
    row |= {f"{target} checked by": method for target, method in record["checked_by"].items()}
    return row | {"engine": record["engine"]}
