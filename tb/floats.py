"""Compares the Verilog of a float core with the golden model: `python -m tb.floats MANIFEST.json VERILOG.v`.

    python -m hdl.generate --unit float_multiply --float fp16 --ports plain -o out
    python -m tb.floats out/float_multiply_fp16_core.json out/float_multiply_fp16_core.v

A core has plain ports and no clock. It runs on all pairs of corners and random operands; multipliers and adders of up
to 8 bits also on every pair of codes, of up to 16 bits on every code with every corner; a fused multiply-add of up to
8 bits on every triple, if `--vectors` is enough. The Verilog may be anything with the core's ports, such as a netlist.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import floats
from golden.catalog import get_float
from tb.check_file import check_file
from tb.manifest import Manifest
from tb.models_floats import FLOAT_MODELS, FLOAT_OPERANDS
from tb.ports import Batch
from tb.rows import check_rows
from tb.stimulus_floats import corner_codes, float_batch, float_corners

__all__ = ["main"]

_CHUNK = 1 << 16  # rows at once


def _golden(manifest: Manifest, batch: Batch) -> NDArray[Any]:
    return FLOAT_MODELS[manifest.config["unit"]](manifest.config, batch)["value"]


def _batches(manifest: Manifest, vectors: int, seed: int) -> Iterator[Batch]:
    """Corners; then all pairs of 8-bit codes, or every 16-bit code by each corner; then random rows up to `vectors`."""
    config = manifest.config
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


def _not_a_core(manifest: Manifest) -> str:
    if manifest.config.get("unit") in FLOAT_OPERANDS and not manifest.clock:
        return ""
    return "a float unit with --ports plain wanted; others: python -m tb.bulk"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    check = partial(check_rows, "narrowgauge-floats-1", _batches, _golden)
    return check_file("tb.floats", __doc__, check, arguments, counted="values", vectors=1_000_000, refuse=_not_a_core)


if __name__ == "__main__":
    sys.exit(main())
