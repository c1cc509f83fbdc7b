"""`python -m tb.formats_table RECORD.json ...`: one table of unit, format, verified range, area, depth and latency.

Joins what `python -m tb --set formats`, `tb.pairwise`, `tb.volume` and `python -m synth` wrote with `--json`: any
number of files, in any order. Figures meet only if they are of the same Verilog, whose hash every record names.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hdl.config import UnitConfig
from hdl.registry import UNITS, make_config, make_unit
from tb.command import add_record, command_parser, run_command, speaker
from tb.configurations import configurations
from tb.manifest import ManifestError
from tb.regression import emitted
from tb.report import write_json, write_text

__all__ = ["Row", "join", "main", "markdown", "unpriced_options"]

Record = Mapping[str, Any]

SCHEMA = "narrowgauge-formats-table-1"
# Schema of a record -> where its entries are, and which of them names the hash of its unit's Verilog.
_ENTRIES = {
    "narrowgauge-tb-1": ("configurations", "unit_sha256"),
    "narrowgauge-pairwise-1": ("units", "unit_sha256"),
    "narrowgauge-volume-1": ("jobs", "unit_sha256"),
    "narrowgauge-area-1": ("records", "verilog_sha256"),
}

_HEAD = """# Formats: what each unit has been verified for, its area, depth and latency

<!-- written by `python -m tb.formats_table`: change that, not this -->

- **In full**: sets of which the corner vectors drive every member, results shown; `a`, `b` are the operands.
- **Points**: named situations (specials, ties, saturation, clamps, underflow, cancellation, ...) that the configuration
  can reach and the run therefore had to meet (`python -m tb --set formats`).
- **Stalled**: transfers under nine patterns of idle x backpressure, three seeds of power-up values.
- **Bulk**: random transfers and corners by `python -m tb.volume --set formats` and `python -m tb.pairwise`.
- **Transistors**, **depth**: estimate and longest path in cells, `python -m synth ... --targets cmos`: mapped for
  area, the netlist checked against the Verilog. **Latency** in cycles, with the stages that the options name.

