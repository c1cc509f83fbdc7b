"""Test points of the codes that only some formats have, and of sets that must be driven in full."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.f25 import F25_BITS
from golden.formats import BlockFormat, ElementEncoding, Specials
from tb.batches import Config, group_blocks
from tb.directed import MOST_BITS, partners
from tb.models_dot import sum_facts
from tb.testpoints import Need, Point, complete
from tb.view_dot import DotView

__all__ = ["DOT_FORMAT_POINTS", "F25_POINTS"]

Mask = NDArray[np.bool_]


def _formats(config: Config) -> tuple[BlockFormat, BlockFormat]:
    return get_format(config["format"]), get_format(config["format_b"])


def _special(view: DotView, operand: str) -> NDArray[np.float32]:
    """Infinities and NaN (n, elements) of an operand's own elements, 0 elsewhere and in poisoned transfers."""
    blocks = getattr(view, operand)
    return np.where(~view.poisoned[:, np.newaxis], blocks.specials.reshape(len(blocks.scales), -1), np.float32(0))


def _infinite_products(view: DotView) -> tuple[Mask, Mask, Mask]:
    """Transfers without poison and NaN elements that have a product of +Inf, of -Inf, and Inf * 0."""
    a, b = _special(view, "a"), _special(view, "b")
    number = ~(np.isnan(a) | np.isnan(b)).any(axis=1)
    signs = [np.where(x != 0, np.sign(x), np.sign(m)) for x, m in ((a, view.mantissas_a), (b, view.mantissas_b))]
    product = np.where(np.isinf(a) | np.isinf(b), signs[0] * signs[1], np.nan)
    positive, negative, zero = ((product == wanted).any(axis=1) & number for wanted in (1, -1, 0))
    return positive, negative, zero


def _lone(view: DotView, operand: str) -> Mask:
    """Transfers in which one element, or none, of an operand is more than +0 and its block is not poisoned."""
    codes = getattr(view, f"codes_{operand}")
    return (np.count_nonzero(codes, axis=1) <= 1) & ~view.poisoned


def _every_code(view: DotView, operand: str) -> Mask:
    """Every code of an operand, alone in its block, beside each of the fixed partners."""
    other = "b" if operand == "a" else "a"
    codes, against = getattr(view, f"codes_{operand}"), getattr(view, f"codes_{other}")
    fmt, partner = getattr(view, operand).format, getattr(view, other).format
    met = _lone(view, operand) & _lone(view, other)
    whole = np.ones(len(met), np.bool_)
    for wanted in partners(partner):
        beside = met & (against.max(axis=1) == wanted)
        # code 0 is there when nothing is; of the others the largest code of the row is the one that is not 0
        whole &= complete(beside, codes.max(axis=1), range(1 << fmt.element.bits)).any()
    return met & whole


def _every_scale(view: DotView, operand: str) -> Mask:
    """Every stored exponent of an operand under results other than zero, but for poison."""
    blocks = getattr(view, operand)
    codes, scale = blocks.scales[:, 0], blocks.format.scale
    shown = blocks.poison[:, 0] | (view.block_sums[:, 0] != 0)
    wanted = set(range(1 << scale.bits))
    if scale.minifloat is not None:  # both zeros show by a sum that is none
        zeros = {0, 1 << scale.bits - 1}
        shown |= np.isin(codes, list(zeros)) & (view.mantissas_a * view.mantissas_b != 0).any(axis=1)
    return complete(shown, codes, wanted)


