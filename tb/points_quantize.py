"""Test points of the converter from floats to blocks."""

import numpy as np

from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, ScaleRule, Specials
from tb.batches import Config, to_float
from tb.directed import MOST_BITS, MOST_STEPS, thresholds
from tb.testpoints import Need, Point, complete
from tb.view_quantize import SOURCES, QuantizeView

__all__ = ["QUANTIZE_POINTS", "STOCHASTIC_POINTS"]


def _target(config: Config) -> BlockFormat:
    return get_format(config.get("to", config["format"]))


def _precision(config: Config) -> int:
    return SOURCES[config.get("source", "fp32")][0]


def _precise(config: Config) -> bool:
    """Whether the largest element of a block can have bits below its last place."""
    return _precision(config) > _target(config).element.precision


def _top(config: Config) -> int:
    """What the largest value asks of the shared exponent under the rule floor."""
    return SOURCES[config.get("source", "fp32")][2] - _target(config).element.emax


def _clamps_above(config: Config) -> bool:
    return _top(config) > _target(config).scale.highest


def _clamps_below(config: Config) -> bool:
    fmt = _target(config)
    return SOURCES[config.get("source", "fp32")][1] - fmt.element.emax < fmt.scale.lowest


def _small_elements(config: Config) -> bool:
    return _target(config).block > 1 or _clamps_below(config)


def _saturates(config: Config) -> bool:
    rule, rounding, fmt = config["scale_rule"], config["rounding"], _target(config)
    if _clamps_above(config):
        return True
    # The codes above the largest are not numbers: what would round to them, or be cut to them, saturates.
    if fmt.element.specials is Specials.NAN and rule != ScaleRule.CEIL:
        return True
    unguarded = rule == ScaleRule.FLOOR or (rule == ScaleRule.EVEN and rounding == "sr")
    unguarded |= _top(config) + 1 > fmt.scale.highest  # where the rule wants one more than there is
    return _precise(config) and unguarded and rounding != "rtz"


def _ties(config: Config) -> bool:
    return _target(config).block > 1 or _precise(config) or _clamps_above(config) or _clamps_below(config)


def _far(config: Config) -> bool:
    """Whether the least value can lie 30 places below the last one."""
    fmt, (_, bottom, _) = _target(config), SOURCES[config.get("source", "fp32")]
    return min(_top(config), fmt.scale.highest) + fmt.element.lsb_exponent - 30 > bottom


def _whole_pairs(config: Config) -> bool:
    """Whether every pair that shares a microexponent holds one of the largest elements of `directed.all_values`."""
    fmt = _target(config)
    return fmt.block > 1 and (fmt.subblock % 2 == 0 or not fmt.microexponents)


PAIR = Need("elements below the largest one", _small_elements)
FRACTIONS = Need("a block of two", lambda c: _target(c).block > 1, exact=False)
PORT = Need("random words on a port", lambda c: c["random"] == "port", exact=False)
LANES = Need("several transfers a block", lambda c: c["lanes"] < _target(c).block)
SATURATES = Need("a rounding that can pass the largest mantissa under its scale rule", _saturates)
ABOVE = Need("exponents below the source's top", _clamps_above)
BELOW = Need("exponents above the source's bottom", _clamps_below)
BUMP = Need(
    "a scale rule that looks ahead, and a source precise enough to trigger it",
    lambda c: c["scale_rule"] != ScaleRule.FLOOR and _precise(c),
)
FULL = Need(
    "a source as precise as a mantissa",
    lambda c: _precision(c) >= _target(c).element.precision or _clamps_above(c),
)
TIES = Need("a source precise enough for ties", _ties)
# floor puts the largest element's leading one at the top; a single mantissa bit is then odd, or zero.
EVEN_TIES = Need(
    "an even mantissa below a tie",
    lambda c: _ties(c) and (_small_elements(c) or _target(c).element.precision > 1),
)
ODD_TIES = Need(
    "an odd mantissa below a tie",
    lambda c: _ties(c) and (c["scale_rule"] == "floor" or _target(c).element.precision > 1 or _clamps_above(c)),
)

