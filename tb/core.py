"""Compares the Verilog of a dot-product core with the golden model: `python -m tb.core MANIFEST.json VERILOG.v`.

The Verilog may be the core itself, one of another architecture with its ports (`--top` names its module), or a netlist.
A core has no streams: rows of operands go in, one sum each comes out. Every chunk starts with the corners; the rest is
random, each row of one kind: all codes alike, near the largest, near zero, few lanes in use, equal and opposite
operands.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.formats import BlockFormat, ElementEncoding, Specials
from golden.products import block_sums
from hdl.registry import make_config
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.lanes import code_dtype
from tb.manifest import Manifest, ManifestError
from tb.ports import Batch
from tb.toolchain import ToolError, find_verilator

__all__ = ["CoreRecord", "check_core", "core_corners", "core_rows", "core_sums", "main"]

_CHUNK = 1 << 22  # elements of one operand at once


@dataclass
class CoreRecord:
    """What was run and whether every bit agreed; `failure` is empty if passed."""

    schema: str
    command: str
    top: str
    config: dict[str, Any]
    verilog_sha256: str
    seed: int
    versions: dict[str, str]
    vectors: int = 0
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    failure: str = ""
    passed: bool = False


def check_core(
    manifest: Manifest,
    verilog: str,
    *,
    vectors: int = 100_000,
    seed: int = 1,
    top: str | None = None,
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> CoreRecord:
    """At least `vectors` rows through `verilog`, corners first; stops at the first wrong sum."""
    formats = make_config(**manifest.config).operands  # type: ignore[attr-defined]
    model = build_bulk(verilog, manifest, top=top, optimize=vectors > 200_000)
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    versions = {"verilator": find_verilator().version, "numpy": np.__version__}
    record = CoreRecord("narrowgauge-core-1", command, model.top, manifest.config, digest, seed, versions)
    record.build_seconds = round(model.seconds, 3)
    chunk = max(1024, min(100_000, _CHUNK // formats[0].block))
    with Bulk(model) as unit:
        while record.vectors < vectors and not record.failure:
            rng = np.random.default_rng([seed, record.vectors])
            random = core_rows(formats, min(chunk, vectors - record.vectors), rng)
            corners = core_corners(formats)
            batch = {name: np.concatenate([corners[name], codes]) for name, codes in random.items()}
            start = time.perf_counter()
            got = unit.evaluate(batch)["sum"]
            record.run_seconds = round(record.run_seconds + time.perf_counter() - start, 3)
            record.failure = _first_difference(manifest, batch, core_sums(formats, batch), got, record.vectors)
            record.vectors += len(got)
            progress(f"{model.top}: {record.vectors:,} of {vectors:,} sums agree")
    record.passed = not record.failure
    return record


def core_sums(formats: tuple[BlockFormat, BlockFormat], batch: Batch) -> NDArray[Any]:
    """The golden sums of a batch's rows: int64, or Python integers where a sum does not fit."""
    blocks = []
    for name, fmt in zip("ab", formats, strict=True):
        codes, shared = batch[f"{name}.{_elements(fmt)}"], batch.get(f"{name}.microexponent")
        scales = np.full((len(codes), 1), fmt.scale.encode(0), np.int64)
        shared = None if shared is None else shared[:, None, :]
        blocks.append(BlockArray.from_codes(fmt, codes[:, None, :], scales, microexponents=shared))
    sums, _, _ = block_sums(*blocks)
    return sums[:, 0]


def core_corners(formats: tuple[BlockFormat, BlockFormat]) -> Batch:
    """Rows of equal lanes: every pair of extreme codes, and of microexponents at both ends."""
    extremes = [_extremes(fmt) for fmt in formats]
    cases = [(x, y, last) for last in (0, 1) for x in extremes[0] for y in extremes[1]]
    batch: Batch = {}
    for k, (name, fmt) in enumerate(zip("ab", formats, strict=True)):
        codes = np.array([case[k] for case in cases])
        batch[f"{name}.{_elements(fmt)}"] = np.repeat(codes[:, None], fmt.block, axis=1).astype(_dtype(fmt))
        if fmt.microexponents:
            ends = np.array([case[2] * fmt.max_microexponent for case in cases], np.uint8)
            batch[f"{name}.microexponent"] = np.repeat(ends[:, None], fmt.microexponents, axis=1)
    return batch