Every comparison is with the golden model, of all bits. `-`: not run, or not of the Verilog that this table is about.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A unit and what the records say of it; None where they say nothing."""

    unit: str
    name: str
    command: str
    latency: int
    in_full: tuple[str, ...] | None = None
    points: int | None = None
    stalled: int | None = None
    bulk: int | None = None
    transistors: int | None = None
    depth: int | None = None
    failed: bool = False


def _entries(records: Sequence[Record]) -> Iterator[tuple[str, str, Record]]:
    """Schema, hash and entry of everything in the records."""
    for record in records:
        schema = record.get("schema", "")
        if schema not in _ENTRIES:
            raise ManifestError(f"schema {schema!r}: one of {', '.join(_ENTRIES)}")
        key, digest = _ENTRIES[schema]
        for entry in record[key]:
            yield schema, entry.get(digest, ""), entry


def join(records: Sequence[Record], digests: Mapping[UnitConfig, str] | None = None) -> list[Row]:
    """A row for every configuration of the list `formats`, and for others that a record prices or runs in bulk.

    `digests` are the hashes of the Verilog that counts; without, that of the first record of a unit.
    """
    found: dict[UnitConfig, list[tuple[str, str, Record]]] = {config: [] for config in configurations("formats")}
    for schema, digest, entry in _entries(records):
        config = make_config(**entry["config"])
        if schema in ("narrowgauge-tb-1", "narrowgauge-area-1") or config in found:
            found.setdefault(config, []).append((schema, digest, entry))
    known = dict(digests or {})
    for config, said in found.items():
        if said:
            known.setdefault(config, said[0][1])
    return [_row(config, [(s, e) for s, d, e in said if d == known[config]]) for config, said in found.items()]


def _row(config: UnitConfig, said: Sequence[tuple[str, Record]]) -> Row:
    facts: dict[str, Any] = {}
    for schema, entry in said:
        if schema == "narrowgauge-area-1":
            facts |= {"transistors": entry["transistors"], "depth": entry["depth"]}
            continue
        facts["failed"] = facts.get("failed", False) or not entry["passed"]
        if schema == "narrowgauge-tb-1":
            hit = [name for name, times in entry["testpoints"].items() if isinstance(times, int) and times]
            full = tuple(name.removeprefix("every ") for name in hit if name.startswith("every "))
            facts |= {"points": len(hit), "stalled": entry["vectors"], "in_full": full}
        else:
            facts["bulk"] = facts.get("bulk", 0) + entry["vectors"]
    command = config.command().removeprefix("python -m hdl.generate ")
    return Row(config.unit, config.name, command, _latency(config), **facts)


@cache
def _latency(config: UnitConfig) -> int:
    return make_unit(config).latency


def unpriced_options(rows: Sequence[Row]) -> list[str]:
    """Options of `python -m synth` for every row without an area."""
    return [f"--unit {row.unit} {_options(row)}".strip() for row in rows if row.transistors is None]


def _options(row: Row) -> str:
    return row.command.removeprefix(f"--unit {row.unit}").strip()


def markdown(rows: Sequence[Row]) -> str:
    """The page: a table per unit."""
    parts = [_HEAD]
    for unit in UNITS:
        own = [row for row in rows if row.unit == unit]
        if own:
            parts.append(f"\n## {unit}\n")
            heads = ("options", "in full", "points", "stalled", "bulk", "transistors", "depth", "latency")
            parts += ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
            parts += ["| " + " | ".join(_cells(row)) + " |" for row in own]
    return "\n".join(parts) + "\n"


def _cells(row: Row) -> list[str]:
    numbers = [row.points, row.stalled, row.bulk, row.transistors, row.depth, row.latency]
    verdict = "**FAILED** " if row.failed else ""
    full = "-" if row.in_full is None else ", ".join(_merged(row.in_full))
    return [f"{verdict}`{_options(row)}`", full, *("-" if n is None else f"{n:,}" for n in numbers)]


def _merged(names: Sequence[str]) -> list[str]:
    """`element code of a beside fixed partners` and the same of b in one: `element codes of a, b`."""
    merged: dict[str, list[str]] = {}
    for name in names:
        plain = re.sub(r" (beside|under|made).*$", lambda k: " made" if k[1] == "made" else "", name)
        stem, _, operand = plain.partition(" of ") if plain.endswith((" of a", " of b")) else (plain, "", "")
        merged.setdefault(stem, []).append(operand)
    return [stem + (f" of {', '.join(operands)}" if operands != [""] else "") for stem, operands in merged.items()]


def document(rows: Sequence[Row], records: Sequence[Record]) -> dict[str, Any]:
    """The rows with what they came from: what `--json` writes."""
    keys = ("schema", "versions", "sources_sha256", "seed")
    sources = {json.dumps({key: record[key] for key in keys if key in record}) for record in records}
    return {
        "schema": SCHEMA,
        "command": "python -m tb.formats_table",
        "sources": [json.loads(source) for source in sorted(sources)],
        "rows": [asdict(row) for row in rows],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0, 1 if a record tells of a failure, 2 for files that are no records."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    parser = command_parser("tb.formats_table", __doc__)
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json", help="of tb, pairwise, volume, synth")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the page (default: stdout)")
    parser.add_argument("--check", action="store_true", help="emit every unit: records of other Verilog do not count")
    parser.add_argument(
        "--unpriced", action="store_true", help="print no page but the options of every row that has no area, for synth"
    )
    add_record(parser)
    options = parser.parse_args(words)
    say = speaker(options.quiet)
    records = [_load(path) for path in options.records]
    digests = None
    if options.check:
        digests = {}
        units = list(dict.fromkeys([*configurations("formats"), *_configs(records)]))
        for config in units:
            digests[config] = emitted(config)[1]["sha256"]
            if len(digests) % 10 == 0:
                say(f"{len(digests)} of {len(units)} units emitted")
    rows = join(records, digests)
    if options.json:
        write_json(options.json, document(rows, records))
    if options.unpriced:
        print("".join(f"{unpriced}\n" for unpriced in unpriced_options(rows)), end="")
    elif options.output:
        write_text(options.output, markdown(rows))
    else:
        print(markdown(rows), end="")
    failed = [row.name for row in rows if row.failed]
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def _configs(records: Sequence[Record]) -> list[UnitConfig]:
    return [
        make_config(**entry["config"]) for schema, _, entry in _entries(records) if schema != "narrowgauge-volume-1"
    ]


def _load(path: Path) -> Record:
    try:
        loaded: Record = json.loads(path.read_text(encoding="utf-8"))
        return loaded
    except ValueError as error:
        raise ManifestError(f"{path}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
