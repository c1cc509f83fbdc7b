"""The rows of the density table: complete dot-product units, part by part, and the FP32 unit of the same products."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from golden.catalog import get_format
from synth.density.model import PEER_FP32, PUBLISHED, component_gain, paper_gain

__all__ = ["CONVERTERS", "ROWS", "Row", "block_parts", "entry", "float_parts", "gains", "measure_row", "total"]

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
        parts["fp32"] = float_parts("fp32", row.block, pricer)
        parts["own"] = float_parts("bf16", row.block, pricer) if row.format is None else block_parts(row, pricer)
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


def entry(role: str, count: int, price: Any) -> Record:
    """A part as the records have it: so many of them, at that price."""
    return {"role": role, "count": count} | price.to_dict()


def float_parts(name: str, block: int, pricer: Any) -> list[Record]:
    """The paper's recipe for a unit of scalar floats."""
    from hdl.layouts import float_layout
    from hdl.registry import make_config
    from synth.density.parts import Accumulator, Activation

    plain = {"float": name, "ports": "plain"}
    layout = float_layout(name)
    return [
        entry("multiply", block, pricer.unit(make_config("float_multiply", **plain))),
        entry("add", block - 1, pricer.unit(make_config("float_add", **plain))),
        entry("accumulate", 1, pricer.part(f"accumulator_{name}", partial(Accumulator, layout), f"{name} accumulator")),
        entry("activate", 1, pricer.part(f"activation_{name}", partial(Activation, layout), f"{name} ReLU")),
    ]


def block_parts(row: Row, pricer: Any) -> list[Record]:
    """Core, conversion, accumulator, activation, and what may count as the converter."""
    from synth.density.parts import Accumulator, Activation, SumToFloat

    fmt = get_format(row.format or "")
    return [
        entry("core", 1, pricer.core(fmt)),
        entry(
            "to FP32",
            1,
            pricer.part(f"sum_to_float_{fmt.name}", partial(SumToFloat, fmt, fmt), f"{fmt.name} sum to FP32"),
        ),
        entry("accumulate", 1, pricer.part("accumulator_fp32", Accumulator, "fp32 accumulator")),
        entry("activate", 1, pricer.part("activation_fp32", Activation, "fp32 ReLU")),
        entry("converter, one lane", 1, pricer.value_converter(fmt)),
        entry("converter, all lanes", 1, pricer.block_converter(fmt, "fp32")),
        entry("converter, all lanes, flushed", 1, pricer.block_converter(fmt, "fp32", flush=True)),
        entry("converter, all lanes, BF16", 1, pricer.block_converter(fmt, "bf16")),
        entry("buffer", 1, _buffer(fmt)),
    ]


def _buffer(fmt: Any) -> Any:
    from synth.density.price import Price, buffer_transistors

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
    fp32 = total(parts["fp32"])
    own = {part["role"]: part["transistors"] * part["count"] for part in parts["own"]}
    if "core" not in own:
        return {"plain": fp32 / total(parts["own"])}
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


def total(parts: Sequence[Record]) -> int:
    """Transistors of all parts."""
    return sum(part["transistors"] * part["count"] for part in parts)