def core_rows(formats: tuple[BlockFormat, BlockFormat], count: int, rng: np.random.Generator) -> Batch:
    """`count` random rows that hold numbers only; the kinds that the module's docstring lists take turns."""
    batch: Batch = {}
    kind = np.arange(count)[:, None] % 6
    used = rng.random((count, formats[0].block)) < rng.random((count, 1))
    for name, fmt in zip("ab", formats, strict=True):
        extremes = np.array(_extremes(fmt))
        codes = rng.integers(0, 1 << fmt.element.bits, (count, fmt.block))
        edge = extremes[rng.integers(0, len(extremes), codes.shape)]
        codes = np.where(kind == 1, edge, codes)
        codes = np.where((kind == 2) & ~used, 0, codes)
        codes = np.where((kind == 3) & used, edge, codes)
        codes = np.where(kind == 4, codes[:, :1], codes)  # all lanes alike
        lanes = np.arange(fmt.block)[None, :]
        codes = np.where((kind == 5) & (lanes != rng.integers(0, fmt.block, (count, 1))), 0, codes)
        batch[f"{name}.{_elements(fmt)}"] = _numbers(fmt, codes).astype(_dtype(fmt))
        if fmt.microexponents:
            shared = rng.integers(0, 1 << fmt.microexponent_bits, (count, fmt.microexponents))
            batch[f"{name}.microexponent"] = shared.astype(np.uint8)
    return batch


def _numbers(fmt: BlockFormat, codes: NDArray[Any]) -> NDArray[Any]:
    """Codes that are no numbers replaced by the largest of their sign."""
    if fmt.element.specials is Specials.NONE:
        return codes
    sign = 1 << fmt.element.bits - 1
    return np.where((codes & (sign - 1)) > fmt.element.max_code, codes & sign | fmt.element.max_code, codes)


def _extremes(fmt: BlockFormat) -> list[int]:
    """Both zeros, the smallest and the largest of both signs; of two's complement the code below them too."""
    element, sign = fmt.element, 1 << fmt.element.bits - 1
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        return [0, 1, sign - 1, 2 * sign - 1, sign + 1, sign]
    found = [0, sign, 1, sign | 1, element.max_code, sign | element.max_code]
    if element.is_float:  # the largest without and the smallest with the hidden digit
        hidden = 1 << element.mantissa_bits
        found += [hidden - 1, hidden, sign | hidden - 1, sign | hidden]
    return found


def _elements(fmt: BlockFormat) -> str:
    return "element" if fmt.element.is_float else "mantissa"


def _dtype(fmt: BlockFormat) -> np.dtype:
    return code_dtype(fmt.element.bits)


def _first_difference(manifest: Manifest, batch: Batch, golden: NDArray[Any], got: NDArray[Any], number: int) -> str:
    width = manifest.port("sum").width
    wrong = np.array([int(x) & ((1 << width) - 1) for x in golden], got.dtype) != got
    if not wrong.any():
        return ""
    at = int(np.argmax(wrong))
    row = ", ".join(f"{name} {codes[at].tolist()}" for name, codes in batch.items())
    code = int(got[at])
    return (
        f"{int(wrong.sum())} of {len(wrong)} sums differ, first row {number + at}\n  {row}\n"
        f"  expected {int(golden[at])}\n  got      {code - (code >> width - 1 << width)}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    parser = argparse.ArgumentParser(prog="python -m tb.core", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("manifest", type=Path, metavar="MANIFEST.json", help="manifest of the core")
    parser.add_argument("verilog", type=Path, metavar="VERILOG.v", help="Verilog with its ports")
    parser.add_argument("--vectors", type=int, default=100_000, metavar="N", help="rows of operands (default 100000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the random rows (default 1)")
    parser.add_argument("--top", metavar="NAME", help="top module, if not the manifest's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    options = parser.parse_args(arguments)
    for flag, value, least in (("--vectors", options.vectors, 1), ("--seed", options.seed, 0)):
        if value < least:
            parser.error(f"{flag} {value}: at least {least}")
    command = f"python -m tb.core {options.manifest.name} {options.verilog.name}"
    command += f" --vectors {options.vectors} --seed {options.seed}" + (f" --top {options.top}" if options.top else "")
    try:
        manifest = Manifest.load(options.manifest)
        verilog = options.verilog.read_text(encoding="utf-8")
    except (ManifestError, OSError) as error:
        parser.error(str(error))
    if manifest.config.get("unit") != "dot_core":
        parser.error(f"{options.manifest}: unit {manifest.config.get('unit')}; this bench is for dot_core")

    def progress(text: str) -> None:
        if not options.quiet:
            print(text, file=sys.stderr)

    facts = {"vectors": options.vectors, "seed": options.seed, "top": options.top}
    try:
        record = check_core(manifest, verilog, **facts, command=command, progress=progress)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        options.json.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    verdict = f"{record.vectors:,} sums agree" if record.passed else f"MISMATCH, {record.failure}\nrerun: {command}"
    print(f"{record.top}: {verdict}")
    return 0 if record.passed else 1


if __name__ == "__main__":
    sys.exit(main())
