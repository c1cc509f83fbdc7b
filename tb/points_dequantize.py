"""Test points of the converter from blocks to floats."""

import numpy as np

from golden.catalog import get_format
from tb.models import Batch, Config, as_blocks, to_float
from tb.points_dot import Rounded
from tb.testpoints import Need, Point

__all__ = ["DEQUANTIZE_POINTS", "DequantizeView"]


class DequantizeView:
    """Facts about a batch of blocks on their way to FP32."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        self.config = config
        self.blocks = as_blocks(get_format(config["format"]), inputs)
        self.codes, self.poison = self.blocks.codes[:, 0], self.blocks.poison[:, 0]
        self.mantissas = self.blocks.mantissas[:, 0]
        self.exponent = np.where(self.poison, 0, self.blocks.exponents[:, 0])
        self.values = to_float(outputs["value"].reshape(self.codes.shape), "fp32")
        lsb = np.broadcast_to(
            (self.exponent - self.blocks.format.element.mantissa_bits)[:, np.newaxis], self.codes.shape
        )
        self.rounded = Rounded(self.mantissas, lsb, self.values)


def _lowest_lsb(config: Config) -> int:
    fmt = get_format(config["format"])
    return fmt.scale.lowest - fmt.element.mantissa_bits


SUBNORMAL = Need("exponents below FP32's normal range", lambda c: _lowest_lsb(c) < -126)
VANISH = Need("exponents below FP32's range", lambda c: _lowest_lsb(c) <= -150)
THREE = Need("three mantissa bits", lambda c: get_format(c["format"]).element.mantissa_bits > 1)
OVERFLOW = Need("exponents above FP32's range", lambda c: get_format(c["format"]).scale.highest > 128)

DEQUANTIZE_POINTS = [
    Point("zero block", lambda v: ~v.poison & ~v.mantissas.any(axis=1)),
    Point(
        "minus zero received",
        lambda v: (v.codes == 1 << v.blocks.format.element.mantissa_bits) & ~v.poison[:, np.newaxis],
    ),
    Point("single non-zero", lambda v: np.count_nonzero(v.mantissas, axis=1) == 1),
    Point("largest mantissas", lambda v: (np.abs(v.mantissas) == v.blocks.format.element.max_code).all(axis=1)),
    Point("mantissa of one", lambda v: np.abs(v.mantissas) == 1),
    Point("poison", lambda v: v.poison),
    Point("poison with mantissas", lambda v: v.poison & v.codes.any(axis=1)),
    Point("lowest exponent", lambda v: (v.exponent == v.blocks.format.scale.lowest) & v.mantissas.any(axis=1)),
    Point("highest exponent", lambda v: (v.exponent == v.blocks.format.scale.highest) & v.mantissas.any(axis=1)),
    Point("subnormal result", lambda v: (v.values != 0) & (np.abs(v.values) < 2.0**-126), (SUBNORMAL,)),
    Point("tie, down to even", lambda v: v.rounded.tie & ~v.rounded.up, (VANISH,)),
    Point("tie, up to even", lambda v: v.rounded.tie & v.rounded.up, (VANISH, THREE)),
    Point("rounds up", lambda v: v.rounded.up & ~v.rounded.tie, (VANISH, THREE)),
    Point("underflows to -0", lambda v: (v.mantissas < 0) & (v.values == 0), (VANISH,)),
    Point("overflows to +Inf", lambda v: np.isposinf(v.values), (OVERFLOW,)),
    Point("overflows to -Inf", lambda v: np.isneginf(v.values), (OVERFLOW,)),
]
