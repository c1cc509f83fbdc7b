"""Test points of the converter from blocks to floats."""

import numpy as np

from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, Specials
from tb.batches import Batch, Config, as_blocks, to_float
from tb.directed import MOST_BITS
from tb.testpoints import Need, Point, complete
from tb.view_dot import TARGETS, Rounded

__all__ = ["DEQUANTIZE_POINTS", "DequantizeView"]


class DequantizeView:
    """Facts about a batch of blocks on their way to FP32, BF16 or FP16."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        self.config = config
        self.blocks = as_blocks(get_format(config["format"]), inputs)
        self.format, self.element = self.blocks.format, self.blocks.format.element
        self.codes, self.poison = self.blocks.codes[:, 0], self.blocks.poison[:, 0]
        self.clean = ~self.poison[:, np.newaxis]
        self.mantissas = self.blocks.mantissas[:, 0]
        self.special = np.where(self.clean, self.blocks.specials[:, 0], np.float32(0))
        self.scales = self.blocks.scales[:, 0]
        self.exponent = np.where(self.poison, 0, self.blocks.exponents[:, 0])
        self.values = to_float(outputs["value"].reshape(self.codes.shape), config["target"])
        # in units of the block's smallest place, which its largest microexponent sets
        lsb = np.broadcast_to((self.exponent + self.format.unit_exponent)[:, np.newaxis], self.codes.shape)
        integers = np.where(self.clean, self.blocks.integers[:, 0], 0)
        self.rounded = Rounded(integers, lsb, self.values, config["target"])

    def every(self, values: np.ndarray, bits: int) -> np.ndarray:
        """All elements or blocks, if together they have every value of so many bits."""
        return complete(np.ones(values.shape, np.bool_), values, range(1 << bits))


def _format(config: Config) -> BlockFormat:
    return get_format(config["format"])


def _lowest_lsb(config: Config) -> int:
    return _format(config).scale.lowest + _format(config).unit_exponent


def _overflows(config: Config, magnitude: int) -> bool:
    """Whether an element of this magnitude, in its last places, reaches halfway above the target's largest value."""
    fmt, (precision, _, top) = _format(config), TARGETS[config["target"]]
    place = fmt.scale.highest + fmt.element.lsb_exponent - (top - precision)
    return magnitude << max(place, 0) >= ((2 << precision) - 1) << max(-place, 0)


def _precise(config: Config) -> bool:
    """Whether an element can have more bits than the target."""
    return _format(config).element.precision > TARGETS[config["target"]][0]


def _vanishes(config: Config) -> bool:
    return _lowest_lsb(config) < TARGETS[config["target"]][1]


SUBNORMAL = Need(
    "exponents below the target's normal range",
    lambda c: _lowest_lsb(c) < TARGETS[c["target"]][1] + TARGETS[c["target"]][0] - 1,
)
VANISH = Need("exponents below the target's range", _vanishes)
ROUNDS = Need("exponents below the target's range, or more bits than it has", lambda c: _vanishes(c) or _precise(c))
TWO = Need("two significant bits", lambda c: _format(c).element.precision > 1)
OVERFLOW = Need("exponents above the target's range", lambda c: _overflows(c, _format(c).element.max_integer))
OVERFLOW_DOWN = Need(
    "exponents above the target's range", lambda c: _overflows(c, _format(c).element.largest_code_integer)
)
MINUS_ZERO = Need(
    "a sign apart from the magnitude",
    lambda c: _format(c).element.encoding is not ElementEncoding.TWOS_COMPLEMENT,
    meaning=True,
)
FLOATS = Need("minifloat elements", lambda c: _format(c).element.is_float, meaning=True)
TWOS = Need("two's complement", lambda c: _format(c).element.encoding is ElementEncoding.TWOS_COMPLEMENT, meaning=True)
NAN = Need("NaN elements", lambda c: _format(c).element.specials is not Specials.NONE, meaning=True)
INFINITE = Need("infinite elements", lambda c: _format(c).element.specials is Specials.IEEE, meaning=True)
SHIFTS = Need("microexponents", lambda c: _format(c).microexponents > 0, meaning=True)
CODES = Need("elements of up to 8 bits", lambda c: _format(c).element.bits <= MOST_BITS, exact=False)
SCALES = Need("exponents of up to 8 bits", lambda c: _format(c).scale.bits <= MOST_BITS, exact=False)

DEQUANTIZE_POINTS = [
    Point("zero block", lambda v: ~v.poison & ~v.mantissas.any(axis=1) & ~v.special.any(axis=1)),
    Point("minus zero received", lambda v: (v.codes == 1 << v.element.bits - 1) & v.clean, (MINUS_ZERO,)),
    Point("minus zero kept", lambda v: (v.mantissas == 0) & (v.values == 0) & np.signbit(v.values), (FLOATS,)),
    Point("single non-zero", lambda v: np.count_nonzero(v.mantissas, axis=1) == 1),
    Point("largest mantissas", lambda v: (np.abs(v.mantissas) == v.element.max_integer).all(axis=1)),
    Point("lowest two's-complement element", lambda v: (v.codes == 1 << v.element.bits - 1) & v.clean, (TWOS,)),
    Point("mantissa of one", lambda v: np.abs(v.mantissas) == 1),
    Point("NaN element", lambda v: np.isnan(v.special), (NAN,)),
    Point("+Inf element", lambda v: np.isposinf(v.special), (INFINITE,)),
    Point("-Inf element", lambda v: np.isneginf(v.special), (INFINITE,)),
    Point("every element code", lambda v: v.every(np.where(v.clean, v.codes, 0), v.element.bits), (CODES,)),
    Point("every exponent", lambda v: v.every(v.scales, v.format.scale.bits), (SCALES,)),
    Point("every microexponent", lambda v: v.every(v.blocks.microexponents, v.format.microexponent_bits), (SHIFTS,)),
    Point("poison", lambda v: v.poison),
    Point("poison with mantissas", lambda v: v.poison & v.codes.any(axis=1)),
    Point("lowest exponent", lambda v: (v.exponent == v.format.scale.lowest) & v.mantissas.any(axis=1)),
    Point("highest exponent", lambda v: (v.exponent == v.format.scale.highest) & v.mantissas.any(axis=1)),
    Point(
        "subnormal result",
        lambda v: (v.values != 0) & (np.abs(v.values) < 2.0 ** sum((*TARGETS[v.config["target"]][:2], -1))),
        (SUBNORMAL,),
    ),
    Point("tie, down to even", lambda v: v.rounded.tie & ~v.rounded.up, (ROUNDS,)),
    Point("tie, up to even", lambda v: v.rounded.tie & v.rounded.up, (ROUNDS, TWO)),
    Point("rounds up", lambda v: v.rounded.up & ~v.rounded.tie, (ROUNDS, TWO)),
    Point("underflows to -0", lambda v: (v.mantissas < 0) & (v.values == 0), (VANISH,)),
    Point("overflows to +Inf", lambda v: np.isposinf(v.values) & (v.special == 0), (OVERFLOW,)),
    Point("overflows to -Inf", lambda v: np.isneginf(v.values) & (v.special == 0), (OVERFLOW_DOWN,)),
]
