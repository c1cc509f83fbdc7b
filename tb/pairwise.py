"""`python -m tb.pairwise`: the converters over pairwise arrays of formats, rounding, scale rule and shape.

Every format in its default mode, every listed pair of formats from block to block, and every two values of different
options together in at least one unit; each unit is compared with the golden model on corners and random values under
three regimes of stalls (`tb.bulk_check`).
`--write` brings docs/formats-verified.md and hdl/verified.json up to date: what is outside them is unverified.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from typing import Any

from golden.catalog import get_format
from golden.formats import Rounding, ScaleRule, conversion_loss
from hdl.config import UnitConfig
from hdl.layouts import FLOATS
from hdl.registry import make_config
from tb.bulk_check import CheckRecord, check
from tb.command import add_number, add_record, command_parser, run_command, speaker, spelt
from tb.configurations import FORMATS
from tb.covering import Row, covering_array
from tb.manifest import Manifest
from tb.regression import emitted
from tb.report import provenance, write_json

__all__ = ["ARRAYS", "CONVERT", "DEQUANTIZE", "PAIRWISE_FORMATS", "QUANTIZE", "configuration", "main", "rows"]

PAIRWISE_FORMATS = ("bfp4x64", "bfp8x64", *FORMATS)

# The options of each direction and their values; "sr inside" draws its words in the unit.
QUANTIZE: dict[str, Sequence[str]] = {
    "format": PAIRWISE_FORMATS,
    "rounding": (*Rounding, "sr inside"),
    "source": tuple(FLOATS),
    "scale_rule": tuple(ScaleRule),
    "transfer": ("block", "lanes"),
    "pipeline": ("1", "0", "3"),
}
DEQUANTIZE: dict[str, Sequence[str]] = {
    "format": PAIRWISE_FORMATS,
    "target": tuple(FLOATS),
    "transfer": ("block", "lanes"),
    "pipeline": ("1", "0", "3"),
}
# From block to block: within the families and between them, to fewer bits and to more.
CONVERT: dict[str, Sequence[str]] = {
    "formats": (
        "mx6 to mx9", "mx4 to mx9", "mx9 to mx6", "mx9 to mx4", "mx6 to mx4", "mx9 to msfp16", "msfp12 to mx6",
        "msfp16 to msfp12", "bfp4x64 to bfp8x64", "bfp8x64 to bfp4x64", "mxfp4 to mxfp8_e4m3", "mxfp8_e4m3 to mxfp4",
        "mxfp8_e5m2 to mxfp8_e4m3", "mxfp6_e2m3 to mxint8", "mxint8 to mxfp6_e3m2", "bm_e4m3x48 to bm_e2m1x48",
        "mx_m3_k8_4_d6_2 to mxfp4x8", "bfp8x32 to mxfp4",
    ),
    "rounding": ("rne", "rna", "rtz"),
    "scale_rule": tuple(ScaleRule),
    "pipeline": ("1", "0", "4"),
}  # fmt: skip
ARRAYS = {"quantize": QUANTIZE, "dequantize": DEQUANTIZE, "convert": CONVERT}


def rows(unit: str) -> list[Row]:
    """The array of a direction; the first rows are the defaults of every format."""
    factors = ARRAYS[unit]
    default = {name: str(values[0]) for name, values in factors.items()}
    first = next(iter(factors))
    return covering_array(factors, [default | {first: name} for name in factors[first]])


def configuration(unit: str, row: Row) -> UnitConfig:
    """The unit of a row. In lanes, a block takes a few transfers and pairs stay together.

    From block to block, what is exact is converted in that mode unless the rounding is another.
    """
    options: dict[str, Any] = {"unit": unit, **row}
    options["pipeline"] = int(options["pipeline"])
    if "formats" in options:
        options["format"], options["to"] = options.pop("formats").split(" to ")
        formats = get_format(options["format"]), get_format(options["to"])
        loss = conversion_loss(*formats, ScaleRule(options["scale_rule"]))
        options["inexact"] = "round" if loss or options["rounding"] != "rne" else "refuse"
    if options.pop("transfer", "block") == "lanes":
        fmt = get_format(row["format"])
        options["lanes"] = max(fmt.block // 4, fmt.subblock)
    if options.get("rounding") == "sr inside":
        options |= {"rounding": Rounding.SR.value, "random": "xorshift"}
    return make_config(**options)


def units() -> list[UnitConfig]:
    """The units of all arrays, in order, each once."""
    made = [configuration(unit, row) for unit in ARRAYS for row in rows(unit)]
    return list(dict.fromkeys(made))


def _check(config: UnitConfig, vectors: int, seed: int) -> CheckRecord:
    verilog, manifest = emitted(config)
    command = config.command().replace("hdl.generate", "tb.simulate")
    return check(Manifest.from_dict(manifest), verilog, vectors=vectors, seed=seed, optimize=False, command=command)


def _results(chosen: Sequence[UnitConfig], vectors: int, seed: int, jobs: int) -> Iterator[CheckRecord]:
    if jobs == 1:
        yield from (_check(config, vectors, seed) for config in chosen)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_check, config, vectors, seed) for config in chosen]):
            yield done.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    parser = command_parser("tb.pairwise", __doc__)
    parser.add_argument("--list", action="store_true", help="list the units and stop")
    parser.add_argument("--unit", choices=list(ARRAYS), help="only this direction")
    named = dict.fromkeys(config.to_dict()["format"] for config in units())
    parser.add_argument("--format", choices=named, metavar="NAME", help="only this format (of what comes in)")
    add_number(parser, "--vectors", about="transfers into a unit", default=8000, low=1)
    add_number(parser, "--seed", about="of all random data", default=1, metavar="S")
    add_number(parser, "-j", "--jobs", about="units at a time", default=1, low=1, metavar="J")
    parser.add_argument(
        "--write", action="store_true", help="write the documentation and the generator's list, and stop"
    )
    add_record(parser)
    options = parser.parse_args(words)
    chosen = [
        config
        for config in units()
        if options.unit in (None, config.unit) and options.format in (None, config.to_dict()["format"])
    ]
    if options.list:
        for config in chosen:
            print(config.command().removeprefix("python -m hdl.generate "))
        print(f"{len(chosen)} units", file=sys.stderr)
        return 0
    if options.write:
        from tb.verified import write_all

        write_all()
        return 0
    say = speaker(options.quiet)
    records = []
    for record in _results(chosen, options.vectors, options.seed, options.jobs):
        records.append(record)
        if record.failure:
            print(f"{record.top}: {record.failure}\nto repeat it: {record.command}", file=sys.stderr)
        else:
            say(f"[{len(records)}/{len(chosen)}] pass  {record.top}: {record.vectors:,} vectors")
    failed = sum(not record.passed for record in records)
    if options.json:
        head = {"schema": "narrowgauge-pairwise-1", **provenance(spelt("tb.pairwise", words))}
        entries = sorted((json.loads(json.dumps(asdict(r))) for r in records), key=lambda entry: entry["top"])
        write_json(options.json, head | {"seed": options.seed, "units": entries})
    total = sum(record.vectors for record in records)
    print(f"{len(records) - failed} passed, {failed} failed; {total:,} vectors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
