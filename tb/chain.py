"""Block arithmetic by Verilated units, chained, side by side with the golden model: any format without a tensor scale.

What the converter gives, bit for bit, is what the dot product takes. Tensors are (rows, K) with blocks along K.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import golden
from golden.blocks import BlockArray
from golden.catalog import get_format
from hdl.registry import make_config
from tb.batches import element_field, scale_field, to_float
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.manifest import Manifest
from tb.regression import emitted

__all__ = ["Arithmetic", "Chain", "Compared", "Difference", "Golden"]

_ROWS = 1 << 16  # transfers at once

Floats = NDArray[np.float32]


class Difference(AssertionError):
    """RTL and golden model disagree; the message names the tensor and the first place."""


class Arithmetic(Protocol):
    """Block arithmetic of one format, by the golden model or by RTL; tensors are (rows, K) with blocks along K."""

    def quantize(self, x: Floats) -> BlockArray:
        """Rows to blocks."""

    def product(self, a: BlockArray, b: BlockArray) -> Floats:
        """(M, K) and (N, K) to (M, N): all dot products of rows."""

    def dequantize(self, blocks: BlockArray) -> Floats:
        """Blocks to rows."""


@dataclass
class Golden:
    """The reference."""

    format: str

    def quantize(self, x: Floats) -> BlockArray:
        """Rows to blocks."""
        return golden.quantize(x, self.format)

    def product(self, a: BlockArray, b: BlockArray) -> Floats:
        """All dot products of rows of a with rows of b."""
        return np.stack([golden.dot(_row(a, k), b) for k in range(a.shape[0])])

    def dequantize(self, blocks: BlockArray) -> Floats:
        """Blocks to rows."""
        return blocks.dequantize()


@dataclass
class Chain:
    """The Verilated units of one format. `passed` counts what went through each of them."""

    format: str
    passed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        options: dict[str, dict[str, Any]] = {"quantize": {}, "dot": {"accumulate": "fp32"}, "dequantize": {}}
        self._units = {unit: self._build(unit, **given) for unit, given in options.items()}

    def _build(self, unit: str, **options: Any) -> Bulk:
        verilog, manifest = emitted(make_config(unit=unit, format=self.format, **options))
        return Bulk(build_bulk(verilog, Manifest.from_dict(manifest)))

    def _through(self, unit: str, batch: Mapping[str, NDArray[Any]], outputs: int) -> dict[str, NDArray[Any]]:
        self.passed[unit] += len(next(iter(batch.values())))
        return self._units[unit].run({"i": batch}, {"o": outputs}).outputs["o"]

    def quantize(self, x: Floats) -> BlockArray:
        """Rows to blocks."""
        fmt = get_format(self.format)
        blocks = -(-x.shape[1] // fmt.block)
        padded = np.zeros((len(x), blocks * fmt.block), np.float32)
        padded[:, : x.shape[1]] = x
        words = padded.view(np.uint32).reshape(-1, fmt.block)
        out = self._through("quantize", {"value": words}, len(words))
        stored = {name: codes.reshape(len(x), blocks, *codes.shape[1:]) for name, codes in out.items()}
        return BlockArray.from_codes(
            fmt,
            stored[element_field(fmt)],
            stored[scale_field(fmt)],
            microexponents=stored.get("microexponent"),
            shape=x.shape,
        )

    def product(self, a: BlockArray, b: BlockArray) -> Floats:
        """All dot products of rows of a with rows of b."""
        (m, blocks), n = a.scales.shape, b.shape[0]
        rows = max(1, _ROWS // (n * blocks))
        parts = []
        for start in range(0, m, rows):
            count = min(rows, m - start)
            shape = (count, n, blocks)
            place = np.broadcast_to(np.arange(blocks), shape).ravel()
            batch = {"first": (place == 0).astype(np.uint8), "last": (place == blocks - 1).astype(np.uint8)}
            for name, codes in _fields(a).items():
                batch[f"a.{name}"] = _spread(codes[start : start + count, np.newaxis], shape)
            for name, codes in _fields(b).items():
                batch[f"b.{name}"] = _spread(codes[np.newaxis], shape)
            out = self._through("dot", batch, count * n)
            parts.append(to_float(out["value"], "fp32").reshape(count, n))
        return np.concatenate(parts)

    def dequantize(self, blocks: BlockArray) -> Floats:
        """Blocks to rows."""
        batch = {name: codes.reshape(-1, *codes.shape[2:]) for name, codes in _fields(blocks).items()}
        out = self._through("dequantize", batch, blocks.scales.size)
        values = to_float(out["value"], "fp32").reshape(blocks.shape[0], -1)
        return np.ascontiguousarray(values[:, : blocks.shape[1]])


def _fields(x: BlockArray) -> dict[str, NDArray[Any]]:
    """The stored fields (rows, blocks, ...) of a tensor by the names that units give them."""
    fields = {element_field(x.format): x.codes, scale_field(x.format): x.scales}
    return fields if x.microexponents is None else fields | {"microexponent": x.microexponents}


def _row(x: BlockArray, k: int) -> BlockArray:
    one = slice(k, k + 1)
    shifts = None if x.microexponents is None else x.microexponents[one]
    return BlockArray.from_codes(x.format, x.codes[one], x.scales[one], microexponents=shifts, shape=(1, x.shape[1]))


def _spread(codes: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Broadcast to (rows, columns, blocks) and what a block has of the field, then one row per transfer."""
    own = codes.shape[3:]
    return np.broadcast_to(codes, (*shape, *own)).reshape(-1, *own)


@dataclass
class Compared:
    """Runs RTL and golden model side by side; the results are the RTL's, `bits` of them were compared."""

    rtl: Arithmetic
    reference: Arithmetic
    where: str = ""
    bits: int = 0

    def _same(self, what: str, got: NDArray[Any], wanted: NDArray[Any]) -> None:
        got, wanted = got.view(f"u{got.itemsize}"), wanted.view(f"u{wanted.itemsize}")
        self.bits += got.size * got.itemsize * 8
        if (got != wanted).any():
            at = tuple(int(k) for k in np.argwhere(got != wanted)[0])
            raise Difference(f"{self.where}: {what}{list(at)} is {got[at]:#x}, the golden model says {wanted[at]:#x}")

    def quantize(self, x: Floats) -> BlockArray:
        """Rows to blocks."""
        got, wanted = self.rtl.quantize(x), self.reference.quantize(x)
        for (name, codes), other in zip(_fields(got).items(), _fields(wanted).values(), strict=True):
            self._same(name, codes, other)
        return got

    def product(self, a: BlockArray, b: BlockArray) -> Floats:
        """All dot products of rows of a with rows of b."""
        got = self.rtl.product(a, b)
        self._same("sum", got, self.reference.product(a, b))
        return got

    def dequantize(self, blocks: BlockArray) -> Floats:
        """Blocks to rows."""
        got = self.rtl.dequantize(blocks)
        self._same("value", got, self.reference.dequantize(blocks))
        return got
