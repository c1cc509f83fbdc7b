"""Test points of conversions that only some formats or scale rules have, and of sets to be driven in full."""

import numpy as np

from golden.formats import ElementEncoding, ScaleRule
from tb.batches import Config
from tb.directed import MOST_BITS, MOST_STEPS, thresholds
from tb.points_quantize import BUMP, PAIR, precision, small_elements, target
from tb.testpoints import Need, Point, complete
from tb.view_quantize import SOURCES, QuantizeView

__all__ = ["QUANTIZE_FORMAT_POINTS"]


def _whole_pairs(config: Config) -> bool:
    """Whether every pair that shares a microexponent holds one of the largest elements of `directed.all_values`."""
    fmt = target(config)
    return fmt.block > 1 and (fmt.subblock % 2 == 0 or not fmt.microexponents)


CODES = Need("elements of up to 8 bits", lambda c: target(c).element.bits <= MOST_BITS, exact=False)
SHORT = Need(
    "a block in a few transfers",
    lambda c: target(c).block // c["lanes"] <= MOST_STEPS,
    exact=False,
)
PAIRED = Need("a block of two or more, in even pairs", _whole_pairs, exact=False)
FLOATS = Need("minifloat elements", lambda c: target(c).element.is_float, meaning=True)
SUBNORMALS = Need("a fraction", lambda c: target(c).element.mantissa_bits > 0)
UP = Need("a rounding that goes up", lambda c: c["rounding"] != "rtz")
CARRIES = Need(
    "minifloat elements and a rounding that goes up",
    lambda c: target(c).element.is_float and small_elements(c) and c["rounding"] != "rtz",
    meaning=True,
)
TURNS = Need(
    "a scale rule that looks ahead, with a threshold that the source can hold",
    lambda c: c["scale_rule"] != ScaleRule.FLOOR and precision(c) > target(c).element.precision,
    meaning=True,
)
# The threshold of `even` has one bit more than an element, the next number below the next binade yet another.
ABOVE_IT = Need(
    "a source precise enough to lie between the threshold and the next binade",
    lambda c: precision(c) > target(c).element.precision + (c["scale_rule"] == ScaleRule.EVEN),
)
BELOW_IT = Need("a threshold inside a binade", lambda c: thresholds(target(c)).get(c["scale_rule"], 0) > 1)
SHIFTS = Need("microexponents", lambda c: target(c).microexponents > 0, meaning=True)
PAIRS = Need("two pairs", lambda c: target(c).microexponents > 1)


def _every_code(view: QuantizeView) -> np.ndarray:
    """Every code that a converter makes: finite ones, and a minus zero only in minifloats."""
    element = view.element
    codes = np.arange(1 << element.bits)
    magnitude, sign = codes & ((1 << element.bits - 1) - 1), codes >> element.bits - 1
    made = magnitude <= element.max_code
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        made = codes != 1 << element.bits - 1
    elif not element.is_float:
        made &= (magnitude > 0) | (sign == 0)
    return complete(np.broadcast_to(view.clean, view.codes.shape), view.codes, codes[made].tolist())


def _every_binade(view: QuantizeView) -> np.ndarray:
    """A block's maximum with every exponent of the source's normal numbers."""
    bits, bottom, top = SOURCES[view.config["source"]]
    return complete(view.maximum > 0, view.floor_exponent + view.element.emax, range(bottom + bits - 1, top + 1))


def _from_threshold(view: QuantizeView) -> np.ndarray:
    """Significands of maxima, in [1, 2), less the one on which the scale rule turns; 9 where there is none."""
    significand = 2 * np.frexp(view.maximum)[0]
    return np.where(view.natural, significand - thresholds(view.format)[view.config["scale_rule"]], 9.0)


def _near_threshold(view: QuantizeView, side: int) -> np.ndarray:
    """Maxima one last place of the source, or a little more, beside the threshold."""
    distance = side * _from_threshold(view)
    return (distance > 0) & (distance <= 4 * 2.0 ** -precision(view.config))


def _every_microexponent(view: QuantizeView) -> np.ndarray:
    values = range(view.format.max_microexponent + 1)
    busy = (view.pair_maximum > 0) & view.clean
    return complete(busy, view.shared, values)


def _moves_pair(view: QuantizeView) -> np.ndarray:
    """Pairs, in blocks whose own exponent stays, that the rule lifts by one."""
    stays = (view.exponent == view.floor_exponent)[:, np.newaxis] & view.clean
    inside = (view.pair_distance > 0) & (view.pair_distance <= view.format.max_microexponent)
    return stays & inside & (view.shared == view.pair_distance - 1)


QUANTIZE_FORMAT_POINTS = [
    Point("every element code", lambda v: _every_code(v), (CODES, SHORT, PAIRED)),
    Point("a maximum in every binade", lambda v: _every_binade(v), (SHORT,)),
    Point("maximum on the scale rule's threshold", lambda v: _from_threshold(v) == 0, (TURNS, SHORT)),
    Point("maximum just above the threshold", lambda v: _near_threshold(v, 1), (TURNS, ABOVE_IT, SHORT)),
    Point("maximum just below the threshold", lambda v: _near_threshold(v, -1), (TURNS, BELOW_IT, SHORT)),
    Point("minus zero stored", lambda v: (v.codes == 1 << v.element.bits - 1) & v.clean, (FLOATS,)),
    Point("subnormal element stored", lambda v: (v.magnitude > 0) & (v.magnitude < v.normal), (FLOATS, SUBNORMALS)),
    Point("rounds to the least element", lambda v: (v.magnitude == 1) & (v.floor == 0), (PAIR, UP)),
    Point("rounds up to the first normal element", lambda v: (v.floor == v.normal - 1) & v.up & v.least, (CARRIES,)),
    Point("rounds up into the next binade", lambda v: v.up & (v.floor == 2 * v.normal - 1) & ~v.saturated, (CARRIES,)),
    Point("tie of a subnormal element", lambda v: (v.rest == 0.5) & v.least & (v.floor < v.normal), (FLOATS, PAIR)),
    Point("every microexponent", lambda v: _every_microexponent(v), (SHIFTS,)),
    Point("pair at the last microexponent", lambda v: v.pair_distance == v.format.max_microexponent, (SHIFTS, PAIRS)),
    Point("pair below the last microexponent", lambda v: v.pair_distance > v.format.max_microexponent, (SHIFTS, PAIRS)),
    Point(
        "zero pair beside others",
        lambda v: (v.pair_maximum == 0) & (v.pair_maximum > 0).any(1)[:, None],
        (SHIFTS, PAIRS),
    ),
    Point("scale rule moves a pair alone", lambda v: _moves_pair(v), (SHIFTS, PAIRS, BUMP)),
]
