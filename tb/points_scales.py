"""Test points of scales that are numbers of their own: a block's minifloat scale, and the tensors' FP32 scales."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from golden.scales import scale_significands
from tb.batches import Config, tensor_scales
from tb.models_dot import accumulated
from tb.testpoints import Need, Point
from tb.view_dot import DotView

__all__ = ["SCALE_POINTS", "TENSOR_POINTS", "TensorView"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


def _format(config: Config, operand: str) -> BlockFormat:
    return get_format(config["format" if operand == "a" else "format_b"])


def _significands(view: DotView, operand: str) -> NDArray[Any]:
    """Signed significands of an operand's scales; poisoned blocks count as one."""
    blocks = getattr(view, operand)
    return np.where(blocks.poison, 1, scale_significands(blocks.scales, blocks.format.scale))[:, 0]


def _busy(view: DotView) -> Mask:
    """Transfers whose elements make a product, whatever their scales do to it."""
    return (view.mantissas_a * view.mantissas_b != 0).any(axis=1) & ~view.poisoned


def _subnormal(view: DotView, operand: str) -> Mask:
    scale = _format(view.config, operand).scale
    assert scale.minifloat is not None
    hidden = 1 << scale.minifloat.mantissa_bits
    size = np.abs(_significands(view, operand))
    return (size > 0) & (size < hidden) & ~view.poisoned & (view.sums != 0)


def _negative_nan(view: DotView, operand: str) -> Mask:
    blocks = getattr(view, operand)
    return np.asarray(blocks.poison[:, 0] & (blocks.scales[:, 0] >> blocks.format.scale.bits - 1 == 1))


def _points(operand: str) -> list[Point]:
    needs = (
        Need(
            f"a minifloat scale in {operand}",
            lambda c: _format(c, operand).scale.minifloat is not None,
            meaning=True,
        ),
    )
    return [
        Point(f"zero scale in {operand}", lambda v: (_significands(v, operand) == 0) & _busy(v), needs),
        Point(f"negative scale in {operand}", lambda v: (_significands(v, operand) < 0) & (v.sums != 0), needs),
        Point(f"subnormal scale in {operand}", lambda v: _subnormal(v, operand), needs),
        Point(f"NaN with a sign as scale of {operand}", lambda v: _negative_nan(v, operand), needs),
    ]


_BOTH = Need(
    "minifloat scales in both operands",
    lambda c: all(_format(c, x).scale.minifloat is not None for x in "ab"),
    meaning=True,
)
SCALE_POINTS = [
    *_points("a"),
    *_points("b"),
    Point(
        "negative scales in both",
        lambda v: (_significands(v, "a") < 0) & (_significands(v, "b") < 0) & (v.sums != 0),
        (_BOTH,),
    ),
]


class TensorView:
    """What the transfers with `last` show: accumulator `x`, tensor scales, their product `factor`, and the `result`."""

    def __init__(self, config: Config, inputs: Any, outputs: Any) -> None:
        shown = inputs["last"] == 1
        self.scales: list[Floats] = [
            inputs[name][shown].astype(np.uint32).view(np.float32) for name in tensor_scales(config)
        ]
        self.x = accumulated(config, inputs)[shown]
        with np.errstate(all="ignore"):
            self.factor = np.multiply.reduce(np.stack(self.scales), axis=0)
        self.result = outputs["value"].astype(np.uint32).view(np.float32)


def _rounds(x: Floats, y: Floats, product: Floats) -> Mask:
    """Products that FP32 does not hold; float64 holds the product of two FP32 numbers."""
    with np.errstate(all="ignore"):
        return x.astype(np.float64) * y.astype(np.float64) != product


def _tie(x: Floats, y: Floats, product: Floats) -> Mask:
    """Products exactly between two FP32 numbers."""
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64) * y.astype(np.float64)
        side = np.where(exact > product, np.inf, -np.inf).astype(np.float32)
        other = np.nextafter(product, side).astype(np.float64)
        return np.isfinite(product) & (exact != product) & (np.abs(exact - product) == np.abs(exact - other))


def _subnormals(x: Floats) -> Mask:
    return (x != 0) & (np.abs(x) < 2.0**-126)


def _plain(view: TensorView) -> Mask:
    """Sum, scales and their product finite and not zero."""
    numbers = [view.x, view.factor, *view.scales]
    return np.logical_and.reduce([np.isfinite(x) & (x != 0) for x in numbers])


TWO = Need("two tensor scales", lambda c: len(tensor_scales(c)) == 2, meaning=True)

TENSOR_POINTS = [
    Point("scaled sum rounds", lambda v: _plain(v) & _rounds(v.x, v.factor, v.result)),
    Point("scaled sum ties", lambda v: _plain(v) & _tie(v.x, v.factor, v.result)),
    Point("scaled sum overflows", lambda v: _plain(v) & np.isinf(v.result)),
    Point("scaled sum is subnormal", lambda v: _plain(v) & _subnormals(v.result)),
    Point("scaled sum vanishes", lambda v: _plain(v) & (v.result == 0)),
    Point("zero sum under scales", lambda v: (v.x == 0) & (v.result == 0)),
    Point("zero sum under an infinite scale", lambda v: (v.x == 0) & np.isinf(v.factor)),
    Point("NaN sum under scales", lambda v: np.isnan(v.x) & np.isfinite(v.factor)),
    Point("NaN scale", lambda v: np.isfinite(v.x) & np.isnan(v.factor)),
    Point("negative scale of a tensor", lambda v: _plain(v) & (v.scales[0] < 0)),
    Point("subnormal scale of a tensor", lambda v: _plain(v) & _subnormals(v.scales[0])),
    Point("product of scales rounds", lambda v: _plain(v) & _rounds(v.scales[0], v.scales[-1], v.factor), (TWO,)),
    Point("product of scales is subnormal", lambda v: _plain(v) & _subnormals(v.factor), (TWO,)),
    Point("product of scales vanishes", lambda v: (v.factor == 0) & (v.scales[0] != 0) & (v.scales[-1] != 0), (TWO,)),
    Point(
        "product of scales overflows",
        lambda v: np.isinf(v.factor) & np.isfinite(v.scales[0]) & np.isfinite(v.scales[-1]),
        (TWO,),
    ),
]
