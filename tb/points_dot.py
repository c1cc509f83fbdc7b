"""Test points of the dot product and its accumulators."""

from functools import cached_property

import numpy as np

from golden.catalog import get_format
from golden.products import block_dot, block_sums
from tb.models import Batch, Config, accumulated, operands
from tb.scenarios import powers
from tb.testpoints import Need, Point

__all__ = ["ACCUMULATE_POINTS", "BLOCK_POINTS", "FLOAT_POINTS", "DotView", "Rounded"]


class Rounded:
    """How integers * 2^lsb meet FP32: exact magnitude, the bits that are cut, and the result `values`."""

    def __init__(self, integers: np.ndarray, lsb: np.ndarray, values: np.ndarray) -> None:
        self.magnitude, self.values = np.abs(integers), values
        self.positive, self.negative = integers > 0, integers < 0
        length = np.frexp(self.magnitude.astype(np.float64))[1]  # exact below 2^53
        cut = np.maximum(np.maximum(lsb + length - 24, -149) - lsb, 0)
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
    """Facts about a batch of a dot product."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        self.config, self.inputs, self.outputs = config, inputs, outputs
        self.a, self.b = operands(config, inputs)
        self.poison_a, self.poison_b = self.a.poison[:, 0], self.b.poison[:, 0]
        self.products = self.a.mantissas[:, 0] * self.b.mantissas[:, 0]
        self.sums, self.lsb, self.poison = (column[:, 0] for column in block_sums(self.a, self.b))

    @cached_property
    def blocks(self) -> np.ndarray:
        """FP32 result of each block."""
        return block_dot(self.a, self.b)[:, 0]

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


def _largest(config: Config) -> int:
    a, b = get_format(config["format"]), get_format(config["format_b"])
    return a.block * a.element.max_integer * b.element.max_integer


def _overflows(config: Config) -> bool:
    # The largest block result reaches halfway between FLT_MAX and 2^128.
    high = powers(config)[1]
    return _largest(config) << max(high, 0) >= ((1 << 25) - 1) << 103 + max(-high, 0)


TOP = Need("blocks of 2^127 or more", lambda c: _largest(c) << max(powers(c)[1], 0) >= 1 << 127 + max(-powers(c)[1], 0))
# Smaller blocks can add up to an infinity too, but only in sums longer than is worth simulating.
GROWS = Need("terms of 2^127", lambda c: powers(c)[1] >= 127, exact=False)
PAIR = Need("a block of two", lambda c: get_format(c["format"]).block > 1)
SUBNORMAL = Need("exponents below FP32's normal range", lambda c: powers(c)[0] < -126)
VANISH = Need("exponents below FP32's range", lambda c: powers(c)[0] <= -150)
OVERFLOW = Need("exponents above FP32's range", _overflows)
INEXACT = Need(
    "sums wider than 24 bits or exponents below FP32's range",
    lambda c: _largest(c).bit_length() > 24 or powers(c)[0] <= -150,
)
# Above the subnormals it takes a sum of 24 ones: possible in wide units, but too rare to ask for.
CARRY = Need("exponents below FP32's range", VANISH.holds, exact=False)
THREE = Need("sums of three or more", lambda c: _largest(c) >= 3)
FP32_ADD = Need("block results rounded before the addition", lambda c: c.get("accumulate") == "fp32")
FUSED = Need("accumulate fused", lambda c: c.get("accumulate") == "fused")
FINE = Need("terms 2^-24 of another", lambda c: powers(c)[1] >= 24 or (powers(c)[0] <= -24 and powers(c)[1] >= 0))
CONTEXTS = Need("two contexts", lambda c: c.get("contexts", 1) > 1)


BLOCK_POINTS = [
    Point("block a all zero", lambda v: ~v.poison & ~v.a.mantissas[:, 0].any(axis=1)),
    Point("block b all zero", lambda v: ~v.poison & ~v.b.mantissas[:, 0].any(axis=1)),
    Point("minus zero received", lambda v: (v.a.codes[:, 0] == 1 << v.a.format.element.mantissa_bits).any(axis=1)),
    Point("single non-zero product", lambda v: np.count_nonzero(v.products, axis=1) == 1),
    Point("largest sum", lambda v: v.sums == _largest(v.config)),
    Point("largest negative sum", lambda v: v.sums == -_largest(v.config)),
    Point("products of both signs", lambda v: (v.products.max(axis=1) > 0) & (v.products.min(axis=1) < 0), (PAIR,)),
    Point("products cancel to zero", lambda v: (v.sums == 0) & v.products.any(axis=1), (PAIR,)),
    Point("poison in a", lambda v: v.poison_a & ~v.poison_b),
    Point("poison in b", lambda v: v.poison_b & ~v.poison_a),
    Point("poison in both", lambda v: v.poison_a & v.poison_b),
    Point("poison with mantissas", lambda v: v.poison_a & (v.a.codes[:, 0] != 0).any(axis=1)),
    Point("lowest exponents", lambda v: (v.sums != 0) & (v.lsb == powers(v.config)[0])),
    Point("highest exponents", lambda v: (v.sums != 0) & (v.lsb == powers(v.config)[1])),
]

FLOAT_POINTS = [
    Point("exact result", lambda v: v.rounded.finite & (v.rounded.magnitude != 0) & (v.rounded.rest == 0)),
    Point("rounds down", lambda v: v.rounded.finite & (v.rounded.rest != 0) & ~v.rounded.up, (INEXACT,)),
    Point("rounds up", lambda v: v.rounded.up & ~v.rounded.tie, (INEXACT, THREE)),
    Point("tie, down to even", lambda v: v.rounded.tie & ~v.rounded.up, (INEXACT,)),
    Point("tie, up to even", lambda v: v.rounded.tie & v.rounded.up, (INEXACT, THREE)),
    Point("rounding carries into the next binade", lambda v: v.rounded.carry, (CARRY, THREE)),
    Point("negative inexact", lambda v: v.rounded.negative & (v.rounded.rest != 0) & v.rounded.finite, (INEXACT,)),
    Point("subnormal result", lambda v: (v.rounded.values != 0) & (np.abs(v.rounded.values) < 2.0**-126), (SUBNORMAL,)),
    Point("smallest normal result", lambda v: np.abs(v.rounded.values) == np.float32(2.0**-126), (SUBNORMAL,)),
    Point("underflows to +0", lambda v: v.rounded.positive & (v.rounded.values == 0), (VANISH,)),
    Point("underflows to -0", lambda v: v.rounded.negative & (v.rounded.values == 0), (VANISH,)),
    Point("overflows to +Inf", lambda v: np.isposinf(v.rounded.values), (OVERFLOW,)),
    Point("overflows to -Inf", lambda v: np.isneginf(v.rounded.values), (OVERFLOW,)),
    Point("top binade", lambda v: np.isfinite(v.rounded.values) & (np.abs(v.rounded.values) >= 2.0**127), (TOP,)),
]

ACCUMULATE_POINTS = [
    Point("starts without first after reset", lambda v: ~v.first[:1]),
    Point("first restarts an unfinished sum", lambda v: v.first & v.earlier(~v.last)),
    Point("continues after last", lambda v: ~v.first & v.earlier(v.last)),
    Point("one-block sum", lambda v: v.first & v.last),
    Point("long sum", lambda v: v.last & (v.run >= 64)),
    Point("restarts clean after NaN", lambda v: v.first & np.isnan(v.previous) & ~np.isnan(v.after)),
    Point("restarts clean after infinity", lambda v: v.first & np.isinf(v.previous) & np.isfinite(v.after), (GROWS,)),
    Point("NaN stays", lambda v: np.isnan(v.before) & ~v.poison),
    Point("infinity stays", lambda v: np.isinf(v.before) & np.isinf(v.after) & (v.sums != 0), (GROWS,)),
    Point(
        "infinity minus infinity",
        lambda v: np.isinf(v.before) & np.isnan(v.after) & np.isinf(v.blocks),
        (OVERFLOW, FP32_ADD),
    ),
    Point(
        "addition overflows",
        lambda v: np.isfinite(v.before) & np.isfinite(v.blocks) & np.isinf(v.after) & (v.before != 0),
        (GROWS,),
    ),
    Point("addition cancels to +0", lambda v: (v.before != 0) & (v.sums != 0) & (v.after == 0)),
    Point(
        "addition cancels many bits",
        lambda v: (v.after != 0) & (np.abs(v.after) < np.abs(v.before) * np.float32(2.0**-10)),
    ),
    Point(
        "block swallowed",
        lambda v: (v.sums != 0) & (v.before != 0) & (v.before == v.after) & np.isfinite(v.after),
        (FINE,),
    ),
    Point("accumulator swallowed", lambda v: (v.before != 0) & (v.after == v.blocks) & np.isfinite(v.after), (FINE,)),
    Point("addition ties", lambda v: v.add_tie & np.isfinite(v.after), (FINE,)),
    Point("subnormal sum", lambda v: (v.before != 0) & (v.after != 0) & (np.abs(v.after) < 2.0**-126), (SUBNORMAL,)),
    Point("sum is -0", lambda v: (v.after == 0) & np.signbit(v.after), (VANISH, FUSED)),
    Point("-0 joins +0", lambda v: (v.before == 0) & (v.blocks == 0) & np.signbit(v.blocks) & ~v.poison, (VANISH,)),
    Point("last back to back", lambda v: v.last[1:] & v.last[:-1]),
    Point(
        "contexts restart apart", lambda v: (v.config.get("contexts", 1) > 1) & v.first[1:] & ~v.first[:-1], (CONTEXTS,)
    ),
]
