"""The bench of the float units: their models, their batches, and `python -m tb.floats`, which runs a core in bulk.

    python -m hdl.generate --unit float_multiply --float fp16 --ports plain -o out
    python -m tb.floats out/float_multiply_fp16_plain.json out/float_multiply_fp16_plain.v

compares a combinational core with golden.floats: on every pair of codes of a float of 8 bits (every triple, if
`--vectors` is enough); every code of one of up
to 16 bits with every corner; all pairs of corners and random operands of any other, a million rows or more. The Verilog
may be anything with the core's ports, such as a synthesised netlist.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import floats
from golden.catalog import get_float
from golden.formats import FloatFormat
from tb.batches import Batch, Config, stitch
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.manifest import Manifest, ManifestError
from tb.testpoints import Need, Point
from tb.toolchain import ToolError, find_verilator

__all__ = [
    "FLOAT_MODELS",
    "FLOAT_UNIT_POINTS",
    "FloatRecord",
    "FloatView",
    "check_core",
    "corner_codes",
    "float_batch",
    "float_corners",
    "main",
]

Columns = dict[str, NDArray[Any]]
Rng = np.random.Generator

_OPERANDS = {"float_multiply": "ab", "float_add": "ab", "float_fma": "abc", "float_dot": "ab"}
_CHUNK = 1 << 16


def corner_codes(fmt: FloatFormat) -> NDArray[Any]:
    """Codes where something changes, of both signs: zero, ends of the subnormals and binades, one, infinity, NaN."""
    ulp, one = 1 << fmt.fraction_bits, fmt.bias << fmt.fraction_bits
    low = [0, 1, 2, 3, ulp // 2, ulp - 1, ulp, ulp + 1, 2 * ulp - 1, 2 * ulp]
    mid = [one + d for d in (-ulp, -2, -1, 0, 1, 2, ulp - 1, ulp, ulp // 2, ulp // 2 + 1)]
    mid += [one - (fmt.fraction_bits + k) * ulp for k in (0, 1, 2)] + [
        one + (fmt.fraction_bits + k) * ulp for k in (0, 1)
    ]
    high = [fmt.infinity - ulp, fmt.infinity - 1, fmt.infinity, fmt.infinity + 1, fmt.nan, fmt.sign - 1]
    codes = np.array(sorted({c for c in [*low, *mid, *high] if 0 <= c < fmt.sign}))
    return np.concatenate([codes, codes + fmt.sign]).astype(floats.float_dtype(fmt))


def _codes(fmt: FloatFormat, shape: tuple[int, ...], rng: Rng) -> NDArray[Any]:
    """Any code, or of few significant bits, or a corner."""
    kind = rng.integers(0, 8, shape)
    codes = rng.integers(0, 1 << fmt.bits, shape)
    keep = rng.integers(0, fmt.fraction_bits + 1, shape)
    short = codes >> keep << keep
    corners = corner_codes(fmt)
    picked = corners[rng.integers(0, len(corners), shape)]
    return np.where(kind == 0, picked, np.where(kind < 4, short, codes)).astype(floats.float_dtype(fmt))


def _near(codes: NDArray[Any], fmt: FloatFormat, rng: Rng) -> NDArray[Any]:
    """Other codes a few binades away, or a few codes: sums that cancel and shifts of every distance."""
    reach = fmt.fraction_bits + 3
    moved = codes.astype(np.int64) + (rng.integers(-reach, reach + 1, codes.shape) << fmt.fraction_bits)
    moved ^= np.where(rng.integers(0, 2, codes.shape), rng.integers(0, 1 << fmt.fraction_bits, codes.shape), 0)
    few = codes.astype(np.int64) + rng.integers(-2, 3, codes.shape)
    found = np.where(rng.integers(0, 3, codes.shape), moved, few) & fmt.sign - 1
    return (found | rng.integers(0, 2, codes.shape) * fmt.sign).astype(codes.dtype)


def _balanced(codes: NDArray[Any], fmt: FloatFormat, rng: Rng) -> NDArray[Any]:
    """Factors whose exponents and these codes' add up to little more or less than the lowest or highest of a number."""
    field = codes.astype(np.int64) >> fmt.fraction_bits & (1 << fmt.exponent_bits) - 1
    ends = np.where(
        rng.integers(0, 2, codes.shape), fmt.bias - fmt.fraction_bits, fmt.bias + (1 << fmt.exponent_bits) - 2
    )
    wanted = ends - field + rng.integers(-3, fmt.fraction_bits + 3, codes.shape)
    wanted = np.clip(wanted, 0, (1 << fmt.exponent_bits) - 2) << fmt.fraction_bits
    low = rng.integers(0, 1 << fmt.fraction_bits, codes.shape) | rng.integers(0, 2, codes.shape) * fmt.sign
    return (wanted | low).astype(codes.dtype)


