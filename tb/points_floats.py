"""Test points of the float units."""

import numpy as np

from golden.catalog import get_float
from tb.batches import Batch, Config
from tb.models_floats import FLOAT_OPERANDS
from tb.testpoints import Need, Point

__all__ = ["FLOAT_UNIT_POINTS", "FloatView"]


class FloatView:
    """Facts about a batch of a stream unit: which operands and results are what, per transfer."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        fmt = get_float(config["float"])
        names = FLOAT_OPERANDS.get(config["unit"], ("value",))
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