def _shifts(view: DotView) -> NDArray[Any]:
    """t_a + t_b (n, groups) where the group of products is not zero, else -1."""
    n, size = len(view.a.scales), max(f.subblock for f in (view.a.format, view.b.format) if f.microexponents)
    total = np.zeros((n, view.products.shape[1] // size), np.int64)
    for blocks in (view.a, view.b):
        if blocks.microexponents is not None:
            total += blocks.microexponents.reshape(n, -1)
    busy = (view.products.reshape(n, -1, size) != 0).any(axis=2) & ~np.asarray(view.poison_a | view.poison_b)[
        :, np.newaxis
    ]
    return np.where(busy, total, -1)


def _every_shift(view: DotView) -> Mask:
    most = sum(f.max_microexponent for f in _formats(view.config))
    shifts = _shifts(view)
    whole = set(range(most + 1)) <= set(np.unique(shifts).tolist())
    return np.asarray((shifts >= 0).any(axis=1)) & whole


def _lowest(view: DotView, operand: str) -> Mask:
    """Elements without a magnitude code: the lowest of two's complement."""
    return getattr(view, f"codes_{operand}") == 1 << getattr(view, operand).format.element.bits - 1


def _subnormal(view: DotView) -> Mask:
    element = view.a.format.element
    magnitude = view.codes_a & ((1 << element.bits - 1) - 1)
    return (magnitude > 0) & (magnitude < 1 << element.mantissa_bits) & (view.products != 0)


def _has_finite(view: DotView) -> Mask:
    plain = (_special(view, "a") == 0) & (_special(view, "b") == 0)
    return ((view.products != 0) & plain).any(axis=1)


def _differ(view: DotView) -> Mask:
    shifts = _shifts(view)
    busy = shifts >= 0
    least = np.where(busy, shifts, 1 << 8).min(axis=1)
    return busy.any(axis=1) & (shifts.max(axis=1) > least)


def _zero_pair(view: DotView) -> Mask:
    idle = _shifts(view) < 0
    return np.asarray(idle.any(axis=1)) & ~idle.all(axis=1)


def _positions(view: DotView) -> NDArray[Any]:
    """Exponent of a block's LSB against that of the group's sum (n, blocks); 0 where the block is zero."""
    return np.where(view.block_sums != 0, view.units - view.lsb[:, np.newaxis], 0)


def _cut(view: DotView) -> Mask:
    """Blocks that lose bits on their way into the group's sum."""
    right = np.clip(-_positions(view), 0, 62)
    return (view.block_sums & ((1 << right) - 1) != 0) & ~view.poison[:, np.newaxis]


def _largest_is_zero(view: DotView) -> Mask:
    busy = view.block_sums != 0
    top = np.where(busy, view.units, -(1 << 20)).max(axis=1, keepdims=True)
    return (~busy & (view.units > top)).any(axis=1) & busy.any(axis=1) & ~view.poison


def _leads(view: DotView, place: int) -> Mask:
    units = np.where(view.block_sums != 0, view.units, -(1 << 20))
    mine = units[:, place]
    return (mine == units.max(axis=1)) & ((units == mine[:, np.newaxis]).sum(axis=1) == 1) & (view.sums != 0)


TWOS_A = Need(
    "two's complement", lambda c: _formats(c)[0].element.encoding is ElementEncoding.TWOS_COMPLEMENT, meaning=True
)
TWOS_B = Need(
    "two's complement in b", lambda c: _formats(c)[1].element.encoding is ElementEncoding.TWOS_COMPLEMENT, meaning=True
)
NAN_A = Need("NaN elements", lambda c: _formats(c)[0].element.specials is not Specials.NONE, meaning=True)
NAN_B = Need("NaN elements in b", lambda c: _formats(c)[1].element.specials is not Specials.NONE, meaning=True)
INFINITE = Need(
    "infinite elements", lambda c: any(f.element.specials is Specials.IEEE for f in _formats(c)), meaning=True
)
BLOCKS = Need("blocks of several elements", lambda c: _formats(c)[0].block > 1)
FLOATS = Need(
    "minifloat elements",
    lambda c: _formats(c)[0].element.is_float and _formats(c)[0].element.mantissa_bits > 0,
    meaning=True,
)
SHIFTS = Need("microexponents", lambda c: any(f.microexponents for f in _formats(c)), meaning=True)
CODES_A = Need("elements of up to 8 bits", lambda c: _formats(c)[0].element.bits <= MOST_BITS, exact=False)
CODES_B = Need("elements of up to 8 bits in b", lambda c: _formats(c)[1].element.bits <= MOST_BITS, exact=False)
SCALE_A = Need("exponents of up to 8 bits", lambda c: _formats(c)[0].scale.bits <= MOST_BITS, exact=False)
SCALE_B = Need("exponents of up to 8 bits in b", lambda c: _formats(c)[1].scale.bits <= MOST_BITS, exact=False)
ROOM = Need(
    "block sums that leave room in 25 bits",
    lambda c: max(sum_facts(c).most, 1).bit_length() + 1 + (group_blocks(c) - 1).bit_length() < F25_BITS,
)
PLAIN = Need("one block in a transfer", lambda c: group_blocks(c) == 1 and c.get("mode") != "f25", exact=False)

DOT_FORMAT_POINTS = [
    Point("every element code of a beside fixed partners", lambda v: _every_code(v, "a"), (CODES_A,)),
    Point("every element code of b beside fixed partners", lambda v: _every_code(v, "b"), (CODES_B,)),
    Point("every exponent of a", lambda v: _every_scale(v, "a"), (SCALE_A, PLAIN)),
    Point("every exponent of b", lambda v: _every_scale(v, "b"), (SCALE_B, PLAIN)),
    Point("lowest two's-complement element in a", lambda v: _lowest(v, "a"), (TWOS_A,)),
    Point("lowest two's-complement element in b", lambda v: _lowest(v, "b"), (TWOS_B,)),
    Point("lowest times lowest", lambda v: _lowest(v, "a") & _lowest(v, "b"), (TWOS_A, TWOS_B)),
    Point("subnormal element", _subnormal, (FLOATS,)),
    Point("NaN element in a", lambda v: np.isnan(_special(v, "a")), (NAN_A,)),
    Point("NaN element in b", lambda v: np.isnan(_special(v, "b")), (NAN_B,)),
    Point("NaN element times zero", lambda v: np.isnan(_special(v, "a")) & (v.mantissas_b == 0), (NAN_A,)),
    Point("infinite product, +Inf", lambda v: np.isposinf(v.special), (INFINITE,)),
    Point("infinite product, -Inf", lambda v: np.isneginf(v.special), (INFINITE,)),
    Point("infinity among finite products", lambda v: np.isinf(v.special) & _has_finite(v), (INFINITE, BLOCKS)),
    Point("infinity times zero", lambda v: _infinite_products(v)[2], (INFINITE,)),
    Point(
        "infinite products of both signs",
        lambda v: _infinite_products(v)[0] & _infinite_products(v)[1],
        (INFINITE, BLOCKS),
    ),
    Point("every sum of microexponents", _every_shift, (SHIFTS,)),
    Point("microexponents differ in a block", lambda v: _differ(v), (SHIFTS,)),
    Point("zero pair beside others", lambda v: _zero_pair(v), (SHIFTS,)),
]


F25_POINTS = [
    Point("f25: a block moved left", lambda v: _positions(v) > 0, (ROOM,)),
    Point("f25: a positive block loses bits", lambda v: _cut(v) & (v.block_sums > 0)),
    Point("f25: a negative block loses bits", lambda v: _cut(v) & (v.block_sums < 0)),
    Point("f25: a negative block far below leaves -1", lambda v: _cut(v) & (v.block_sums < 0) & (_positions(v) < -26)),
    Point("f25: a zero block with the largest exponent", _largest_is_zero),
    Point("f25: every block zero", lambda v: ~v.block_sums.any(axis=1) & ~v.poison),
    Point("f25: blocks of both signs", lambda v: (v.block_sums.max(axis=1) > 0) & (v.block_sums.min(axis=1) < 0)),
    Point("f25: the largest exponent first", lambda v: _leads(v, 0)),
    Point("f25: the largest exponent last", lambda v: _leads(v, -1)),
    Point("f25: one poisoned block among numbers", lambda v: v.a.poison.sum(axis=1) + v.b.poison.sum(axis=1) == 1),
]
