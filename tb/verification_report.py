"""`python -m tb.verification_report`: writes docs/verification.md from the records of the runs it tells about.

The text is here, the figures come from the JSON of `python -m tb`, `tb.volume` and `tb.mutants`; a record that is not
given leaves its section with the command that makes it.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tb.command import command_parser, run_command
from tb.report import write_text

__all__ = ["main", "markdown"]

Record = Mapping[str, Any]

# Option of the command line -> the schema of its record, a key that it has, the command that makes it.
_RECORDS = {
    "regression": ("narrowgauge-tb-1", "configurations", "python -m tb -j 2"),
    "volume": ("narrowgauge-volume-1", "jobs", "python -m tb.volume -j 2"),
    "mutants": ("narrowgauge-mutants-1", "mutants", "python -m tb.mutants"),
    "random": ("narrowgauge-mutants-1", "units", "python -m tb.mutants --random 100"),
}

_HEAD = """# What is verified, and how

<!-- written by `python -m tb.verification_report`: change that, not this -->

Every comparison below is of bits: no tolerance anywhere.

"""
_LAYERS = [
    (
        "golden model, vectorised",
        "the same in plain integers, `golden.reference`, written from the specification",
        "`tests/golden`: properties and seeded sweeps",
    ),
    (
        "both of them",
        "the specification's worked vectors; `ml_dtypes` and `gfloat` for element types and rounding",
        "`tests/golden`",
    ),
    (
        "emitted Verilog, cycle by cycle",
        "golden model, and the rules of valid/ready streams",
        "`python -m tb`: cocotb under Verilator, every pair of idle and stall patterns, reset in mid-stream, pace, "
        "latency, no path from `ready` to `ready`",
    ),
    (
        "emitted Verilog, by the million",
        "golden model",
        "`python -m tb.volume`: the same Verilog as a library fed with arrays, small spaces in full",
    ),
    ("real tensors through chained units", "golden model", "`python -m tb.digits`"),
    (
        "handshakes, buffers, Gecko's row code",
        "claims, proved for all inputs",
        "`python -m tb.formal`: [formal.md](formal.md)",
    ),
    ("mapped netlists", "the Verilog they were made from", "`python -m synth`: proved, or 100,000 vectors"),
    ("all of this", "deliberate bugs", "`python -m tb.mutants`: below"),
]
_RULES = """
Registers and memories hold random values at power-up in every simulation. The bench and the bulk driver take what they
know of a unit from its manifest, and what it should answer from `golden`; neither knows how a unit works inside. A
*test point* is a named situation (a tie to even, an infinity minus an infinity) that a run must have driven, counted on
what it really drove: one that its configuration can reach and no run hit fails the configuration, and so does a hit on
one that is declared out of reach.
"""
_DELIBERATE = """
Each is one line of the emitted Verilog, changed by a pattern that has to match exactly once: a bug that no longer fits
what is generated fails the tests instead of passing for caught. Vectors are input transfers since power-up: corners at
full rate, with stalls on both sides and into a slow sink, then random ones under the same three. What those do not show
goes to the cocotb bench. The test point is the one of the first wrong answer that goes best with all wrong answers.

"""
_SCATTERED = """
Yosys makes these at random places: an inverted bit, a constant one, one that another bit flips. A solver sorts out
those that change no output and no next state, whatever the state before.

"""
_LEFT_OVER = """
Left over, for a person to judge. A bit that no later stage reads, a register behind a valid bit that is low and a state
that is never reached cannot be told from a hole by a solver that looks at one cycle. Holes that are known: no sink
gives `ready` only after it has seen `valid`, so that a `valid` which waits for `ready` passes; and a sticky bit that
decides a single sum in a single lane may stay unmet.

"""

_RERUN = """## How to run it again

Each section names the command that made its record, which holds versions, seeds and a hash of the sources. The same
seed gives the same vectors. With their `--json` records, this page is

    python -m tb.verification_report --regression regression.json --volume volume.json \\
        --mutants mutants.json --random random.json -o docs/verification.md
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def _regression(record: Record) -> str:
    rows = []
    units: dict[str, list[Record]] = {}
    for entry in record["configurations"]:
        units.setdefault(entry["config"].get("unit", "chained units"), []).append(entry)
    for unit, entries in [*units.items(), ("all", record["configurations"])]:
        points = [times for entry in entries for times in entry["testpoints"].values()]
        reached = [times for times in points if isinstance(times, int)]
        rows.append(
            (
                unit,
                len(entries),
                sum(entry["passed"] for entry in entries),
                sum(entry["vectors"] for entry in entries),
                sum(entry["cycles"] for entry in entries),
                f"{sum(times > 0 for times in reached):,} of {len(reached):,}",
                len(points) - len(reached),
            )
        )
    head = ("unit", "configurations", "passed", "vectors", "cycles", "test points hit", "out of reach")
    seeds = ", ".join(map(str, record["initial_seeds"]))
    return _table(head, rows) + f"\nSeed {record['seed']}; power-up values of seeds {seeds}. {_source(record)}"


