"""Arithmetic density: complete dot-product units against FP32, part by part: `python -m synth.density`.

The HBFP paper's recipe: an FP32 unit is N multipliers, N - 1 adders, an accumulator and an activation, each part
synthesised once. Ours is a dot-product core, exponents and rounding to FP32, the same accumulator and activation, and
an output converter. Figures are transistors of logic in one flow, flip-flops and handshakes apart on both sides.

The table goes to stdout, progress to stderr. Exit status: 0 done; 2 a wrong option; 3 a tool or a figure is missing.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from golden.catalog import get_format
from hdl.cli import Parser
from hdl.yosys import Engine, find_engine
from synth.command import add_outputs, check_names, check_outputs, run_command, speaker, table_writer
from synth.density_model import PEER_FP32, PUBLISHED, component_gain, paper_gain

__all__ = ["ROWS", "SCHEMA", "Row", "gains", "main", "measure_row"]

SCHEMA = "narrowgauge-density-1"

Record = dict[str, Any]
# Roles that are not part of the bare unit.
CONVERTERS = (
    "converter, one lane",
    "converter, all lanes",
    "converter, all lanes, flushed",
    "converter, all lanes, BF16",
    "buffer",
)
_PAPER_BLOCKS = (16, 25, 36, 49, 64, 256, 576)


@dataclass(frozen=True, slots=True)
class Row:
    """One unit: `name` as its paper has it, our format (None: scalar BF16), the number of products it sums."""

    name: str
    format: str | None
    block: int

    @property
    def label(self) -> str:
        """On the command line and in the picture."""
        return f"{self.name}x{self.block}"

    @property
    def mantissa_bits(self) -> int:
        """Of an integer element, sign included; 0 of a float."""
        element = None if self.format is None else get_format(self.format).element
        return 0 if element is None or element.is_float else element.bits


ROWS: Mapping[str, Row] = {
    row.label: row
    for row in (
        *(Row(f"HBFP{m}", f"bfp{m}x{n}", n) for m in (4, 6) for n in _PAPER_BLOCKS),
        Row("HBFP8", "bfp8x576", 576),
        Row("BF16", None, 64),
        *(Row(name.upper(), name, 16) for name in ("mx9", "mx6", "mx4")),
        *(
            Row(name.upper().replace("_", " "), name, 32)
            for name in ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp4", "mxint8")
        ),
    )
}


def measure_row(row: Row, pricer: Any) -> Record:
    """The parts of a unit and of the FP32 unit it is compared with; prices None where the synthesis took too long."""
    parts: dict[str, list[Record]] = {}
    status = "ok"
    try:
        parts["fp32"] = _float_parts("fp32", row.block, pricer)
        parts["own"] = _float_parts("bf16", row.block, pricer) if row.format is None else _block_parts(row, pricer)
    except (TimeoutError, RuntimeError) as error:
        status = str(error)
    integers = row.name.startswith("HBFP")
    modelled = integers or row.format is None
    return {
        "name": row.name,
        "block": row.block,
        "format": row.format or "bf16",
        "status": status,
        "parts": parts,
        "gain": gains(parts) if status == "ok" else {},
        "gain_over_peer": gains(parts | {"fp32": _peer_parts(parts["fp32"])}) if status == "ok" else {},
        "published": PUBLISHED.get((row.name, row.block)),
        "paper_model": paper_gain(row.mantissa_bits - 1, row.block) if integers else None,
        "component_model": component_gain(row.name, row.mantissa_bits, row.block) if modelled else None,
    }


def _peer_parts(parts: Sequence[Record]) -> list[Record]:
    """The FP32 unit with the public library's multiplier and adder in place of ours."""
    return [part | {"transistors": PEER_FP32.get(part["role"], part["transistors"])} for part in parts]


def _part(role: str, count: int, price: Any) -> Record:
    return {"role": role, "count": count} | price.to_dict()


def _float_parts(name: str, block: int, pricer: Any) -> list[Record]:
    """The paper's recipe for a unit of scalar floats."""
    from hdl.layouts import float_layout
    from hdl.registry import make_config
    from synth.density_parts import Accumulator, Activation

    plain = {"float": name, "ports": "plain"}
    layout = float_layout(name)
    return [
        _part("multiply", block, pricer.unit(make_config("float_multiply", **plain))),
        _part("add", block - 1, pricer.unit(make_config("float_add", **plain))),
        _part("accumulate", 1, pricer.part(f"accumulator_{name}", partial(Accumulator, layout), f"{name} accumulator")),
        _part("activate", 1, pricer.part(f"activation_{name}", partial(Activation, layout), f"{name} ReLU")),
    ]


