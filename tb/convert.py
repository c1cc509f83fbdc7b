"""The bench of the converter between block formats: its model, its batches, its test points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import elements
from golden.catalog import get_format
from golden.conversion import convert
from golden.formats import BlockFormat, Specials
from tb.batches import Batch, Config, as_blocks, block_fields, chunked, element_field, exponent_codes, stitch
from tb.directed import MOST_BITS, blocks_of_all_codes
from tb.operands import Rng, choice, element_codes, element_patterns, microexponent_codes
from tb.testpoints import Need, Point, complete

__all__ = ["CONVERT_POINTS", "ConvertView", "convert_batch", "convert_corners", "convert_model"]

Columns = dict[str, NDArray[Any]]
Mask = NDArray[np.bool_]

_SCALES = {"any": 4, "middle": 4, "lowest": 1, "highest": 1, "low end": 2, "high end": 2, "poison": 1}


def _formats(config: Config) -> tuple[BlockFormat, BlockFormat]:
    return get_format(config["format"]), get_format(config["to"])


def convert_model(config: Config, inputs: Batch) -> Columns:
    """Output transfers."""
    source, target = _formats(config)
    how = {name: config[name] for name in ("inexact", "rounding", "scale_rule")}
    parts = [convert(as_blocks(source, chunk), target, **how) for chunk in chunked(inputs, source.block)]
    return stitch([block_fields(part) for part in parts])


def convert_batch(config: Config, count: int, rng: Rng) -> Columns:
    """Random blocks; a third of them lie where the range of either format ends."""
    source, target = _formats(config)
    low, high = source.scale.lowest, source.scale.highest
    # Scales under which the largest element reaches the target's lowest and highest one
    reach = target.element.emax - source.element.emax
    ends = [end + reach for end in (target.scale.lowest, target.scale.highest)]
    kinds, near = choice(_SCALES, count, rng), rng.integers(-4, 5, count)
    scales = np.select(
        [kinds == name for name in ("middle", "lowest", "highest", "low end", "high end")],
        [near, low, high, ends[0] + near, ends[1] + near],
        rng.integers(low, high + 1, count),
    )
    codes = element_codes(source, choice(element_patterns(source), count, rng), rng)
    quiet = rng.random(codes.shape) < rng.choice([0.0, 0.9], (count, 1))  # groups that are zero, lone elements
    codes[quiet] = 0
    batch: Columns = {
        element_field(source): codes,
        "exponent": exponent_codes(source, np.clip(scales, low, high), kinds == "poison"),
    }
    return batch | ({"microexponent": microexponent_codes(source, count, rng)} if source.microexponents else {})


def convert_corners(config: Config, rng: Rng) -> Columns:
    """Every code and every scale, and enough of the random blocks to meet every test point."""
    return stitch([convert_batch(config, 1500, rng), blocks_of_all_codes(_formats(config)[0], rng)])


class ConvertView:
    """Facts about a batch of blocks (n, block) on their way from one format to another, in units of the source."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        source, target = _formats(config)
        self.a, self.b = as_blocks(source, inputs), as_blocks(target, outputs)
        self.codes, self.made = self.a.codes[:, 0], self.b.codes[:, 0]
        self.poison, self.became = self.a.poison[:, 0], self.b.poison[:, 0]
        self.special = np.where(self.poison[:, np.newaxis], np.float32(0), self.a.specials[:, 0])
        self.clean = ~self.became
        # Exact in float64: integers of 40 bits at most, a few hundred binades apart.
        away = np.where(self.clean, self.b.unit_exponents[:, 0] - self.a.unit_exponents[:, 0], 0)
        self.exact = np.where(self.clean[:, np.newaxis], self.a.integers[:, 0], 0).astype(np.float64)
        self.result = np.ldexp(self.b.integers[:, 0].astype(np.float64), away[:, np.newaxis])
        self.lost = np.abs(self.exact) - np.abs(self.result)  # positive where the magnitude became smaller
        self.step = np.ldexp(1.0, away[:, np.newaxis] + self._last_place())
        self.top = (self.made & ((1 << target.element.bits - 1) - 1)) == target.element.max_code
        # Elements that are past the largest one are cut there; the others are rounded.
        self.clipped = self.top & (self.lost >= self.step)
        self.rounded = self.clean[:, np.newaxis] & ~self.clipped

    def _last_place(self) -> NDArray[np.int64]:
        """Exponent of each result's last place in the unit of its block."""
        target = self.b.format
        place = np.broadcast_to(
            elements.unpack(self.made, target.element)[2] - target.element.lsb_exponent, self.made.shape
        )
        if self.b.microexponents is None:
            return place
        above = target.max_microexponent - self.b.microexponents[:, 0].astype(np.int64)
        return place + np.repeat(above, target.subblock, axis=1)

    @property
    def tie(self) -> Mask:
        """Elements exactly between two of the target."""
        return self.rounded & (2 * np.abs(self.lost) == self.step)

    @property
    def next_exponent(self) -> NDArray[np.float64]:
        """How far a block's exponent lies above what its largest element asks for, where its range does not matter."""
        target, made = self.b.format, self.b.exponents[:, 0]
        inside = self.clean & (made > target.scale.lowest) & (made < target.scale.highest) & self.exact.any(axis=1)
        asked = np.frexp(np.abs(self.exact).max(axis=1))[1] - 1 - target.element.emax
        return np.where(inside, made - self.a.unit_exponents[:, 0] - asked, np.nan)

    def every(self, values: NDArray[Any], bits: int) -> Mask:
        """All of a kind, if together they have every value of so many bits."""
        return complete(np.ones(values.shape, np.bool_), values, range(1 << bits))


