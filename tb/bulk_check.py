"""Compares Verilog with the golden model on corners and random vectors: `python -m tb.bulk MANIFEST.json VERILOG.v`.

The Verilog may be the unit itself or anything with its ports, such as a synthesised netlist. Vectors run in chunks,
each from reset, in turn under three regimes, each on an instance with other power-up values; the corners come first,
under all of them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tb.batches import length, rows
from tb.build import build_bulk
from tb.bulk import Bulk, BulkError
from tb.check_file import check_file
from tb.manifest import Manifest, Stream
from tb.models import by_stream, completing, expected
from tb.ports import Batch
from tb.stimulus import corner_batch, random_batch
from tb.toolchain import find_verilator

__all__ = ["REGIMES", "CheckRecord", "check", "first_mismatch", "main", "stalls"]

REGIMES = ("full rate", "stalls on both sides", "slow sink")
STALL = 0.3
INSTANCES = 3
_PROGRESS_SECONDS = 2.0
_NETLIST_BYTES = 200_000


@dataclass
class CheckRecord:
    """What was run and whether every bit agreed; `vectors` counts input transfers, `failure` is empty if passed."""

    schema: str
    command: str
    top: str
    config: dict[str, Any]
    verilog_sha256: str
    unit_sha256: str  # of what the manifest describes
    seed: int
    initial_seeds: list[int]
    stall: float
    versions: dict[str, str]
    vectors: int = 0
    cycles: int = 0
    build_seconds: float = 0.0
    run_seconds: float = 0.0  # in the simulator and packing; stimulus and golden model not counted
    failure: str = ""
    passed: bool = False


def stalls(manifest: Manifest, number: int) -> dict[str, float]:
    """Chance of an idle cycle by stream in the chunk of this number.

    A slow sink pauses for four latencies on average: a unit is then full to its last buffer before it goes on. Of
    several sinks one is slow, in turn, so that it is the one that holds up the unit.
    """
    pause = 1 - 1 / (4 * manifest.latency + 4)
    chances = {"full rate": (0.0, 0.0), "stalls on both sides": (STALL, STALL), "slow sink": (0.0, pause)}
    source, sink = chances[REGIMES[number % len(REGIMES)]]
    found = {stream.name: source for stream in manifest.inputs} | {stream.name: sink for stream in manifest.outputs}
    if sink == pause:
        slow = manifest.outputs[number // len(REGIMES) % len(manifest.outputs)]
        found |= {stream.name: 0.0 for stream in manifest.outputs if stream != slow}
    return found


def check(
    manifest: Manifest,
    verilog: str,
    *,
    vectors: int = 100_000,
    seed: int = 1,
    top: str | None = None,
    optimize: bool | None = None,
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> CheckRecord:
    """At least `vectors` input transfers through `verilog`, corners first; stops at the first wrong bit.

    optimize  compile at -O2; None decides by the size of the job: a netlist of gates (7000 cells: 15 s to compile at
              -O2, 5 s at -O0, and then 40,000 vectors a second) does without
    """
    if optimize is None:
        optimize = vectors > 20_000 and len(verilog) < _NETLIST_BYTES
    model = build_bulk(verilog, manifest, top=top, optimize=optimize)
    seeds = [seed % (2**31 - 1 - INSTANCES) + 1 + k for k in range(INSTANCES)]
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    record = CheckRecord(
        "narrowgauge-bulk-1",
        command,
        model.top,
        manifest.config,
        digest,
        manifest.sha256,
        seed,
        seeds,
        STALL,
        _versions(),
    )
    record.build_seconds = round(model.seconds, 3)
    units = [Bulk(model, initial_seed=s) for s in seeds]
    chunk = max(1024, min(100_000, (1 << 26) // manifest.inputs[0].payload.width))
    shown, number = time.monotonic(), 0
    while record.vectors < vectors:
        rng = np.random.default_rng([seed, number])
        config, wanted = manifest.config, min(chunk, vectors - record.vectors)
        batch = corner_batch(config, rng) if number < len(REGIMES) else random_batch(config, wanted, rng)
        _run_chunk(units[number % INSTANCES], batch, number, record)
        if record.failure:
            break
        number += 1
        if time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            progress(f"{model.top}: {record.vectors:,} of {vectors:,} vectors agree")
    for unit in units:
        unit.close()
    record.run_seconds = round(record.run_seconds, 3)
    record.passed = not record.failure
    return record


def _run_chunk(unit: Bulk, batch: Batch, number: int, record: CheckRecord) -> None:
    manifest = unit.manifest
    inputs = by_stream([stream.name for stream in manifest.inputs], batch)
    golden = by_stream([stream.name for stream in manifest.outputs], expected(manifest.config, batch))
    unit.reset()
    start = time.perf_counter()
    where = f"seed {record.seed}, chunk {number}, {REGIMES[number % len(REGIMES)]}"
    try:
        counts = {name: length(part) for name, part in golden.items()}
        run = unit.run(inputs, counts, stall=stalls(manifest, number), seed=record.seed + number)
    except BulkError as error:
        record.failure = f"{where}: {error}"
        return
    record.run_seconds += time.perf_counter() - start
    record.cycles += run.cycles
    record.vectors += max(map(length, inputs.values()))
    wrong = first_mismatch(manifest, inputs, golden, run.outputs)
    if wrong:
        record.failure = f"{where}: {wrong}"


def first_mismatch(
    manifest: Manifest, inputs: Mapping[str, Any], golden: Mapping[str, Any], got: Mapping[str, Any]
) -> str:
    """Empty if every bit agrees, else the first wrong output with its input transfer, all fields decoded."""
    for sink in manifest.outputs:
        wrong = np.zeros(length(golden[sink.name]), bool)
        for base, codes in golden[sink.name].items():
            difference = codes != got[sink.name][base]
            wrong |= difference.any(axis=1) if difference.ndim == 2 else difference
        if wrong.any():
            at = int(np.argmax(wrong))
            return (
                f"{int(wrong.sum())} of {len(wrong)} outputs differ, first output {at} of stream {sink.name}\n"
                f"{_cause(manifest, inputs, at)}"
                f"  expected {_text(sink, golden[sink.name], at)}\n  got      {_text(sink, got[sink.name], at)}"
            )
    return ""


def _cause(manifest: Manifest, inputs: Mapping[str, Batch], at: int) -> str:
    """The input transfer that completes an output, where one stream makes one."""
    if len(inputs) > 1:
        return ""
    (source,) = manifest.inputs
    taken = int(completing(manifest.config, inputs[source.name])[at])
    return f"  completed by input {taken}: {_text(source, inputs[source.name], taken)}\n"


def _text(stream: Stream, batch: Batch, index: int) -> str:
    return stream.payload.text(stream.payload.ints(rows(batch, slice(index, index + 1)))[0])


def _versions() -> dict[str, str]:
    return {"verilator": find_verilator().version, "numpy": importlib.metadata.version("numpy")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return check_file("tb.bulk", __doc__, check, arguments, counted="vectors", vectors=100_000, refuse=_without_streams)


def _without_streams(manifest: Manifest) -> str:
    if manifest.inputs and manifest.outputs:
        return ""
    return f"{manifest.top} has no streams; its bench is python -m tb.floats for float units, else tb.core"
