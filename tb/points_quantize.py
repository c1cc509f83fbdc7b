"""Test points of the converter from floats to blocks."""

import numpy as np

from golden.catalog import get_format
from golden.formats import BlockFormat, ScaleRule, Specials
from tb.batches import Config, flushes, to_float
from tb.testpoints import Need, Point
from tb.view_quantize import SOURCES, QuantizeView, least_normal

__all__ = ["BUMP", "PAIR", "QUANTIZE_POINTS", "STOCHASTIC_POINTS", "precision", "small_elements", "target"]


def target(config: Config) -> BlockFormat:
    """The format that values become: the converter's own, or a tile's `to`."""
    return get_format(config.get("to", config["format"]))


def precision(config: Config) -> int:
    """Significand bits of the values that come in."""
    return SOURCES[config.get("source", "fp32")][0]


def _precise(config: Config) -> bool:
    """Whether the largest element of a block can have bits below its last place."""
    return precision(config) > target(config).element.precision


def _top(config: Config) -> int:
    """What the largest value asks of the shared exponent under the rule floor."""
    return SOURCES[config.get("source", "fp32")][2] - target(config).element.emax


def _clamps_above(config: Config) -> bool:
    return _top(config) > target(config).scale.highest


def _bottom(config: Config) -> int:
    """Exponent of the least value that does not count as zero."""
    bits, bottom, _ = SOURCES[config.get("source", "fp32")]
    return bottom + bits - 1 if flushes(config) else bottom


def _clamps_below(config: Config) -> bool:
    fmt = target(config)
    return _bottom(config) - fmt.element.emax < fmt.scale.lowest


def small_elements(config: Config) -> bool:
    """Whether an element can lie below the binade that the shared exponent is made for."""
    return target(config).block > 1 or _clamps_below(config)


def _saturates(config: Config) -> bool:
    rule, rounding, fmt = config["scale_rule"], config["rounding"], target(config)
    if _clamps_above(config):
        return True
    # The codes above the largest are not numbers: what would round to them, or be cut to them, saturates.
    if fmt.element.specials is Specials.NAN and rule != ScaleRule.CEIL:
        return True
    unguarded = rule == ScaleRule.FLOOR or (rule == ScaleRule.EVEN and rounding == "sr")
    unguarded |= _top(config) + 1 > fmt.scale.highest  # where the rule wants one more than there is
    return _precise(config) and unguarded and rounding != "rtz"


def _ties(config: Config) -> bool:
    return target(config).block > 1 or _precise(config) or _clamps_above(config) or _clamps_below(config)


def _far(config: Config) -> bool:
    """Whether the least value can lie 30 places below the last one."""
    fmt = target(config)
    return min(_top(config), fmt.scale.highest) + fmt.element.lsb_exponent - 30 > _bottom(config)


PAIR: Need = Need("elements below the largest one", small_elements)
FRACTIONS = Need("a block of two", lambda c: target(c).block > 1, exact=False)
PORT = Need("random words on a port", lambda c: c["random"] == "port", exact=False)
LANES = Need("several transfers a block", lambda c: c["lanes"] < target(c).block)
SATURATES = Need("a rounding that can pass the largest mantissa under its scale rule", _saturates)
ABOVE = Need("exponents below the source's top", _clamps_above)
BELOW = Need("exponents above the source's bottom", _clamps_below)
BUMP: Need = Need(
    "a scale rule that looks ahead, and a source precise enough to trigger it",
    lambda c: c["scale_rule"] != ScaleRule.FLOOR and _precise(c),
)
FULL = Need(
    "a source as precise as a mantissa",
    lambda c: precision(c) >= target(c).element.precision or _clamps_above(c),
)
TIES = Need("a source precise enough for ties", _ties)
# floor puts the largest element's leading one at the top; a single mantissa bit is then odd, or zero.
EVEN_TIES = Need(
    "an even mantissa below a tie",
    lambda c: _ties(c) and (small_elements(c) or target(c).element.precision > 1),
)
ODD_TIES = Need(
    "an odd mantissa below a tie",
    lambda c: _ties(c) and (c["scale_rule"] == "floor" or target(c).element.precision > 1 or _clamps_above(c)),
)