def float_batch(config: Config, count: int, rng: Rng) -> Columns:
    """Random rows: operands of every kind, partners near each other or near the ends of the range."""
    fmt = get_float(config["float"])
    if config["unit"] == "float_accumulate":
        values = _codes(fmt, (count,), rng)
        values = np.where(rng.random(count) < 0.7, _near(np.roll(values, 1), fmt, rng), values)
        numbers = (values & (fmt.sign - 1)) < fmt.infinity
        values = np.where(numbers | (rng.random(count) < 0.1), values, values & (fmt.infinity >> 1))
        first = (rng.random(count) < 0.15).astype(np.uint8)
        first[:1] = 1
        return {"value": values, "first": first}
    shape = (count, config["length"]) if config["unit"] == "float_dot" else (count,)
    a = _codes(fmt, shape, rng)
    partner = rng.integers(0, 3, count).reshape(count, *[1] * (len(shape) - 1))
    b = np.choose(partner, [_codes(fmt, shape, rng), _near(a, fmt, rng), _balanced(a, fmt, rng)])
    if config["unit"] == "float_dot":
        # A second half that takes back most of the first, without the specials that end every sum in NaN.
        half = config["length"] // 2
        tame = rng.random((count, 1)) < 0.8
        a, b = (np.where(tame & ((x & (fmt.sign - 1)) >= fmt.infinity), x & 3, x).astype(a.dtype) for x in (a, b))
        back = rng.random(count) < 0.3
        a[back, half : 2 * half] = a[back, :half] ^ rng.integers(0, 2, (back.sum(), half), a.dtype)
        b[back, half : 2 * half] = b[back, :half] ^ fmt.sign
        return {"a": a, "b": b}
    if config["unit"] != "float_fma":
        return {"a": a, "b": b}
    product = floats.multiply(a, b, fmt)
    c = np.choose(rng.integers(0, 3, count), [_codes(fmt, shape, rng), _near(product, fmt, rng), product ^ fmt.sign])
    return {"a": a, "b": b, "c": c}


