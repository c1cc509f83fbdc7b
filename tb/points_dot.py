"""Test points of the dot product and its accumulators."""

import numpy as np

from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, Specials
from tb.batches import Config, group_blocks
from tb.models_dot import sum_facts
from tb.scenarios import powers
from tb.testpoints import Need, Point

__all__ = ["ACCUMULATE_POINTS", "BLOCK_POINTS", "FLOAT_POINTS"]


def _largest(config: Config) -> int:
    """Of the sum of a transfer, in units of its smallest product."""
    return group_blocks(config) * sum_facts(config).most


def _overflows(config: Config) -> bool:
    # The largest result reaches halfway between FLT_MAX and 2^128.
    high = sum_facts(config).highest
    return _largest(config) << max(high, 0) >= ((1 << 25) - 1) << 103 + max(-high, 0)


def _inexact(config: Config) -> bool:
    # A group of the mode f25 has 25 bits with the sign: it fits.
    wide = config.get("mode") != "f25" and max(_largest(config), -sum_facts(config).least).bit_length() > 24
    return wide or sum_facts(config).lowest <= -150


def _formats(config: Config) -> tuple[BlockFormat, BlockFormat]:
    return get_format(config["format"]), get_format(config["format_b"])


def _has_infinities(config: Config) -> bool:
    return any(f.element.specials is Specials.IEEE for f in _formats(config))


def _encoding(config: Config) -> ElementEncoding:
    return get_format(config["format"]).element.encoding


TOP = Need(
    "blocks of 2^127 or more",
    lambda c: _largest(c) << max(sum_facts(c).highest, 0) >= 1 << 127 + max(-sum_facts(c).highest, 0),
)
# Smaller blocks can add up to an infinity too, but only in sums longer than is worth simulating.
GROWS = Need("terms of 2^127", lambda c: powers(c)[1] >= 127, exact=False)
INFINITE_ONE = Need("terms of 2^128", lambda c: powers(c)[1] >= 128 or _has_infinities(c), exact=False)
PAIR = Need("two elements", lambda c: get_format(c["format"]).block * group_blocks(c) > 1)
MINUS_ZERO = Need(
    "a sign apart from the magnitude", lambda c: _encoding(c) is not ElementEncoding.TWOS_COMPLEMENT, meaning=True
)
SUBNORMAL = Need("exponents below FP32's normal range", lambda c: sum_facts(c).lowest < -126)
VANISH = Need("exponents below FP32's range", lambda c: sum_facts(c).lowest <= -150)
OVERFLOW = Need("exponents above FP32's range", _overflows)
INEXACT = Need(
    "sums wider than 24 bits or exponents below FP32's range",
    _inexact,
)
# Above the subnormals it takes a sum of 24 ones: possible in wide units, but too rare to ask for.
CARRY = Need("exponents below FP32's range", VANISH.holds, exact=False)
THREE = Need("sums of three or more", lambda c: _largest(c) >= 3)
INFINITE_TERM = Need(
    "block results rounded before the addition, or infinite elements",
    lambda c: c.get("accumulate") == "fp32" or _has_infinities(c),
)
FUSED = Need("accumulate fused", lambda c: c.get("accumulate") == "fused")
FINE = Need("terms 2^-30 of another", lambda c: powers(c)[1] - powers(c)[0] >= 30)
CONTEXTS = Need("two contexts", lambda c: c.get("contexts", 1) > 1)


BLOCK_POINTS = [
    Point("block a all zero", lambda v: ~v.poison & ~v.mantissas_a.any(axis=1)),
    Point("block b all zero", lambda v: ~v.poison & ~v.mantissas_b.any(axis=1)),
    Point("minus zero received", lambda v: (v.codes_a == 1 << v.a.format.element.bits - 1).any(axis=1), (MINUS_ZERO,)),
    Point("single non-zero product", lambda v: np.count_nonzero(v.products, axis=1) == 1),
    Point("largest sum", lambda v: (v.block_sums == sum_facts(v.config).most).any(axis=1)),
    Point("largest negative sum", lambda v: (v.block_sums == sum_facts(v.config).least).any(axis=1)),
    Point("products of both signs", lambda v: (v.products.max(axis=1) > 0) & (v.products.min(axis=1) < 0), (PAIR,)),
    Point("products cancel to zero", lambda v: (v.sums == 0) & v.products.any(axis=1) & ~v.poison, (PAIR,)),
    Point("poison in a", lambda v: v.poison_a & ~v.poison_b),
    Point("poison in b", lambda v: v.poison_b & ~v.poison_a),
    Point("poison in both", lambda v: v.poison_a & v.poison_b),
    Point("poison with mantissas", lambda v: v.poison_a & (v.codes_a != 0).any(axis=1)),
    Point("lowest exponents", lambda v: ((v.block_sums != 0) & (v.units == sum_facts(v.config).lowest)).any(axis=1)),
    Point("highest exponents", lambda v: ((v.block_sums != 0) & (v.units == sum_facts(v.config).highest)).any(axis=1)),
]

