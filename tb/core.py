"""Compares the Verilog of a dot-product core with the golden model: `python -m tb.core MANIFEST.json VERILOG.v`.

The Verilog may be the core itself, one of another architecture with its ports (`--top` names its module), or a netlist.
A core has no streams: rows of operands go in, one sum each comes out. Every chunk starts with the corners; the rest is
random, each row of one kind: all codes alike, near the largest, near zero, few lanes in use, equal and opposite
operands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.formats import BlockFormat, ElementEncoding, Specials
from golden.products import block_sums
from hdl.registry import make_config
from hdl.units.dot_core import DotCoreConfig
from tb.batches import element_field, length, stitch
from tb.check_file import check_file
from tb.lanes import code_dtype
from tb.manifest import Manifest
from tb.ports import Batch
from tb.rows import check_rows

__all__ = ["check_core", "core_corners", "core_rows", "core_sums", "main"]

_CHUNK = 1 << 22  # elements of one operand at once


def _golden(manifest: Manifest, batch: Batch) -> NDArray[Any]:
    """The sums as they are stored: two's complement of the port's width."""
    sums = manifest.port("sum")
    stored = [int(total) & ((1 << sums.width) - 1) for total in core_sums(_operands(manifest), batch)]
    return np.array(stored, code_dtype(sums.width))


def _operands(manifest: Manifest) -> tuple[BlockFormat, BlockFormat]:
    config = make_config(**manifest.config)
    assert isinstance(config, DotCoreConfig)
    return config.operands


def _batches(manifest: Manifest, vectors: int, seed: int) -> Iterator[Batch]:
    """The corners with as many random rows as stay small, until there are `vectors` rows."""
    formats = _operands(manifest)
    most, made = max(1024, min(100_000, _CHUNK // formats[0].block)), 0
    while made < vectors:
        random = core_rows(formats, min(most, vectors - made), np.random.default_rng([seed, made]))
        batch = stitch([core_corners(formats), random])
        yield batch
        made += length(batch)


check_core = partial(check_rows, "narrowgauge-core-1", _batches, _golden)
"""`check_rows` for dot-product cores: (manifest, verilog, *, vectors, ...) to a record."""


def core_sums(formats: tuple[BlockFormat, BlockFormat], batch: Batch) -> NDArray[Any]:
    """The golden sums of a batch's rows: int64, or Python integers where a sum does not fit."""
    blocks = []
    for name, fmt in zip("ab", formats, strict=True):
        codes, shared = batch[f"{name}.{element_field(fmt)}"], batch.get(f"{name}.microexponent")
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
        batch[f"{name}.{element_field(fmt)}"] = np.repeat(codes[:, None], fmt.block, axis=1).astype(_dtype(fmt))
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
        batch[f"{name}.{element_field(fmt)}"] = _numbers(fmt, codes).astype(_dtype(fmt))
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


def _dtype(fmt: BlockFormat) -> np.dtype:
    return code_dtype(fmt.element.bits)


def _not_a_core(manifest: Manifest) -> str:
    unit = manifest.config.get("unit")
    return "" if unit == "dot_core" else f"unit {unit}; this bench is for dot_core"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return check_file("tb.core", __doc__, check_core, arguments, counted="sums", vectors=100_000, refuse=_not_a_core)


if __name__ == "__main__":
    sys.exit(main())