def _volume(record: Record) -> str:
    rows = [
        (job["name"], f"`{job['config'].get('unit', '')}`", job["vectors"], "yes" if job["passed"] else "NO")
        for job in record["jobs"]
    ]
    rows.append(("all", "", sum(job["vectors"] for job in record["jobs"]), ""))
    return _table(("job", "unit", "vectors", "every bit equal"), rows) + f"\nSeed {record['seed']}. {_source(record)}"


def _mutants(record: Record) -> str:
    rows = []
    for entry in record["mutants"]:
        caught = entry["caught"]
        name = f"{entry['name']}: {entry['story']}"
        where = f"`{entry['configuration']}`"
        if caught is None:
            rows.append((name, where, "**nothing**", "", record["vectors"]))
        else:
            rows.append((name, where, f"{caught['check']}: {caught['symptom']}", caught["point"], caught["vectors"]))
    caught = sum(entry["caught"] is not None for entry in record["mutants"])
    text = f"Caught: {caught} of {len(record['mutants'])}.\n" + _DELIBERATE
    head = ("bug", "configuration", "caught by", "test point", "after vectors")
    return text + _table(head, rows) + f"\nSeed {record['seed']}. {_source(record)}"


def _random(record: Record) -> str:
    rows = []
    for unit in record["units"]:
        counted = unit["mutants"] - unit["unchanged"]
        share = f"{100 * unit['caught'] / counted:.1f} %"
        rows.append((f"`{unit['configuration']}`", unit["mutants"], unit["unchanged"], unit["caught"], share))
    head = ("configuration", "mutants", "proved to change nothing", "caught", "of the others")
    lines = [f"- `{unit['configuration']}`: `{text}`" for unit in record["units"] for text in unit["survivors"]]
    total, same = (sum(unit[key] for unit in record["units"]) for key in ("mutants", "unchanged"))
    caught = sum(unit["caught"] for unit in record["units"])
    text = (
        f"Caught: {caught} of the {total - same} that change something, {record['vectors']:,} vectors each.\n"
        + _SCATTERED
    )
    listed = _LEFT_OVER + "\n".join(lines) + "\n" if lines else ""
    return text + _table(head, rows) + listed + f"\nSeed {record['seed']}. {_source(record)}"


def _source(record: Record) -> str:
    return f"Made by `{record['command']}`, sources {record['sources_sha256'][:12]}.\n"


def markdown(records: Mapping[str, Record]) -> str:
    """The page; `records` by the names of the command's options."""
    sections = [
        ("regression", "Regression", _regression),
        ("volume", "Volume", _volume),
        ("mutants", "Deliberate bugs", _mutants),
        ("random", "Random bugs", _random),
    ]
    parts = [_HEAD + _table(("what", "against what", "by what"), _LAYERS) + _RULES]
    for name, title, render in sections:
        missing = f"No record yet: `{_RECORDS[name][2]} --json {name}.json`, then `--{name} {name}.json` here.\n"
        parts.append(f"## {title}\n\n" + (render(records[name]) if name in records else missing))
    return "\n".join([*parts, _RERUN])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0, or 2 for a record that is none."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    parser = command_parser("tb.verification_report", __doc__)
    for name, (_, _, command) in _RECORDS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"JSON record of {command}")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the page (default: stdout)")
    parser.add_argument("-v", "--verbose", action="store_true", help="a traceback with errors of the program itself")
    options = parser.parse_args(words)
    records = {}
    for name, (schema, key, command) in _RECORDS.items():
        path: Path | None = getattr(options, name)
        if path is None:
            continue
        try:
            records[name] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            parser.error(f"--{name} {path}: {error}")
        if records[name].get("schema") != schema or key not in records[name]:
            parser.error(f"--{name} {path}: not a record of {command}")
    page = markdown(records)
    if options.output:
        write_text(options.output, page)
    else:
        sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