FLOAT_POINTS = [
    Point("exact result", lambda v: v.rounded.finite & (v.rounded.magnitude != 0) & (v.rounded.rest == 0)),
    Point("rounds down", lambda v: v.rounded.finite & (v.rounded.rest != 0) & ~v.rounded.up, (INEXACT,)),
    Point("rounds up", lambda v: v.rounded.up & ~v.rounded.tie, (INEXACT, THREE)),
    Point("tie, down to even", lambda v: v.rounded.tie & ~v.rounded.up, (INEXACT,)),
    Point("tie, up to even", lambda v: v.rounded.tie & v.rounded.up, (INEXACT, THREE)),
    Point("rounding carries into the next binade", lambda v: v.rounded.carry, (CARRY, THREE)),
    Point("negative inexact", lambda v: v.rounded.negative & (v.rounded.rest != 0) & v.rounded.finite, (INEXACT,)),
    Point("subnormal result", lambda v: (v.rounded.values != 0) & (np.abs(v.rounded.values) < 2.0**-126), (SUBNORMAL,)),
    Point("smallest normal result", lambda v: np.abs(v.rounded.values) == np.float32(2.0**-126), (SUBNORMAL,)),
    Point("underflows to +0", lambda v: v.rounded.positive & (v.rounded.values == 0), (VANISH,)),
    Point("underflows to -0", lambda v: v.rounded.negative & (v.rounded.values == 0), (VANISH,)),
    Point("overflows to +Inf", lambda v: np.isposinf(v.rounded.values), (OVERFLOW,)),
    Point("overflows to -Inf", lambda v: np.isneginf(v.rounded.values), (OVERFLOW,)),
    Point("top binade", lambda v: np.isfinite(v.rounded.values) & (np.abs(v.rounded.values) >= 2.0**127), (TOP,)),
]

ACCUMULATE_POINTS = [
    Point("starts without first after reset", lambda v: ~v.first[:1]),
    Point("first restarts an unfinished sum", lambda v: v.first & v.earlier(~v.last)),
    Point("continues after last", lambda v: ~v.first & v.earlier(v.last)),
    Point("one-block sum", lambda v: v.first & v.last),
    Point("long sum", lambda v: v.last & (v.run >= 64)),
    Point("restarts clean after NaN", lambda v: v.first & np.isnan(v.previous) & ~np.isnan(v.after)),
    Point("restarts clean after infinity", lambda v: v.first & np.isinf(v.previous) & np.isfinite(v.after), (GROWS,)),
    Point("NaN stays", lambda v: np.isnan(v.before) & ~v.poison),
    Point("infinity stays", lambda v: np.isinf(v.before) & np.isinf(v.after) & (v.sums != 0), (GROWS,)),
    Point(
        "infinity minus infinity",
        lambda v: np.isinf(v.before) & np.isnan(v.after) & np.isinf(v.blocks),
        (OVERFLOW, INFINITE_TERM, INFINITE_ONE),
    ),
    Point(
        "addition overflows",
        lambda v: np.isfinite(v.before) & np.isfinite(v.blocks) & np.isinf(v.after) & (v.before != 0),
        (GROWS,),
    ),
    Point("addition cancels to +0", lambda v: (v.before != 0) & (v.sums != 0) & (v.after == 0)),
    Point(
        "addition cancels many bits",
        lambda v: (v.after != 0) & (np.abs(v.after) < np.abs(v.before) * np.float32(2.0**-10)),
    ),
    Point(
        "block swallowed",
        lambda v: (v.sums != 0) & (v.before != 0) & (v.before == v.after) & np.isfinite(v.after),
        (FINE,),
    ),
    Point("accumulator swallowed", lambda v: (v.before != 0) & (v.after == v.blocks) & np.isfinite(v.after), (FINE,)),
    Point("addition ties", lambda v: v.add_tie & np.isfinite(v.after), (FINE,)),
    Point("subnormal sum", lambda v: (v.before != 0) & (v.after != 0) & (np.abs(v.after) < 2.0**-126), (SUBNORMAL,)),
    Point("sum is -0", lambda v: (v.after == 0) & np.signbit(v.after), (VANISH, FUSED)),
    Point("-0 joins +0", lambda v: (v.before == 0) & (v.blocks == 0) & np.signbit(v.blocks) & ~v.poison, (VANISH,)),
    Point("last back to back", lambda v: v.last[1:] & v.last[:-1]),
    Point(
        "contexts restart apart", lambda v: (v.config.get("contexts", 1) > 1) & v.first[1:] & ~v.first[:-1], (CONTEXTS,)
    ),
]
