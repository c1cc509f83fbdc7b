"""The test plan: which test points each unit has, and the count of a driven batch.

One place says, per unit, what a bench must have shown; a unit without an entry cannot be run.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.units import relu
from tb.batches import Batch, Config, tensor_scales
from tb.convert import CONVERT_POINTS, ConvertView
from tb.dropback import DROPBACK_POINTS, DropbackView
from tb.gecko_facts import GeckoView
from tb.models import random_words
from tb.models_dot import accumulated
from tb.models_floats import FLOAT_MODELS
from tb.models_gecko import GECKO_MODELS
from tb.points_dequantize import DEQUANTIZE_POINTS, DequantizeView
from tb.points_dot import ACCUMULATE_POINTS, BLOCK_POINTS, FLOAT_POINTS
from tb.points_floats import FLOAT_UNIT_POINTS, FloatView
from tb.points_formats import DOT_FORMAT_POINTS, F25_POINTS
from tb.points_gecko import gecko_points
from tb.points_quantize import QUANTIZE_POINTS, STOCHASTIC_POINTS
from tb.points_quantize_formats import QUANTIZE_FORMAT_POINTS
from tb.points_scales import SCALE_POINTS, TENSOR_POINTS, TensorView
from tb.shifter import SHIFTER_POINTS, ShifterView
from tb.sliced import SLICED_POINTS, SlicedView
from tb.testpoints import Need, Point, judge, mask
from tb.view_dot import DotView
from tb.view_quantize import QuantizeView

__all__ = ["count_hits", "hit_masks", "points", "verdict"]

_RELU = Need("activation relu", lambda c: c["activation"] == "relu")
_TILE_POINTS = [
    Point("a NaN poisons a block", lambda v: v.poison),
    Point("ReLU cuts a negative", lambda v: v.cut & (v.x == 0), (_RELU,)),
    Point("block of negatives only", lambda v: v.cut.all(axis=1), (_RELU,)),
]
# What a tile's converter can meet: its input is an FP32 sum.
_SHARED = [
    "all-zero block", "exact element", "tie above an even mantissa", "tie above an odd mantissa", "largest mantissa",
    "maximum in the first element", "maximum in the last element", "exponent clamped from above",
    "exponent clamped from below", "scale rule keeps the exponent",
]  # fmt: skip
# The sums of a dot product are integers of few bits: seldom a mantissa of ones and more ones below it.
_SHORT = Need("elements of up to four bits", lambda c: get_format(c["to"]).element.precision <= 4, exact=False)
_TILE_POINTS += [
    Point(point.name, point.hit, (*point.needs, _SHORT))
    for point in QUANTIZE_POINTS
    if point.name in ("saturates", "scale rule takes the next exponent")
]
_TILE_STOCHASTIC = [
    Point("word rounds up", lambda v: (v.fraction > 0) & (v.word_sum >= 1 << v.config["random_bits"])),
    Point("word rounds down", lambda v: (v.fraction > 0) & (v.word_sum < 1 << v.config["random_bits"])),
]
_TILE_POINTS += [point for point in QUANTIZE_POINTS if point.name in _SHARED]


def _prefixed(prefix: str, listed: list[Point]) -> list[Point]:
    return [Point(f"{prefix}: {point.name}", point.hit, point.needs) for point in listed]


def _sections(config: Config) -> dict[str, list[Point]]:
    """Sections of the plan; each is counted on a view of its own."""
    return {name: [point for point in listed if point.means(config)] for name, listed in _listed(config).items()}


def _listed(config: Config) -> dict[str, list[Point]]:
    if config["unit"] in GECKO_MODELS:
        return {"gecko": gecko_points(config)}
    if config["unit"] in FLOAT_MODELS:
        return {"floats": FLOAT_UNIT_POINTS}
    stochastic = STOCHASTIC_POINTS if config.get("rounding") == "sr" else []
    match config["unit"]:
        case "quantize":
            return {"quantize": QUANTIZE_POINTS + QUANTIZE_FORMAT_POINTS + stochastic}
        case "convert":
            return {"convert": CONVERT_POINTS}
        case "microexponent_shifter":
            return {"shifter": SHIFTER_POINTS}
        case "dot_sliced":
            return {"sliced": SLICED_POINTS}
        case "dropback_weight":
            return {"dropback": DROPBACK_POINTS}
        case "dequantize":
            return {"dequantize": DEQUANTIZE_POINTS}
        case "tile":
            dot = BLOCK_POINTS + DOT_FORMAT_POINTS + FLOAT_POINTS + ACCUMULATE_POINTS
            stochastic = _TILE_STOCHASTIC if stochastic else []
            return {"dot": dot, "tile": _prefixed("tile", _TILE_POINTS + stochastic)}
    blocks = BLOCK_POINTS + DOT_FORMAT_POINTS + SCALE_POINTS + (F25_POINTS if config.get("mode") == "f25" else [])
    floats = FLOAT_POINTS if config["result"] == "fp32" else []
    sums = blocks + floats + (ACCUMULATE_POINTS if config["accumulate"] != "none" else [])
    return {"dot": sums} | ({"tensor scales": TENSOR_POINTS} if tensor_scales(config) else {})


def points(config: Config) -> list[Point]:
    """Every test point of a configuration's unit, unreachable ones included."""
    return [point for section in _sections(config).values() for point in section]


def hit_masks(config: Config, inputs: Any, outputs: Any) -> dict[str, NDArray[np.bool_]]:
    """Where a batch, driven from reset on, hits each point: per input transfer, block of a converter, or tensor."""
    views: dict[str, Callable[[Config, Any, Any], Any]] = {
        "dot": DotView,
        "quantize": QuantizeView.of_unit,
        "dequantize": DequantizeView,
        "tile": _tile_view,
        "convert": ConvertView,
        "shifter": ShifterView,
        "dropback": DropbackView,
        "floats": FloatView,
        "sliced": SlicedView,
        "tensor scales": TensorView,
        "gecko": GeckoView,
    }
    masks: dict[str, NDArray[np.bool_]] = {}
    for section, listed in _sections(config).items():
        view = views[section](config, inputs, outputs)
        masks |= {point.name: mask(point, view) for point in listed}
    return masks


def count_hits(config: Config, inputs: Any, outputs: Any) -> Counter[str]:
    """How often a batch, driven from reset on, hits each point."""
    return Counter({name: int(hits.sum()) for name, hits in hit_masks(config, inputs, outputs).items()})


def verdict(config: Config, hits: Mapping[str, int]) -> tuple[dict[str, int | str], list[str]]:
    """`testpoints.judge` over the whole plan of a configuration."""
    return judge(points(config), config, hits)


class _TileView(QuantizeView):
    """The converter of a tile; `cut` says which results ReLU made zero."""

    def __init__(self, config: Config, x: Any, outputs: Batch, words: Any, *, cut: NDArray[np.bool_]) -> None:
        super().__init__(config, x, outputs, words)
        self.cut = cut


def _tile_view(config: Config, inputs: Batch, outputs: Batch) -> _TileView:
    fmt = get_format(config["to"])
    sums = accumulated(config, inputs)[inputs["last"] == 1]
    sums = sums[: len(sums) // fmt.block * fmt.block].reshape(-1, fmt.block)
    active = config["activation"] == "relu"
    words = random_words(config, inputs, sums.shape, 1) if config["rounding"] == "sr" else None
    return _TileView(config, relu(sums) if active else sums, outputs, words, cut=(sums < 0) & active)
