"""Facts about a batch of a dot product, from which its test points are told: operands, sums, roundings, accumulator."""

from functools import cached_property

import numpy as np

from golden.products import block_dot, block_sums
from golden.rounding import sticky_int64, to_fp32
from golden.scales import scale_significands
from tb.batches import Batch, Config
from tb.models_dot import accumulated, operands, transfer_sums

__all__ = ["TARGETS", "DotView", "Rounded"]

# Significand bits, and the exponents of the least subnormal and of the top binade.
TARGETS = {"fp32": (24, -149, 127), "bf16": (8, -133, 127), "fp16": (11, -24, 15)}


class Rounded:
    """How integers * 2^lsb meet a float type: exact magnitude, the bits that are cut, and the result `values`.

    Integers beyond 62 bits come shortened, with a sticky last bit: no rounding can tell.
    """

    def __init__(self, integers: np.ndarray, lsb: np.ndarray, values: np.ndarray, target: str = "fp32") -> None:
        if integers.dtype == object:
            integers, lsb = sticky_int64(integers, lsb)
        self.magnitude, self.values = np.abs(integers), values
        self.positive, self.negative = integers > 0, integers < 0
        high = self.magnitude >= 1 << 52  # above, a float64 might round up to the next power of two
        length = np.frexp(np.where(high, self.magnitude >> 12, self.magnitude).astype(np.float64))[1] + 12 * high
        precision, bottom, _ = TARGETS[target]
        cut = np.maximum(np.maximum(lsb + length - precision, bottom) - lsb, 0)
        self.vanishes = cut > 62
        self.cut = np.minimum(cut, 62)
        self.rest = self.magnitude & ((1 << self.cut) - 1)
        self.kept = self.magnitude >> self.cut
        self.half = np.where(self.cut > 0, 1 << np.maximum(self.cut - 1, 0), 0)
        self.finite = np.isfinite(values)
        self.tie = self.finite & (self.cut > 0) & (self.rest == self.half) & ~self.vanishes
        self.up = self.finite & (self.cut > 0) & ((self.rest > self.half) | (self.tie & (self.kept & 1 == 1)))
        self.up &= ~self.vanishes
        self.carry = self.up & ((self.kept & (self.kept + 1)) == 0) & (self.kept > 0)


class DotView:
    """Facts about a batch of a dot product: (n,) per transfer, (n, elements) with the blocks of a transfer in a row."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        self.config, self.inputs, self.outputs = config, inputs, outputs
        self.a, self.b = operands(config, inputs)
        n = len(self.a.scales)
        self.poison_a, self.poison_b = self.a.poison.any(axis=1), self.b.poison.any(axis=1)
        self.poisoned: np.ndarray = np.asarray(self.poison_a | self.poison_b)
        self.codes_a, self.codes_b = (x.codes.reshape(n, -1) for x in (self.a, self.b))
        self.mantissas_a, self.mantissas_b = (x.mantissas.reshape(n, -1) for x in (self.a, self.b))
        # the products' signs, under those of their scales
        self.products = np.sign(self.mantissas_a) * np.sign(self.mantissas_b)
        for blocks in (self.a, self.b):
            if blocks.format.scale.minifloat is not None:
                self.products *= np.sign(scale_significands(blocks.scales, blocks.format.scale))
        self.block_sums, self.units, _ = block_sums(self.a, self.b)
        self.sums, self.lsb, special = transfer_sums(config, self.a, self.b)
        self.special = special
        self.poison = special != 0
        self.sums = np.where(self.poison, 0, self.sums)

    @cached_property
    def blocks(self) -> np.ndarray:
        """FP32 result of each block."""
        if self.config.get("mode") != "f25":
            return block_dot(self.a, self.b)[:, 0]
        return np.where(self.poison, self.special, to_fp32(self.sums, self.lsb))

    @cached_property
    def alone(self) -> np.ndarray:
        """Transfers whose sum is rounded by itself: with a fused accumulator only those that join +0."""
        return self.before == 0 if self.config.get("accumulate") == "fused" else np.ones(len(self.sums), bool)

    @cached_property
    def rounded(self) -> Rounded:
        """The rounding of each block's sum."""
        return Rounded(np.where(self.alone, self.sums, 0), self.lsb, np.where(self.alone, self.blocks, np.nan))

    @cached_property
    def after(self) -> np.ndarray:
        """Accumulator after each transfer."""
        return accumulated(self.config, self.inputs)

    @cached_property
    def previous(self) -> np.ndarray:
        """Accumulator of the same context before the transfer, `first` not yet obeyed."""
        contexts = self.config.get("contexts", 1)
        return np.concatenate([np.zeros(contexts, np.float32), self.after[:-contexts]])

    @cached_property
    def before(self) -> np.ndarray:
        """The value that the transfer's block is added to."""
        return np.where(self.first, np.float32(0), self.previous)

    @property
    def first(self) -> np.ndarray:
        """Transfers that start a sum."""
        return self.inputs["first"] == 1

    @property
    def last(self) -> np.ndarray:
        """Transfers that show a sum."""
        return self.inputs["last"] == 1

    def earlier(self, mask: np.ndarray) -> np.ndarray:
        """The mask one transfer of the same context ago; False where there is none."""
        contexts = self.config.get("contexts", 1)
        return np.concatenate([np.zeros(contexts, bool), mask[:-contexts]])

    @cached_property
    def run(self) -> np.ndarray:
        """Transfers since the context's sum was +0, this one included."""
        run = np.zeros(len(self.sums), np.int64)
        contexts = self.config.get("contexts", 1)
        for n, first in enumerate(self.first):
            run[n] = 1 if first or n < contexts else run[n - contexts] + 1
        return run

    @cached_property
    def add_tie(self) -> np.ndarray:
        """Additions of accumulator and block result that lie exactly between two FP32 numbers."""
        with np.errstate(all="ignore"):
            x, y = self.before.astype(np.float64), self.blocks.astype(np.float64)
            total = x + y
            exact = (total - x == y) & (total - y == x)
            near = total.astype(np.float32)
            other = np.nextafter(near, np.where(near < total, np.inf, -np.inf).astype(np.float32))
            gap = np.abs(total - near)
            return exact & (gap > 0) & (gap == np.abs(other.astype(np.float64) - total))