def _block_parts(row: Row, pricer: Any) -> list[Record]:
    from hdl.registry import make_config
    from synth.density_parts import Accumulator, Activation, SumToFloat

    fmt = get_format(row.format or "")
    core = pricer.unit(make_config("dot_core", format=fmt.name), checked=row.block <= 64)
    return [
        _part("core", 1, core),
        _part(
            "to FP32",
            1,
            pricer.part(f"sum_to_float_{fmt.name}", partial(SumToFloat, fmt, fmt), f"{fmt.name} sum to FP32"),
        ),
        _part("accumulate", 1, pricer.part("accumulator_fp32", Accumulator, "fp32 accumulator")),
        _part("activate", 1, pricer.part("activation_fp32", Activation, "fp32 ReLU")),
        _part("converter, one lane", 1, pricer.value_converter(fmt)),
        _part("converter, all lanes", 1, pricer.block_converter(fmt, "fp32")),
        _part("converter, all lanes, flushed", 1, pricer.block_converter(fmt, "fp32", flush=True)),
        _part("converter, all lanes, BF16", 1, pricer.block_converter(fmt, "bf16")),
        _part("buffer", 1, _buffer(fmt)),
    ]


def _buffer(fmt: Any) -> Any:
    from synth.density_price import Price, buffer_transistors

    return Price(buffer_transistors(fmt), "arithmetic", "flip-flops with enable for the FP32 values of a block")


def gains(parts: Mapping[str, Sequence[Record]]) -> dict[str, float]:
    """FP32 unit over ours, by what is counted as the converter.

    matched     one lane: a unit makes one result in the time that its converter takes for it
    buffered    the same with the buffer in which a block's results wait, as flip-flops
    parallel    one converter with a lane per value
    parallel_flushed  the same, subnormals flushed: `--subnormals flush`
    parallel_bf16  the same of BF16 values, as the papers' public model has it
    operands    three of those: both operands' too
    """
    fp32 = _total(parts["fp32"])
    own = {part["role"]: part["transistors"] * part["count"] for part in parts["own"]}
    if "core" not in own:
        return {"plain": fp32 / _total(parts["own"])}
    lane, lanes, flushed, bf16, buffer = (own.pop(name) for name in CONVERTERS)
    bare = sum(own.values())
    return {
        "bare": fp32 / bare,
        "matched": fp32 / (bare + lane),
        "buffered": fp32 / (bare + lane + buffer),
        "parallel": fp32 / (bare + lanes),
        "parallel_flushed": fp32 / (bare + flushed),
        "parallel_bf16": fp32 / (bare + bf16),
        "operands": fp32 / (bare + 3 * lanes),
    }


def _total(parts: Sequence[Record]) -> int:
    return sum(part["transistors"] * part["count"] for part in parts)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    return run_command(lambda: _run(_parse(words)), verbose="-v" in words)


def _parse(words: Sequence[str]) -> Namespace:
    parser = Parser(prog="python -m synth.density", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="ROW", help=f"of {', '.join(ROWS)}; repeatable")
    add_outputs(parser)
    options = parser.parse_args(list(words))
    check_names("--only", options.only or (), ROWS)
    check_outputs(options)
    return options


def _run(options: Namespace) -> int:
    from synth.density_price import Pricer
    from synth.density_report import draw, render

    engine = find_engine()
    write = table_writer(options.docs, "python -m synth.density --docs docs/density.md") if options.docs else None
    pricer = Pricer(engine, options.timeout, speaker(options.quiet))
    records = [measure_row(ROWS[name], pricer) for name in options.only or ROWS]
    print(render(records))
    if options.json:
        command = " ".join(["python -m synth.density", *(f"--only {name}" for name in options.only or ())])
        options.json.write_text(json.dumps(_document(command, engine, records), indent=1) + "\n")
    if write:
        write(render(records))
    if options.plot:
        draw(records, options.plot)
    return 3 if any(record["status"] != "ok" for record in records) else 0


def _document(command: str, engine: Engine, records: Sequence[Record]) -> Record:
    from hdl.emit import project_version
    from synth.flows import TARGETS

    return {
        "schema": SCHEMA,
        "command": command,
        "versions": {"narrowgauge": project_version(), "yosys": engine.name},
        "scripts": {"cmos": {"sha256": TARGETS["cmos"].sha256, "commands": TARGETS["cmos"].script}},
        "records": records,
    }


if __name__ == "__main__":
    sys.exit(main())
