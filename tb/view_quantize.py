"""Facts about a batch of values on their way to blocks, from which test points are told: places, rests, roundings."""

from functools import cached_property

import numpy as np

from golden.catalog import get_format
from tb.batches import Batch, Config, as_blocks, flushes, to_float
from tb.models import random_words

__all__ = ["SOURCES", "QuantizeView", "least_normal"]

# Significand bits, smallest subnormal's exponent, top binade of the source formats.
SOURCES = {"fp32": (24, -149, 127), "bf16": (8, -133, 127), "fp16": (11, -24, 15)}


def least_normal(config: Config) -> float:
    """The source's least normal number; sums, which a tile converts, are FP32."""
    bits, bottom, _ = SOURCES[config.get("source", "fp32")]
    return 2.0 ** (bottom + bits - 1)


class QuantizeView:
    """Facts about a batch of values on their way to blocks: `x` (blocks, block) float32 values, `words` of SR or 0.

    Where subnormals are flushed `x`, and all that follows from it, has zeros for them; `given` magnitudes do not.
    """

    def __init__(self, config: Config, x: np.ndarray, outputs: Batch, words: np.ndarray | None) -> None:
        self.config, self.words = config, words if words is not None else np.zeros(x.shape, np.uint32)
        self.given = np.abs(x)
        self.subnormal = (self.given > 0) & (self.given < least_normal(config))
        if flushes(config):
            x = np.where(self.subnormal, np.copysign(np.float32(0), x), x)
        self.format = get_format(config.get("to", config["format"]))
        self.element = self.format.element
        self.x, self.absolute = x, np.abs(x)
        self.blocks = as_blocks(self.format, outputs)
        self.poison = self.blocks.poison[:, 0]
        self.clean = ~self.poison[:, np.newaxis]
        self.codes, self.exponent = self.blocks.codes[:, 0], self.blocks.exponents[:, 0]
        self.finite = np.where(self.clean, self.absolute, 0).astype(np.float64)
        self.binade = np.frexp(self.finite)[1] - 1  # floor(log2 |x|), exact
        place = np.broadcast_to(self.exponent[:, np.newaxis] + self.element.lsb_exponent, x.shape)
        if self.blocks.microexponents is not None:
            self.shared = self.blocks.microexponents[:, 0].astype(np.int64)
            place = place - np.repeat(self.shared, self.format.subblock, axis=1)
        self.lowest_place = place
        if self.element.is_float:
            place = np.maximum(place, np.where(self.finite > 0, self.binade - self.element.mantissa_bits, place))
        self.place = place
        # |x| in units of the element's last place; exact in float64, as both factors are
        self.scaled = np.ldexp(self.finite, -place)
        self.floor = np.floor(self.scaled)
        self.rest = self.scaled - self.floor
        self.magnitude = np.abs(self.blocks.mantissas[:, 0])
        self.maximum = self.finite.max(axis=1)
        self.leader = self.absolute == self.maximum[:, np.newaxis]
        self.floor_exponent = np.frexp(self.maximum)[1] - 1 - self.element.emax  # of the rule floor
        self.natural = (self.maximum > 0) & (self.floor_exponent >= self.format.scale.lowest)

    @classmethod
    def of_unit(cls, config: Config, inputs: Batch, outputs: Batch) -> "QuantizeView":
        """The view of a converter's own batch."""
        shape = (-1, get_format(config["format"]).block)
        x = to_float(inputs["value"], config["source"]).reshape(shape)
        stochastic = config["rounding"] == "sr"
        return cls(config, x, outputs, random_words(config, inputs, x.shape, config["lanes"]) if stochastic else None)

    @property
    def normal(self) -> int:
        """The least significand of a normal minifloat element: a last place is one, whatever the exponent."""
        return 1 << self.element.mantissa_bits

    @property
    def least(self) -> np.ndarray:
        """Elements rounded at the smallest place of their block."""
        return (self.place == self.lowest_place) & (self.finite > 0)

    @cached_property
    def last_transfer(self) -> np.ndarray:
        """Blocks of several transfers whose largest element comes with the last one."""
        early = self.leader[:, : -self.config["lanes"]]
        return ~self.poison & (self.maximum > 0) & (early.shape[1] > 0) & ~early.any(axis=1)

    @cached_property
    def up(self) -> np.ndarray:
        """Elements whose magnitude rounding raises by a last place."""
        odd = self.floor % 2 == 1
        match self.config["rounding"]:
            case "rne":
                return (self.rest > 0.5) | ((self.rest == 0.5) & odd)
            case "rna":
                return self.rest >= 0.5
            case "rtz":
                return np.zeros(self.rest.shape, np.bool_)
        return self.word_sum >= 1 << self.config["random_bits"]

    @cached_property
    def saturated(self) -> np.ndarray:
        """Elements that rounding took past the largest magnitude."""
        return np.ldexp(self.floor + self.up, self.place - self.lowest_place) > self.element.max_integer

    @cached_property
    def pair_maximum(self) -> np.ndarray:
        """Largest magnitudes (blocks, pairs) of what shares a microexponent."""
        return self.finite.reshape(len(self.finite), -1, self.format.subblock).max(axis=2)

    @cached_property
    def pair_distance(self) -> np.ndarray:
        """Binades from a pair's maximum up to its block's, by the rule floor; -1 for zeros."""
        block, pair = (np.frexp(x)[1] for x in (self.maximum[:, np.newaxis], self.pair_maximum))
        return np.where(self.pair_maximum > 0, block - pair, -1)

    @cached_property
    def fraction(self) -> np.ndarray:
        """The R uppermost bits below the last place, as SR sees them."""
        return np.floor(np.ldexp(self.rest, self.config["random_bits"])).astype(np.int64)

    @cached_property
    def word_sum(self) -> np.ndarray:
        """Fraction plus random word: a carry out of R bits rounds up."""
        return self.fraction + self.words.astype(np.int64)