FAR = Need("values 2^-30 below a last place", _far, exact=False)
CODES = Need("elements of up to 8 bits", lambda c: _target(c).element.bits <= MOST_BITS, exact=False)
SHORT = Need(
    "a block in a few transfers",
    lambda c: _target(c).block // c.get("lanes", _target(c).block) <= MOST_STEPS and "to" not in c,
    exact=False,
)
PAIRED = Need("a block of two or more, in even pairs", _whole_pairs, exact=False)
FLOATS = Need("minifloat elements", lambda c: _target(c).element.is_float, meaning=True)
SUBNORMALS = Need("a fraction", lambda c: _target(c).element.mantissa_bits > 0)
UP = Need("a rounding that goes up", lambda c: c["rounding"] != "rtz")
CARRIES = Need(
    "minifloat elements and a rounding that goes up",
    lambda c: _target(c).element.is_float and _small_elements(c) and c["rounding"] != "rtz",
    meaning=True,
)
TURNS = Need(
    "a scale rule that looks ahead, with a threshold that the source can hold",
    lambda c: c["scale_rule"] != ScaleRule.FLOOR and _precision(c) > _target(c).element.precision,
    meaning=True,
)
# The threshold of `even` has one bit more than an element, the next number below the next binade yet another.
ABOVE_IT = Need(
    "a source precise enough to lie between the threshold and the next binade",
    lambda c: _precision(c) > _target(c).element.precision + (c["scale_rule"] == ScaleRule.EVEN),
)
BELOW_IT = Need("a threshold inside a binade", lambda c: thresholds(_target(c)).get(c["scale_rule"], 0) > 1)
SHIFTS = Need("microexponents", lambda c: _target(c).microexponents > 0, meaning=True)
PAIRS = Need("two pairs", lambda c: _target(c).microexponents > 1)


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
    precision, bottom, top = SOURCES[view.config.get("source", "fp32")]
    return complete(view.maximum > 0, view.floor_exponent + view.element.emax, range(bottom + precision - 1, top + 1))


def _from_threshold(view: QuantizeView) -> np.ndarray:
    """Significands of maxima, in [1, 2), less the one on which the scale rule turns; 9 where there is none."""
    significand = 2 * np.frexp(view.maximum)[0]
    return np.where(view.natural, significand - thresholds(view.format)[view.config["scale_rule"]], 9.0)


def _near_threshold(view: QuantizeView, side: int) -> np.ndarray:
    """Maxima one last place of the source, or a little more, beside the threshold."""
    distance = side * _from_threshold(view)
    return (distance > 0) & (distance <= 4 * 2.0 ** -_precision(view.config))


def _every_microexponent(view: QuantizeView) -> np.ndarray:
    values = range(view.format.max_microexponent + 1)
    busy = (view.pair_maximum > 0) & view.clean
    return complete(busy, view.shared, values)


def _moves_pair(view: QuantizeView) -> np.ndarray:
    """Pairs, in blocks whose own exponent stays, that the rule lifts by one."""
    stays = (view.exponent == view.floor_exponent)[:, np.newaxis] & view.clean
    inside = (view.pair_distance > 0) & (view.pair_distance <= view.format.max_microexponent)
    return stays & inside & (view.shared == view.pair_distance - 1)


QUANTIZE_POINTS = [
    Point("all-zero block", lambda v: (v.maximum == 0) & ~v.poison),
    Point("minus zeros only", lambda v: (v.maximum == 0) & ~v.poison & np.signbit(v.x).all(axis=1)),
    Point("single non-zero", lambda v: ((v.x != 0).sum(axis=1) == 1) & ~v.poison),
    Point(
        "largest finite everywhere",
        lambda v: (v.absolute == to_float(np.array([_top_code(v.config)]), v.config["source"])).all(axis=1),
    ),
    Point("subnormal element", lambda v: (v.absolute > 0) & (v.absolute < _normal(v.config))),
    Point("block of subnormals", lambda v: (v.maximum > 0) & (v.maximum < _normal(v.config))),
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

# What only some formats have, and sets to be driven in full.
QUANTIZE_POINTS += [
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


def _normal(config: Config) -> float:
    return 2.0**-14 if config.get("source") == "fp16" else 2.0**-126


def _only(view: QuantizeView, element: int) -> np.ndarray:
    bad = ~np.isfinite(view.x)
    return bad[:, element] & (bad.sum(axis=1) == 1)