FLUSHED = Need("subnormals flushed", flushes, meaning=True)
SEVERAL = Need("a block of two", lambda c: target(c).block > 1)
FAR = Need("values 2^-30 below a last place", _far, exact=False)
QUANTIZE_POINTS = [
    Point("all-zero block", lambda v: (v.maximum == 0) & ~v.poison),
    Point("minus zeros only", lambda v: (v.maximum == 0) & ~v.poison & np.signbit(v.x).all(axis=1)),
    Point("single non-zero", lambda v: ((v.x != 0).sum(axis=1) == 1) & ~v.poison),
    Point(
        "largest finite everywhere",
        lambda v: (v.absolute == to_float(np.array([_top_code(v.config)]), v.config["source"])).all(axis=1),
    ),
    Point("subnormal element", lambda v: v.subnormal),
    Point("block of subnormals", lambda v: _subnormals_alone(v)),
    Point("flushed beside a number", lambda v: v.subnormal & (v.maximum > 0)[:, np.newaxis], (FLUSHED, SEVERAL)),
    Point("negative flushed", lambda v: v.subnormal & np.signbit(v.x) & v.clean, (FLUSHED,)),
    Point("largest subnormal flushed", lambda v: v.clean & (v.given == _largest_subnormal(v.config)), (FLUSHED,)),
    Point("least normal number stays", lambda v: v.clean & (v.absolute == least_normal(v.config)), (FLUSHED,)),
    Point("flushed beside a NaN or an infinity", lambda v: v.subnormal & v.poison[:, np.newaxis], (FLUSHED, SEVERAL)),
    Point("NaN", lambda v: np.isnan(v.x)),
    Point("+Inf", lambda v: np.isposinf(v.x)),
    Point("-Inf", lambda v: np.isneginf(v.x)),
    Point("poison by the first element alone", lambda v: _only(v, 0)),
    Point("poison by the last element alone", lambda v: _only(v, -1)),
    Point("maximum in the first element", lambda v: v.leader[:, 0] & (v.leader.sum(axis=1) == 1)),
    Point("maximum in the last element", lambda v: v.leader[:, -1] & (v.leader.sum(axis=1) == 1)),
    Point("maximum in the last transfer", lambda v: v.last_transfer, (LANES,)),
    Point("maximum a power of two", lambda v: (v.maximum > 0) & (np.frexp(v.maximum)[0] == 0.5)),
    Point("exact element", lambda v: (v.floor > 0) & (v.rest == 0)),
    Point("tie above an even mantissa", lambda v: (v.rest == 0.5) & (v.floor % 2 == 0), (EVEN_TIES,)),
    Point("tie above an odd mantissa", lambda v: (v.rest == 0.5) & (v.floor % 2 == 1), (ODD_TIES,)),
    Point("negative tie", lambda v: (v.rest == 0.5) & (v.x < 0), (TIES,)),
    Point("just below a tie", lambda v: (v.rest > 0.4375) & (v.rest < 0.5), (FRACTIONS,)),
    Point("just above a tie", lambda v: (v.rest > 0.5) & (v.rest < 0.5625), (FRACTIONS,)),
    Point("negative rounds to zero", lambda v: (v.x < 0) & (v.magnitude == 0) & v.clean, (PAIR,)),
    Point("far below the last place", lambda v: (v.scaled > 0) & (v.scaled < 2.0**-30), (PAIR, FAR)),
    Point("largest mantissa", lambda v: v.magnitude == v.element.max_integer, (FULL,)),
    Point("saturates", lambda v: v.saturated, (SATURATES,)),
    Point(
        "exponent clamped from above", lambda v: (v.maximum > 0) & (v.floor_exponent > v.format.scale.highest), (ABOVE,)
    ),
    Point(
        "exponent clamped from below", lambda v: (v.maximum > 0) & (v.floor_exponent < v.format.scale.lowest), (BELOW,)
    ),
    Point("scale rule takes the next exponent", lambda v: v.natural & (v.exponent == v.floor_exponent + 1), (BUMP,)),
    Point("scale rule keeps the exponent", lambda v: v.natural & (v.exponent == v.floor_exponent)),
]

STOCHASTIC_POINTS = [
    Point("word 0 keeps a fraction down", lambda v: (v.words == 0) & (v.fraction > 0)),
    Point(
        "largest word leaves an exact element",
        lambda v: (v.words == v.words.max()) & (v.rest == 0) & (v.floor > 0),
        (PORT,),
    ),
    Point("word just carries", lambda v: v.word_sum == 1 << v.config["random_bits"]),
    Point("word just does not carry", lambda v: (v.word_sum == (1 << v.config["random_bits"]) - 1) & (v.fraction > 0)),
    Point("fraction below the word is dropped", lambda v: (v.rest > 0) & (v.fraction == 0), (FRACTIONS,)),
]


def _top_code(config: Config) -> int:
    return {"fp32": 0x7F7FFFFF, "bf16": 0x7F7F, "fp16": 0x7BFF}[config["source"]]


def _largest_subnormal(config: Config) -> float:
    _, bottom, _ = SOURCES[config.get("source", "fp32")]
    return least_normal(config) - 2.0**bottom


def _subnormals_alone(view: QuantizeView) -> np.ndarray:
    alone = (view.subnormal | (view.x == 0)).all(axis=1)
    return alone & view.subnormal.any(axis=1)


def _only(view: QuantizeView, element: int) -> np.ndarray:
    bad = ~np.isfinite(view.x)
    return bad[:, element] & (bad.sum(axis=1) == 1)
