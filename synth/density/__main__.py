"""Arithmetic density: complete dot-product units against FP32, part by part: `python -m synth.density`.

The HBFP paper's recipe: an FP32 unit is N multipliers, N - 1 adders, an accumulator and an activation, each part
synthesised once. Ours is a dot-product core, exponents and rounding to FP32, the same accumulator and activation, and
an output converter. Figures are transistors of logic in one flow, flip-flops and handshakes apart on both sides.
`--only opponents`, `stages` and `shared` are tables of their own: float dot products in one piece, pipelines, and the
cost of a second level of scales.

Tables go to stdout, progress to stderr. Exit status: 0 done; 2 a wrong option; 3 a tool or a figure is missing.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hdl.cli import Parser, UsageError
from hdl.yosys import Engine, find_engine
from synth.command import Tell, add_outputs, check_names, check_outputs, run_command, speaker, table_writer
from synth.density.rows import ROWS, Row, gains, measure_row

__all__ = ["ROWS", "SCHEMA", "Row", "gains", "main", "measure_row"]

SCHEMA = "narrowgauge-density-2"

Record = dict[str, Any]

TABLES = ("opponents", "stages", "shared")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    return run_command(lambda: _run(_parse(words)), verbose="-v" in words)


def _parse(words: Sequence[str]) -> Namespace:
    parser = Parser(prog="python -m synth.density", description=(__doc__ or "").partition("\n")[0])
    names = (*TABLES, *ROWS)
    parser.add_argument("--only", action="append", metavar="NAME", help=f"of {', '.join(names)}; repeatable")
    add_outputs(parser)
    options = parser.parse_args(list(words))
    check_names("--only", options.only or (), names)
    check_outputs(options)
    if options.docs and any(name in ROWS for name in options.only or ()):
        raise UsageError("--docs: not together with a row of --only; the documentation lists every row")
    return options


def _run(options: Namespace) -> int:
    from synth.density.price import Pricer
    from synth.density.report import draw, render

    engine, tell = find_engine(), speaker(options.quiet)
    chosen = options.only or [*ROWS, *TABLES]
    wanted = [name for name in TABLES if name in chosen]
    rows = [ROWS[name] for name in chosen if name in ROWS]
    sections = [None] * bool(rows) + wanted
    if options.docs:
        for section in sections:
            _writer(options.docs, section)
    pricer = Pricer(engine, options.timeout, tell)
    found: Record = {"records": [measure_row(row, pricer) for row in rows]} if rows else {}
    found |= {name: _measure(name, engine, options.timeout, tell, pricer) for name in wanted}
    print("\n\n".join(render(found).values()))
    if options.json:
        command = " ".join(["python -m synth.density", *(f"--only {name}" for name in options.only or ())])
        options.json.write_text(json.dumps(_document(command, engine, found), indent=1) + "\n")
    if options.docs:
        for section, text in render(found).items():
            _writer(options.docs, None if section == "records" else section)(text)
    if options.plot:
        draw(found, options.plot)
    return 3 if any(record["status"] != "ok" for records in found.values() for record in records) else 0


def _writer(page: Path, section: str | None) -> Callable[[str], None]:
    only = f" --only {section}" if section else ""
    return table_writer(page, f"python -m synth.density{only} --docs docs/density.md")


def _measure(name: str, engine: Engine, timeout: float, tell: Tell, pricer: Any) -> list[Record]:
    """The records of a table; one whose synthesis took too long has no more than the reason."""
    from synth.density.netlists import Mapper
    from synth.density.opponents import OPPOSED, measure_opponents
    from synth.density.shared import measure_shared
    from synth.density.stages import PIPELINES, measure_pipeline

    mapper = Mapper(engine, timeout, tell)
    measures: Mapping[str, Sequence[Callable[[], Record]]] = {
        "opponents": [partial(measure_opponents, ROWS[row], pricer) for row in OPPOSED],
        "stages": [partial(measure_pipeline, pipeline, mapper) for pipeline in PIPELINES],
        "shared": [partial(measure_shared, pricer)],
    }
    records: list[Record] = []
    for measure in measures[name]:
        try:
            records.append({"status": "ok"} | measure())
        except (TimeoutError, RuntimeError) as error:
            tell(f"{name}: {error}")
            records.append({"status": str(error)})
    return records


def _document(command: str, engine: Engine, found: Record) -> Record:
    from hdl.emit import project_version
    from synth.flows import TARGETS

    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        "scripts": {"cmos": {"sha256": TARGETS["cmos"].sha256, "commands": TARGETS["cmos"].script}},
        **found,
    }


if __name__ == "__main__":
    sys.exit(main())
