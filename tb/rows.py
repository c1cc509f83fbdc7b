"""Compares a unit with plain ports and no clock with the golden model: rows of operands in, one code each out."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tb.build import build_bulk
from tb.bulk import Bulk
from tb.manifest import Manifest
from tb.ports import Batch, Port
from tb.toolchain import find_verilator

__all__ = ["RowsRecord", "check_rows"]

_PROGRESS_SECONDS = 2.0
_SMALL = 200_000  # rows that a model at -O0 has done before one at -O2 is compiled


@dataclass
class RowsRecord:
    """What was run and whether every bit agreed; `vectors` counts rows, `failure` is empty if passed."""

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


def check_rows(
    schema: str,
    batches: Callable[[Manifest, int, int], Iterable[Batch]],
    golden: Callable[[Manifest, Batch], NDArray[Any]],
    manifest: Manifest,
    verilog: str,
    *,
    vectors: int,
    seed: int = 1,
    top: str | None = None,
    command: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> RowsRecord:
    """At least `vectors` rows through `verilog`; stops at the first batch that has a wrong one.

    `batches` makes the rows from the manifest, `vectors` and `seed`; `golden` gives the codes (n,) that the unit's one
    output should have.
    """
    (output,) = manifest.data_ports("output")
    model = build_bulk(verilog, manifest, top=top, optimize=vectors > _SMALL)
    versions = {"verilator": find_verilator().version, "numpy": np.__version__}
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    record = RowsRecord(schema, command, model.top, manifest.config, digest, seed, versions)
    record.build_seconds = round(model.seconds, 3)
    shown = time.monotonic()
    with Bulk(model) as unit:
        for batch in batches(manifest, vectors, seed):
            start = time.perf_counter()
            got = unit.evaluate(batch)[output.name]
            record.run_seconds += time.perf_counter() - start
            record.failure = _first_difference(manifest, output, batch, golden(manifest, batch), got, record.vectors)
            if record.failure:
                break
            record.vectors += len(got)
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                progress(f"{model.top}: {record.vectors:,} of {vectors:,} rows agree")
    record.run_seconds = round(record.run_seconds, 3)
    record.passed = not record.failure
    return record


def _first_difference(
    manifest: Manifest, output: Port, batch: Batch, golden: NDArray[Any], got: NDArray[Any], done: int
) -> str:
    wrong = golden != got
    if not wrong.any():
        return ""
    at = int(np.argmax(wrong))
    operands = "  ".join(_text(port, batch, at) for port in manifest.data_ports("input"))
    expected, found = (_text(output, {output.name: codes}, at) for codes in (golden, got))
    return (
        f"{int(wrong.sum())} of {len(wrong)} rows differ, first row {done + at}\n  {operands}\n"
        f"  expected {expected}\n  got      {found}"
    )


def _text(port: Port, batch: Batch, at: int) -> str:
    return port.text(port.ints({base: batch[base][at : at + 1] for base in port.groups})[0])