def _source(config: Config) -> BlockFormat:
    return get_format(config["format"])


def _target(config: Config) -> BlockFormat:
    return get_format(config["to"])


def _drops(config: Config) -> int:
    """Places that the target's largest element has fewer than the source's: those that rounding looks at."""
    return _source(config).element.precision - _target(config).element.precision


def _nearest(config: Config) -> bool:
    return config["inexact"] == "round" and config["rounding"] != "rtz" and _drops(config) >= 1


def _minus_zero(view: ConvertView) -> Mask:
    source = view.a.format.element
    return (view.codes == 1 << source.bits - 1) & view.clean[:, np.newaxis]


def _reaches(config: Config, top: bool) -> bool:
    """Whether the source's exponents end beyond the target's."""
    source, target = _source(config), _target(config)
    if top:
        return source.scale.highest + source.element.emax > target.scale.highest + target.element.emax
    return source.scale.lowest + source.element.lsb_exponent < target.scale.lowest + target.element.emax


NAN = Need("NaN elements", lambda c: _source(c).element.specials is not Specials.NONE, meaning=True)
INFINITE = Need("infinite elements", lambda c: _source(c).element.specials is Specials.IEEE, meaning=True)
SHIFTS = Need("microexponents", lambda c: _source(c).microexponents > 0, meaning=True)
TARGET_SHIFTS = Need("microexponents in the target", lambda c: _target(c).microexponents > 0, meaning=True)
CODES = Need("elements of up to 8 bits", lambda c: _source(c).element.bits <= MOST_BITS, exact=False)
SCALES = Need("exponents of up to 8 bits", lambda c: _source(c).scale.bits <= MOST_BITS, exact=False)
KEEPS = Need(
    "minifloats on both sides", lambda c: _source(c).element.is_float and _target(c).element.is_float, meaning=True
)
LOSES_SIGN = Need(
    "an integer mantissa in the target",
    lambda c: _source(c).element.is_float and not _target(c).element.is_float,
    meaning=True,
)
RULE = Need(
    "scale rule ceil or even, to fewer bits", lambda c: c["scale_rule"] != "floor" and _drops(c) >= 1, exact=False
)
NEAREST = Need("rounding to nearest, to fewer bits", _nearest, exact=False)
ROUNDS = Need("rounding to fewer bits", lambda c: c["inexact"] == "round" and _drops(c) >= 1, exact=False)
EVEN = Need("rounding rne", lambda c: c["rounding"] == "rne" and _nearest(c), exact=False)
ABOVE = Need("exponents above the target's", lambda c: _reaches(c, top=True), exact=False)
BELOW = Need("values below the target's lowest scale", lambda c: _reaches(c, top=False), exact=False)

CONVERT_POINTS = [
    Point("all-zero block", lambda v: v.clean & ~v.exact.any(axis=1)),
    Point("poison", lambda v: v.poison),
    Point("poison with elements", lambda v: v.poison & v.codes.any(axis=1)),
    Point("a NaN element poisons its block", lambda v: np.isnan(v.special).any(axis=1) & v.became, (NAN,)),
    Point("an infinite element poisons its block", lambda v: np.isinf(v.special).any(axis=1) & v.became, (INFINITE,)),
    Point("every element code", lambda v: v.every(v.codes, v.a.format.element.bits), (CODES,)),
    Point("every exponent", lambda v: v.every(v.a.scales[:, 0], v.a.format.scale.bits), (SCALES,)),
    Point(
        "every microexponent",
        lambda v: v.every(v.a.microexponents[:, 0], v.a.format.microexponent_bits).any(axis=1),
        (SHIFTS,),
    ),
    Point(
        "every microexponent made",
        lambda v: v.every(v.b.microexponents[:, 0], v.b.format.microexponent_bits).any(axis=1),
        (TARGET_SHIFTS,),
    ),
    Point("minus zero kept", lambda v: _minus_zero(v) & (v.made == 1 << v.b.format.element.bits - 1), (KEEPS,)),
    Point("minus zero becomes zero", lambda v: _minus_zero(v) & (v.made == 0), (LOSES_SIGN,)),
    Point("single element", lambda v: v.clean & (np.count_nonzero(v.exact, axis=1) == 1)),
    Point("exact element", lambda v: v.rounded & (v.exact != 0) & (v.lost == 0)),
    Point("scale rule keeps the exponent", lambda v: v.next_exponent == 0),
    Point("scale rule takes the next exponent", lambda v: v.next_exponent == 1, (RULE,)),
    Point("rounds down", lambda v: v.rounded & (v.lost > 0) & ~v.tie, (ROUNDS,)),
    Point("rounds up", lambda v: v.rounded & (v.lost < 0) & ~v.tie, (NEAREST,)),
    Point("tie, down to even", lambda v: v.tie & (v.lost > 0), (EVEN,)),
    Point("tie, up", lambda v: v.tie & (v.lost < 0), (NEAREST,)),
    Point("saturates", lambda v: v.clean[:, np.newaxis] & v.top & (v.lost > 0), (ROUNDS,)),
    Point("exponent clamped from above", lambda v: v.clean & v.clipped.any(axis=1), (ABOVE,)),
    Point(
        "exponent clamped from below",
        lambda v: v.clean & (v.b.exponents[:, 0] == v.b.format.scale.lowest) & v.exact.any(axis=1),
        (BELOW,),
    ),
]
