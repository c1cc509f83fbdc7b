"""The command line of the benches that check one file: `tb.bulk`, `tb.core` and `tb.floats` MANIFEST.json VERILOG.v."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tb.command import add_number, add_record, command_parser, run_command, speaker
from tb.manifest import Manifest, ManifestError
from tb.report import write_text

__all__ = ["check_file"]


def check_file(
    module: str,
    text: str | None,
    check: Callable[..., Any],
    arguments: Sequence[str] | None,
    *,
    counted: str,
    vectors: int,
    refuse: Callable[[Manifest], str],
) -> int:
    """Run `python -m MODULE`; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing tool.

    check    (manifest, verilog, *, vectors, seed, top, command, progress) to a record: a dataclass with `top`,
             `vectors` done, `failure` and `passed`
    counted  what a vector of this bench is called, in the plural
    vectors  how many by default
    refuse   why the bench cannot drive a unit, "" if it can
    """

    def body(words: list[str]) -> int:
        parser = command_parser(module, text)
        parser.add_argument("manifest", type=Path, metavar="MANIFEST.json", help="manifest of the unit")
        parser.add_argument("verilog", type=Path, metavar="VERILOG.v", help="the unit, or a netlist with its ports")
        add_number(parser, "--vectors", about=f"{counted} at least", default=vectors, low=1)
        add_number(parser, "--seed", about="of all random data", default=1, metavar="S")
        parser.add_argument("--top", metavar="NAME", help="top module, if not the manifest's")
        add_record(parser)
        options = parser.parse_args(words)
        manifest = Manifest.load(options.manifest)
        if reason := refuse(manifest):
            raise ManifestError(f"{options.manifest}: {reason}")
        try:
            verilog = options.verilog.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            parser.error(f"{options.verilog}: {error}")
        command = f"python -m {module} {options.manifest.name} {options.verilog.name}"
        command += f" --vectors {options.vectors} --seed {options.seed}"
        command += f" --top {options.top}" if options.top else ""
        record = check(
            manifest,
            verilog,
            vectors=options.vectors,
            seed=options.seed,
            top=options.top,
            command=command,
            progress=speaker(options.quiet),
        )
        if options.json:
            write_text(options.json, json.dumps(asdict(record), indent=1) + "\n")
        agree, wrong = f"{record.vectors:,} {counted} agree", f"MISMATCH, {record.failure}\nrerun: {command}"
        print(f"{record.top}: {agree if record.passed else wrong}")
        return 0 if record.passed else 1

    return run_command(body, arguments)
