"""Which architecture a dot product should have by default: `python -m synth.architectures [--docs FILE] [--json FILE]`.

Complete units of every kind of format, their sums of products by operators (`--arch plain`) and as one compressor tree
(`--arch area`): transistors of logic and depth in the flow `cmos`. The table goes to stdout, progress to stderr. The
netlists are not checked here: of the architecture that is the default, docs/formats-table.md has checked ones. Exit
status: 0 done; 2 a wrong option; 3 a tool or a figure is missing; 1 anything unexpected.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hdl.cli import Parser, UsageError
from hdl.yosys import Engine, find_engine
from synth.command import Tell, add_outputs, check_names, check_outputs, run_command, speaker, table_writer
from synth.flows import TARGETS

__all__ = ["ARCHITECTURES", "OPERANDS", "SCHEMA", "main", "render"]

SCHEMA = "narrowgauge-architectures-1"

Record = dict[str, Any]

ARCHITECTURES = ("plain", "area")

_MOST_BITS = 5_000  # pairs of bits: synthesis in seconds
_FORMATS = (
    *("mx9", "mx6", "mx4", "mx_m2_k16_4_d8_1", "mx_m2_k16_2_d8_2", "mx_m3_k8_4_d6_2"),
    *("mxfp8_e5m2", "mxfp8_e4m3", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8", "nvfp4"),
    *("msfp16", "msfp14", "msfp12", "msfp11", "bm_e2m5x48", "bm_e4m3x48", "bm_e2m1x48"),
    *(f"bfp{m}x{n}" for m in (2, 3, 4, 5, 6, 8, 12, 16) for n in (1, 4, 16, 64) if m * m * n < _MOST_BITS),
)
_MIXED = (("mx9", "mx4"), ("mx6", "mx4"), ("mxint8", "mxfp4"), ("mxfp8_e4m3", "mxfp4"), ("mxfp8_e5m2", "mxfp8_e4m3"))

# Operands by name: every format with itself, and pairs of two.
OPERANDS = {name: (name, name) for name in _FORMATS} | {f"{a} by {b}": (a, b) for a, b in _MIXED}


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    return run_command(lambda: _run(_parse(words)), verbose="-v" in words)


def _parse(words: Sequence[str]) -> Namespace:
    parser = Parser(prog="python -m synth.architectures", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="a format, or `a by b`; repeatable")
    add_outputs(parser)
    options = parser.parse_args(list(words))
    check_names("--only", options.only or (), OPERANDS)
    check_outputs(options)
    if options.docs and options.only:
        raise UsageError("--docs: not together with --only; the documentation lists all")
    return options


def _run(options: Namespace) -> int:
    engine, tell = find_engine(), speaker(options.quiet)
    command = "python -m synth.architectures"
    write = table_writer(options.docs, f"{command} --docs docs/architectures.md") if options.docs else None
    names = options.only or list(OPERANDS)
    records = []
    for number, name in enumerate(names, 1):
        tell(f"[{number}/{len(names)}] {name}")
        records.append(_measure(name, engine, options.timeout, tell))
    table = render(records)
    print(table)
    if options.json:
        command = " ".join([command, *(f'--only "{name}"' for name in options.only or ())])
        options.json.write_text(json.dumps(_document(command, engine, records), indent=1) + "\n")
    if write:
        write(table)
    if options.plot:
        _draw(records, options.plot)
    return 3 if any(status != "ok" for record in records for status in record["status"].values()) else 0


def _measure(name: str, engine: Engine, timeout: float, tell: Tell) -> Record:
    from hdl.emit import emit
    from hdl.units.dot import DotConfig
    from synth.area import measure

    a, b = OPERANDS[name]
    record: Record = {"name": name, "default": DotConfig(format=a, format_b=b).arch, "units": {}, "status": {}}
    for arch in ARCHITECTURES:
        unit = emit(DotConfig(format=a, format_b=b, arch=arch), engine)
        found = measure(unit, TARGETS["cmos"], engine, timeout=timeout, checked=False, progress=tell)
        figures = found.figures or {}
        record["status"][arch] = found.status
        record[arch] = {key: figures.get(key) for key in ("transistors_logic", "depth", "flip_flops")}
        record["units"][arch] = {"command": unit.manifest["command"], "verilog_sha256": unit.manifest["sha256"]}
    return record


def _ratio(record: Record) -> float | None:
    """The tree's transistors over those of operators."""
    plain, tree = (record[arch]["transistors_logic"] for arch in ARCHITECTURES)
    return tree / plain if plain and tree else None


def render(records: Sequence[Record]) -> str:
    """The table, as Markdown."""
    lines = [
        "| operands | operators, T | depth | tree, T | depth | tree over operators | default |",
        "|---|" + "---:|" * 6,
    ]
    for record in records:
        cells = [
            "-" if record[arch][key] is None else f"{record[arch][key]:,}"
            for arch in ARCHITECTURES
            for key in ("transistors_logic", "depth")
        ]
        ratio = _ratio(record)
        cells.append(f"{ratio:.3f}" if ratio else "-")
        lines.append(f"| {record['name']} | {' | '.join(cells)} | {record['default']} |")
    return "\n".join(lines)


def _draw(records: Sequence[Record], path: Path) -> None:
    """A dot per pair of operands: the tree's transistors over those of operators."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = sorted((ratio, record["name"]) for record in records if (ratio := _ratio(record)))
    with plt.rc_context({"svg.hashsalt": "narrowgauge", "font.size": 8, "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=(5.2, 0.6 + 0.16 * len(shown)), layout="constrained")
        axes.plot([ratio for ratio, _ in shown], range(len(shown)), "o", markersize=4)
        axes.axvline(1, color="0.6", linewidth=1)
        axes.set_yticks(range(len(shown)), [name for _, name in shown])
        axes.set(xlabel="transistors of the tree over those of operators", ylim=(-1, len(shown)))
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _document(command: str, engine: Engine, records: Sequence[Record]) -> Record:
    from hdl.emit import project_version

    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        "scripts": {"cmos": {"sha256": TARGETS["cmos"].sha256, "commands": TARGETS["cmos"].script}},
        "records": list(records),
    }


if __name__ == "__main__":
    sys.exit(main())
