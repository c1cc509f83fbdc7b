"""How many bits the tensors of a training step take in memory, per tensor, summed over the run (gecko.md 10).

Counted is what a step reads: weights and stashed activations of the layers with matrix products (`tensors`), each in
the format it has at that step. Scales are counted for the blocks that exist, short ones included; pads are not stored
(formats.md 0.10). The optimiser's copy of the weights (`--storage`) and its momentum are not counted. Ratios are FP32's
32 bits a value, or BF16's 16, over the bits here: more is smaller.
"""

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Any

from golden.formats import BlockFormat
from golden.training.tensors import Tensor

__all__ = ["Footprint", "Format", "block_bits", "stored_bits"]

Format = BlockFormat | float
"""A block format, or bits a value for formats without blocks."""


def block_bits(fmt: BlockFormat, groups: int, length: int) -> int:
    """Bits of `groups` rows of `length` values in blocks along the row, the last block of a row as short as it is."""
    blocks = -(-length // fmt.block)
    full, tail = divmod(length, fmt.block)
    micro = full * -(-fmt.block // fmt.subblock) + -(-tail // fmt.subblock) if fmt.microexponent_bits else 0
    return groups * (length * fmt.element.bits + blocks * fmt.scale.bits + micro * fmt.microexponent_bits)


def stored_bits(tensor: Tensor, fmt: Format) -> float:
    """Bits of a tensor in a format; NVFP4 has one FP32 scale more."""
    if isinstance(fmt, BlockFormat) and tensor.tiled:
        side = isqrt(fmt.block)
        tiles = -(-tensor.length // side) * -(-tensor.groups // side)
        return tensor.values * fmt.element.bits + tiles * fmt.scale.bits
    if isinstance(fmt, BlockFormat):
        return block_bits(fmt, tensor.groups, tensor.length) + 32 * fmt.tensor_scale
    return fmt * tensor.values


class Footprint:
    """Adds up the bits of every tensor, step by step; `now(tensor)` says what format a tensor has at this step."""

    def __init__(self, tensors: Sequence[Tensor], now: Callable[[Tensor], Format], blocks: str) -> None:
        self.tensors, self._now, self.blocks = list(tensors), now, blocks
        self._bits = [0.0] * len(self.tensors)
        self._latest = [0.0] * len(self.tensors)
        self._steps = 0

    def count(self) -> None:
        """One training step more."""
        self._steps += 1
        for index, tensor in enumerate(self.tensors):
            self._latest[index] = stored_bits(tensor, self._now(tensor))
            self._bits[index] += self._latest[index]

    def _sum(self, role: str = "") -> tuple[float, int]:
        """Bits and values over the run of all tensors whose role starts so."""
        rows = [(bits, tensor) for bits, tensor in zip(self._bits, self.tensors, strict=True) if role in tensor.role]
        return sum(bits for bits, _ in rows), self._steps * sum(tensor.values for _, tensor in rows)

    def ratio(self) -> float:
        """FP32's bits over these, over the whole run; 1.0 for FP32 itself and before the first step."""
        bits, values = self._sum()
        return 32 * values / bits if bits else 1.0

    def bits_per_value(self) -> float:
        """At the latest step, over all tensors."""
        return sum(self._latest) / sum(tensor.values for tensor in self.tensors)

    def summary(self) -> dict[str, Any]:
        """Mean bits a value over the run, and both ratios."""
        result: dict[str, Any] = {}
        for name, role in (("weights", "weight"), ("activations", "activation"), ("total", "")):
            bits, values = self._sum(role)
            mean = bits / values if values else 0.0
            row = {"values_per_step": values // max(self._steps, 1), "bits_per_value": mean}
            result[name] = row | {"over_fp32": 32 / mean if mean else 1.0, "over_bf16": 16 / mean if mean else 0.5}
        return result

    def report(self) -> dict[str, Any]:
        """Per tensor: shape, values, mean bits a value over the run and at its last step."""
        rows = [
            {
                "tensor": tensor.key,
                "shape": list(tensor.shape),
                "values": tensor.values,
                "bits_per_value": bits / max(self._steps, 1) / tensor.values,
                "bits_per_value_last": latest / tensor.values,
            }
            for tensor, bits, latest in zip(self.tensors, self._bits, self._latest, strict=True)
        ]
        return {"blocks": self.blocks, "steps": self._steps, "summary": self.summary(), "tensors": rows}

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"bits": self._bits, "latest": self._latest, "steps": self._steps}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self._bits, self._latest = list(state["bits"]), list(state["latest"])
        self._steps = int(state["steps"])
