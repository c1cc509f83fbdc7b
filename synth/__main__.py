"""Command line that prices units: `python -m synth --mantissa 4 --block 64`.

Takes the unit options of `python -m hdl.generate`; each of them takes a comma-separated list too, and every
combination is priced: `--mantissa 4,6,8 --block 16,64,256` is nine units. The table goes to stdout, progress and errors
to stderr. `--liberty FILE` maps to a cell library too: area, delay, and both once more with drive strengths and with
the library's adder cells. Exit status: 0 done; 2 a wrong option or library; 3 a tool is missing, or a figure is
(timeout, failure, wrong netlist: the table and the records say which); 1 anything unexpected (`-v` shows where).
"""

import itertools
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hdl.cli import Parser, UsageError, add_unit_options, read_config
from hdl.config import UnitConfig
from hdl.yosys import Engine, find_engine
from synth.cells import GATE_EQUIVALENTS, WEIGHT_SOURCE
from synth.command import run_command, speaker
from synth.flows import TARGETS, Target
from synth.library import Library, read_library
from synth.library_flow import library_targets
from synth.timing import find_sta

__all__ = ["SCHEMA", "document", "main"]

SCHEMA = "narrowgauge-area-1"

_DEFAULT = "cmos,ice40,xilinx,xilinx-dsp,ecp5"


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    verbose = "-v" in words or "--verbose" in words
    return run_command(lambda: _run(words), verbose=verbose)


def _parser(*, with_help: bool) -> Parser:
    parser = Parser(prog="python -m synth", description=(__doc__ or "").partition("\n")[0], add_help=with_help)
    parser.add_argument(
        "--targets",
        metavar="LIST",
        help=f"comma-separated, of {_DEFAULT} (default: all, or none with --liberty; cmos brings the breakdown along)",
    )
    parser.add_argument("--liberty", type=Path, metavar="FILE", help="map to the cells of this library")
    parser.add_argument("--sta", metavar="PROGRAM", help="OpenSTA, to time the netlists of --liberty, adder cells too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write one line per unit here")
    parser.add_argument("--netlists", type=Path, metavar="DIR", help="write the mapped netlists here (cache not read)")
    parser.add_argument("--timeout", default="600", metavar="S", help="seconds per synthesis and check (default 600)")
    parser.add_argument("--no-check", action="store_true", help="print figures of unchecked netlists, marked as such")
    parser.add_argument("--yosys", metavar="PROGRAM", help="use this Yosys instead of the pinned one")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on stderr but errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="tracebacks on errors")
    return parser


def _run(words: Sequence[str]) -> int:
    own, unit_words = _parser(with_help=False).parse_known_args(list(words))
    lists = list(_combinations(unit_words))
    configs = [_read(one) for one in lists]  # prints help and stops if asked to
    if own.sta and not own.liberty:
        raise UsageError("--sta: times the netlists of --liberty, which is missing")
    targets, timeout = _targets(own), _seconds(own.timeout)
    library = read_library(own.liberty) if own.liberty else None
    sta = find_sta(own.sta) if own.sta else None
    for flag, path in (("--json", own.json), ("--csv", own.csv)):
        if path and not path.parent.is_dir():  # known now, not after minutes of synthesis
            raise UsageError(f"{flag} {path}: a file in an existing folder")
    from synth.area import price  # Amaranth: wrong options should not wait for it
    from synth.table import csv_text, render

    engine = find_engine(own.yosys)
    say = speaker(own.quiet)
    records = []
    for number, config in enumerate(configs, 1):
        prefix = f"[{number}/{len(configs)}] " if len(configs) > 1 else ""

        def tell(text: str, prefix: str = prefix) -> None:
            say(prefix + text)

        records.append(
            price(
                config,
                targets,
                engine,
                timeout=timeout,
                checked=not own.no_check,
                netlists=own.netlists,
                library=library,
                sta=sta,
                progress=tell,
            )
        )
    print(render(records))
    if own.json:
        found = document(_command(own, unit_words), engine, records, library)
        own.json.write_text(json.dumps(found, indent=1) + "\n")
    if own.csv:
        own.csv.write_text(csv_text(records))
    return 3 if _missing(records) else 0


def _missing(records: list[dict[str, Any]]) -> bool:
    return any(status != "ok" for record in records for status in record["status"].values())


def _combinations(words: Sequence[str]) -> Any:
    """The command lines that comma-separated values stand for, first option slowest."""
    choices = []
    for word in words:
        flag, equals, values = word.partition("=") if word.startswith("--") else ("", "", word)
        choices.append([flag + equals + value for value in values.split(",")])
    return itertools.product(*choices)


def _read(words: Sequence[str]) -> UnitConfig:
    parser = _parser(with_help=True)
    add_unit_options(parser, words)
    return read_config(parser.parse_args(list(words)))


def _targets(own: Namespace) -> list[str]:
    if own.targets is None and own.liberty:
        return []
    names = (own.targets or _DEFAULT).split(",")
    for name in names:
        if name not in _DEFAULT.split(","):
            raise UsageError(f"--targets {name}: of {_DEFAULT}")
    return list(dict.fromkeys(names))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"--timeout {text}: seconds, above 0")
    return value


def _command(own: Namespace, unit_words: Sequence[str]) -> str:
    """What makes the figures: unit options and targets; not where output went."""
    words = [*unit_words, "--targets", ",".join(_targets(own))] if _targets(own) else [*unit_words]
    words += ["--no-check"] if own.no_check else []
    words += [f"--liberty {own.liberty.name}"] if own.liberty else []
    words += [f"--sta {Path(own.sta).name}"] if own.sta else []
    return " ".join(["python -m synth", *words] + (["--yosys", Path(own.yosys).name] if own.yosys else []))


def document(
    command: str, engine: Engine, records: list[dict[str, Any]], library: Library | None = None
) -> dict[str, Any]:
    """Records with their provenance: what `--json` writes."""
    from hdl.emit import project_version

    used = sorted({name for record in records for name in record["status"]})
    targets: dict[str, Target] = {**TARGETS, **(library_targets(library) if library else {})}
    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        "gate_equivalents": {"source": WEIGHT_SOURCE, "weights": dict(GATE_EQUIVALENTS)},
        "scripts": {name: {"sha256": targets[name].sha256, "commands": targets[name].script} for name in used},
        "records": records,
    }


if __name__ == "__main__":
    sys.exit(main())
