"""Test points of the converter from floats to blocks."""

from functools import cached_property

import numpy as np

from golden.catalog import get_format
from golden.formats import BlockFormat, ScaleRule
from tb.models import Batch, Config, as_blocks, random_words, to_float
from tb.testpoints import Need, Point

__all__ = ["QUANTIZE_POINTS", "STOCHASTIC_POINTS", "QuantizeView"]

# Significand bits, smallest subnormal's exponent, top binade of the source formats.
_SOURCES = {"fp32": (24, -149, 127), "bf16": (8, -133, 127), "fp16": (11, -24, 15)}


class QuantizeView:
    """Facts about a batch of blocks on their way to BFP: `x` (blocks, block) float32 values, `words` of SR or 0."""

    def __init__(self, config: Config, x: np.ndarray, outputs: Batch, words: np.ndarray | None) -> None:
        self.config, self.words = config, words if words is not None else np.zeros(x.shape, np.uint32)
        self.format = get_format(config.get("to", config["format"]))
        self.x, self.absolute = x, np.abs(x)
        self.blocks = as_blocks(self.format, outputs)
        self.poison = self.blocks.poison[:, 0]
        self.codes, self.exponent = self.blocks.codes[:, 0], self.blocks.exponents[:, 0]
        finite = ~self.poison[:, np.newaxis]
        # |x| in units of the block's last place; exact in float64, as both factors are
        with np.errstate(invalid="ignore"):
            shift = self.format.element.mantissa_bits - self.exponent[:, np.newaxis]
            self.scaled = np.where(finite, np.ldexp(np.where(finite, self.absolute, 0).astype(np.float64), shift), 0)
        self.floor = np.floor(self.scaled)
        self.rest = self.scaled - self.floor
        self.magnitude = self.codes & self.format.element.max_code
        self.maximum = np.where(self.poison, 0, np.where(finite, self.absolute, 0).max(axis=1))
        self.leader = self.absolute == self.maximum[:, np.newaxis]
        self.floor_exponent = np.frexp(self.maximum)[1]  # of the rule floor: e(max) + 1
        self.natural = (self.maximum > 0) & (self.floor_exponent >= self.format.scale.lowest)

    @classmethod
    def of_unit(cls, config: Config, inputs: Batch, outputs: Batch) -> "QuantizeView":
        """The view of a converter's own batch."""
        shape = (-1, get_format(config["format"]).block)
        x = to_float(inputs["value"], config["source"]).reshape(shape)
        stochastic = config["rounding"] == "sr"
        return cls(config, x, outputs, random_words(config, inputs, x.shape, config["lanes"]) if stochastic else None)

    @cached_property
    def last_transfer(self) -> np.ndarray:
        """Blocks of several transfers whose largest element comes with the last one."""
        early = self.leader[:, : -self.config["lanes"]]
        return ~self.poison & (self.maximum > 0) & (early.shape[1] > 0) & ~early.any(axis=1)

    @cached_property
    def saturated(self) -> np.ndarray:
        """Elements that rounding took past the largest mantissa."""
        top = self.format.element.max_code
        up = {"rne": self.rest >= 0.5, "rna": self.rest >= 0.5, "rtz": np.False_}.get(self.config["rounding"])
        if up is None:
            up = self.word_sum >= 1 << self.config["random_bits"]
        return self.floor + up > top

    @cached_property
    def fraction(self) -> np.ndarray:
        """The R uppermost bits below the last place, as SR sees them."""
        return np.floor(np.ldexp(self.rest, self.config["random_bits"])).astype(np.int64)

    @cached_property
    def word_sum(self) -> np.ndarray:
        """Fraction plus random word: a carry out of R bits rounds up."""
        return self.fraction + self.words.astype(np.int64)


def _target(config: Config) -> BlockFormat:
    return get_format(config.get("to", config["format"]))


def _precision(config: Config) -> int:
    return _SOURCES[config.get("source", "fp32")][0]


def _precise(config: Config) -> bool:
    """Whether the largest element of a block can have bits below its last place."""
    return _precision(config) > _target(config).element.mantissa_bits


def _clamps_above(config: Config) -> bool:
    return _SOURCES[config.get("source", "fp32")][2] + 1 > _target(config).scale.highest


def _clamps_below(config: Config) -> bool:
    return _SOURCES[config.get("source", "fp32")][1] + 1 < _target(config).scale.lowest


def _clamps(config: Config) -> bool:
    return _clamps_above(config) or _clamps_below(config)


def _small_elements(config: Config) -> bool:
    return _target(config).block > 1 or _clamps_below(config)


def _saturates(config: Config) -> bool:
    rule, rounding = config["scale_rule"], config["rounding"]
    unguarded = rule == ScaleRule.FLOOR or (rule == ScaleRule.EVEN and rounding == "sr")
    return _clamps_above(config) or (_precise(config) and unguarded and rounding != "rtz")


def _ties(config: Config) -> bool:
    return _target(config).block > 1 or _precise(config) or _clamps(config)


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
    lambda c: _precision(c) >= _target(c).element.mantissa_bits or _clamps_above(c),
)
TIES = Need("a source precise enough for ties", _ties)
# floor puts the largest element's leading one at the top; a single mantissa bit is then odd, or zero.
EVEN_TIES = Need(
    "an even mantissa below a tie",
    lambda c: _ties(c) and (_small_elements(c) or _target(c).element.mantissa_bits > 1),
)
ODD_TIES = Need(
    "an odd mantissa below a tie",
    lambda c: _ties(c) and (c["scale_rule"] == "floor" or _target(c).element.mantissa_bits > 1 or _clamps_above(c)),
)

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
    Point("negative rounds to zero", lambda v: (v.x < 0) & (v.magnitude == 0) & ~v.poison[:, np.newaxis], (PAIR,)),
    Point("far below the last place", lambda v: (v.scaled > 0) & (v.scaled < 2.0**-30), (PAIR,)),
    Point("largest mantissa", lambda v: v.magnitude == v.format.element.max_code, (FULL,)),
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


def _normal(config: Config) -> float:
    return 2.0**-14 if config.get("source") == "fp16" else 2.0**-126


def _only(view: QuantizeView, element: int) -> np.ndarray:
    bad = ~np.isfinite(view.x)
    return bad[:, element] & (bad.sum(axis=1) == 1)