def float_corners(config: Config, rng: Rng) -> Columns:
    """All pairs of corners (of three operands a large draw of all triples), then random rows."""
    fmt, unit = get_float(config["float"]), config["unit"]
    corners = corner_codes(fmt)
    random = float_batch(config, 3000, rng)
    if unit == "float_accumulate":
        pairs = np.stack(np.meshgrid(corners, corners), axis=-1).reshape(-1)
        return stitch([{"value": pairs, "first": np.tile(np.array([1, 0], np.uint8), len(corners) ** 2)}, random])
    a, b = (grid.ravel() for grid in np.meshgrid(corners, corners))
    directed = {"a": a, "b": b}
    if unit == "float_dot":
        n = config["length"]
        order = rng.permutation(len(a) * n)[: len(a) // n * n]
        alike = {name: np.repeat(codes[:, np.newaxis], n, axis=1) for name, codes in directed.items()}
        directed = stitch([alike, {k: codes[order % len(a)].reshape(-1, n) for k, codes in directed.items()}])
    if unit == "float_fma":
        directed = {name: np.tile(codes, 8) for name, codes in directed.items()}
        directed["c"] = rng.choice(corners, len(directed["a"]))
    return stitch([directed, random])


def _core_model(config: Config, inputs: Batch) -> Columns:
    fmt, operands = get_float(config["float"]), [inputs[name] for name in _OPERANDS[config["unit"]]]
    name = config["unit"].removeprefix("float_")
    if name == "dot" and config["rounded"] == "once":
        name = "dot_fused"
    function = getattr(floats, name)
    return {"value": function(*operands, fmt)}


def _accumulate_model(config: Config, inputs: Batch) -> Columns:
    return {"value": floats.accumulate(inputs["value"], inputs["first"], get_float(config["float"]))}


FLOAT_MODELS: dict[str, Callable[[Config, Any], Columns]] = {
    **dict.fromkeys(_OPERANDS, _core_model),
    "float_accumulate": _accumulate_model,
}


class FloatView:
    """Facts about a batch of a stream unit: which operands and results are what, per transfer."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        fmt = get_float(config["float"])
        names = _OPERANDS.get(config["unit"], ("value",))
        operands = [np.asarray(inputs[name]).astype(np.int64).reshape(len(inputs[name]), -1) for name in names]
        codes = np.concatenate(operands, axis=1) & fmt.sign - 1
        self.result = outputs["value"].astype(np.int64)
        magnitude, least = self.result & fmt.sign - 1, 1 << fmt.fraction_bits
        self.infinite = ((codes == fmt.infinity) & (fmt.infinity != fmt.nan)).any(axis=1)
        self.nan = (codes == fmt.nan if fmt.finite else codes > fmt.infinity).any(axis=1)
        self.subnormal = ((codes > 0) & (codes < least)).any(axis=1)
        self.numbers = ~self.infinite & ~self.nan
        self.zero, self.tiny = magnitude == 0, (magnitude > 0) & (magnitude < least)
        self.negative_zero, self.overflow = self.result == fmt.sign, magnitude == fmt.infinity
        self.invalid = ~self.nan & (self.result == fmt.nan)


_INFINITIES = Need("infinities", lambda config: not get_float(config["float"]).finite, meaning=True)
_LOOP = Need("one operation, not a sum of many", lambda config: config["unit"] != "float_accumulate", meaning=True)

FLOAT_UNIT_POINTS = [
    Point("subnormal operand", lambda v: v.subnormal),
    Point("subnormal result", lambda v: v.tiny),
    Point("subnormal operand, larger result", lambda v: v.subnormal & v.numbers & ~v.tiny & ~v.zero),
    Point("zero result", lambda v: v.numbers & v.zero),
    Point("negative zero as result", lambda v: v.negative_zero, (_LOOP,)),
    Point("overflow of numbers", lambda v: v.numbers & v.overflow),
    Point("infinite operand", lambda v: v.infinite & ~v.nan, (_INFINITIES,)),
    Point("invalid operation", lambda v: v.infinite & v.invalid, (_INFINITIES,)),
    Point("NaN operand", lambda v: v.nan),
]


@dataclass
class FloatRecord:
    """What was run and whether every bit agreed; `failure` is empty if passed."""

    schema: str
    command: str
    top: str
    config: dict[str, Any]
    seed: int
    versions: dict[str, str]
    vectors: int = 0
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    failure: str = ""
    passed: bool = False


def _chunks(config: Config, vectors: int, seed: int) -> Iterator[Columns]:
    """Corners; then all pairs of 8-bit codes, or every 16-bit code by each corner; then random rows up to `vectors`."""
    fmt = get_float(config["float"])
    rng = np.random.default_rng([seed, 0])
    yield float_corners(config, rng)
    made = 0
    if config["unit"] in ("float_multiply", "float_add") and fmt.bits <= 16:
        every = np.arange(1 << fmt.bits).astype(floats.float_dtype(fmt))
        for partner in every if fmt.bits <= 8 else corner_codes(fmt):
            other = np.full_like(every, partner)
            yield {"a": every, "b": other}
            made += len(every)
            if fmt.bits > 8:
                yield {"a": other, "b": every}
                made += len(every)
    if config["unit"] == "float_fma" and fmt.bits <= 8 and vectors >= 1 << 3 * fmt.bits:
        every = np.arange(1 << fmt.bits, dtype=np.uint8)
        a, b = (grid.ravel() for grid in np.meshgrid(every, every))
        for c in every:
            yield {"a": a, "b": b, "c": np.full_like(a, c)}
            made += len(a)
    number = 0
    while made < vectors:
        number += 1
        count = min(_CHUNK, vectors - made)
        yield float_batch(config, count, np.random.default_rng([seed, number]))
        made += count


def check_core(
    manifest: Manifest,
    verilog: str,
    *,
    vectors: int = 1_000_000,
    seed: int = 1,
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> FloatRecord:
    """At least `vectors` rows through a core with plain ports; stops at the first wrong value."""
    model = build_bulk(verilog, manifest, optimize=vectors > 200_000)
    versions = {"verilator": find_verilator().version, "numpy": np.__version__}
    record = FloatRecord("narrowgauge-floats-1", command, model.top, manifest.config, seed, versions)
    record.build_seconds = round(model.seconds, 3)
    shown = time.monotonic()
    with Bulk(model) as unit:
        for batch in _chunks(manifest.config, vectors, seed):
            start = time.perf_counter()
            got = unit.evaluate(batch)["value"]
            record.run_seconds += time.perf_counter() - start
            golden = FLOAT_MODELS[manifest.config["unit"]](manifest.config, batch)["value"]
            if wrong := int((golden != got).sum()):
                at = int(np.argmax(golden != got))
                row = ", ".join(f"{name} {_hex(codes[at])}" for name, codes in batch.items())
                record.failure = f"{wrong} of {len(got)} values differ, first at {row}: expected {_hex(golden[at])}"
                record.failure += f", got {_hex(got[at])}"
                break
            record.vectors += len(got)
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                progress(f"{model.top}: {record.vectors:,} values agree")
    record.run_seconds = round(record.run_seconds, 3)
    record.passed = not record.failure
    return record


def _hex(codes: Any) -> str:
    return " ".join(f"{int(code):#x}" for code in np.ravel(codes))


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    parser = argparse.ArgumentParser(prog="python -m tb.floats", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("manifest", type=Path, metavar="MANIFEST.json", help="manifest of a core with plain ports")
    parser.add_argument("verilog", type=Path, metavar="VERILOG.v", help="Verilog with its ports")
    parser.add_argument("--vectors", type=int, default=1_000_000, metavar="N", help="rows at least (default 1000000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the random rows (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    options = parser.parse_args(arguments)
    for flag, number, least in (("--vectors", options.vectors, 1), ("--seed", options.seed, 0)):
        if number < least:
            parser.error(f"{flag} {number}: at least {least}")
    command = f"python -m tb.floats {options.manifest.name} {options.verilog.name}"
    command += f" --vectors {options.vectors} --seed {options.seed}"

    def progress(text: str) -> None:
        if not options.quiet:
            print(text, file=sys.stderr)

    try:
        manifest = Manifest.load(options.manifest)
        verilog = options.verilog.read_text(encoding="utf-8")
    except (ManifestError, OSError) as error:
        parser.error(str(error))
    if manifest.config.get("unit") not in _OPERANDS or manifest.clock:
        parser.error(f"{options.manifest}: a float unit with --ports plain wanted; others: python -m tb.bulk")
    try:
        facts = {"vectors": options.vectors, "seed": options.seed}
        record = check_core(manifest, verilog, **facts, command=command, progress=progress)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        options.json.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    verdict = f"{record.vectors:,} values agree" if record.passed else f"MISMATCH, {record.failure}\nrerun: {command}"
    print(f"{record.top}: {verdict}")
    return 0 if record.passed else 1


if __name__ == "__main__":
    sys.exit(main())
