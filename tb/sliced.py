"""The bench of the sliced dot product: its model, its batches, its test points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from golden.rounding import NAN, to_fp32
from golden.slices import LANE_BITS, WIDTHS, running_sums, slice_count, split
from tb.batches import Batch, Config, rows
from tb.operands import Rng, choice
from tb.testpoints import Point, complete

__all__ = ["SLICED_POINTS", "SlicedView", "sliced_batch", "sliced_corners", "sliced_model"]

Columns = dict[str, NDArray[Any]]
_KINDS = {"any": 5, "largest": 2, "opposite": 1, "one": 2, "zero": 1, "cancel": 1}
_EXPONENTS = {"usual": 6, "any": 2, "least normal": 2, "largest": 2, "poison": 1}


def _format(config: Config) -> BlockFormat:
    return get_format(config["format"])


def _values(codes: NDArray[Any]) -> NDArray[np.int64]:
    wide = codes.astype(np.int64)
    return np.where(wide >> LANE_BITS, -1, 1) * (wide & ((1 << LANE_BITS) - 1))


class _Sums:
    """Running sums of a batch and where they end."""

    def __init__(self, config: Config, inputs: Batch) -> None:
        scale = _format(config).scale
        bits = (_format(config).block * ((1 << WIDTHS[-1]) - 1) ** 2).bit_length() + 1
        places = inputs["slice_a"].astype(np.int64) + inputs["slice_b"]
        self.first, self.last = inputs["first"] == 1, inputs["last"] == 1
        a, b = _values(inputs["a.mantissa"]), _values(inputs["b.mantissa"])
        self.sums = running_sums(a, b, LANE_BITS * places, self.first, bits)
        codes = [inputs[f"{name}.exponent"].astype(np.int64) for name in "ab"]
        self.poison = np.logical_or(*(code == scale.poison_code for code in codes))
        signed = [code - (code >> scale.bits - 1 << scale.bits) for code in codes]
        self.exponents = signed[0] + signed[1] - 2 * LANE_BITS - 4 * inputs["width"].astype(np.int64)


def sliced_model(config: Config, inputs: Batch) -> Columns:
    """Output transfers: one for each `last`."""
    facts = _Sums(config, inputs)
    values = np.where(facts.poison, NAN, to_fp32(facts.sums, facts.exponents).view(np.uint32))
    return {"value": values[facts.last]}


def _mantissas(width: int, shape: tuple[int, int], kinds: NDArray[Any], rng: Rng) -> NDArray[np.int64]:
    most = (1 << width) - 1
    kinds = kinds[:, np.newaxis]
    anything = rng.integers(-most, most + 1, shape)
    sign = np.where(np.arange(shape[1]) % 2, -1, 1)
    patterns = {
        "largest": np.full(shape, most),
        "opposite": np.full(shape, -most),
        "one": rng.integers(-1, 2, shape),
        "zero": np.zeros(shape, np.int64),
        "cancel": sign * rng.integers(0, most + 1, (shape[0], 1)),
    }
    return np.select([kinds == kind for kind in patterns], list(patterns.values()), anything)


def _exponent_codes(config: Config, width: int, count: int, rng: Rng) -> tuple[NDArray[Any], NDArray[Any]]:
    """Exponents of both operands whose sum lies around 0, at FP32's ends, or anywhere; some poison."""
    scale = _format(config).scale
    kinds = choice(_EXPONENTS, count, rng)
    total = rng.integers(-20, 20, count)
    total = np.where(kinds == "least normal", -126 + rng.integers(-26, 16, count), total)
    total = np.where(kinds == "largest", 127 + rng.integers(-8, 20, count), total)
    total = np.where(kinds == "any", rng.integers(2 * scale.lowest, 2 * scale.highest, count), total)
    low = np.maximum(scale.lowest, total - scale.highest)
    high = np.minimum(scale.highest, total - scale.lowest)
    first = rng.integers(low, high + 1)
    codes = [value % (1 << scale.bits) for value in (first, total - first)]
    for k in range(2):
        codes[k] = np.where((kinds == "poison") & (rng.random(count) < 0.7), scale.poison_code, codes[k])
    return codes[0].astype(np.uint16), codes[1].astype(np.uint16)


def _of_width(config: Config, code: int, count: int, rng: Rng) -> Columns:
    """`count` pairs of blocks of one width, all their pairs of slices, in a random order each: (count, passes, ...)."""
    width, block = WIDTHS[code], _format(config).block
    number = slice_count(width)
    passes = number**2
    same, either = choice(_KINDS, count, rng), rng.random(count) < 0.6
    a = _mantissas(width, (count, block), same, rng)
    b = _mantissas(width, (count, block), np.where(either, same, choice(_KINDS, count, rng)), rng)
    order = rng.permuted(np.tile(np.arange(passes), (count, 1)), axis=1)
    slice_a, slice_b = order // number, order % number
    who = np.arange(count)[:, np.newaxis]
    columns: Columns = {}
    for name, x, which in (("a", a, slice_a), ("b", b, slice_b)):
        taken = split(x, width)[which, who]
        # zeros of either sign mean the same
        minus = (taken < 0) | (taken == 0) & (rng.random(taken.shape) < 0.2)
        columns[f"{name}.mantissa"] = (minus.astype(np.uint8) << LANE_BITS) | np.abs(taken).astype(np.uint8)
    exponents = _exponent_codes(config, width, count, rng)
    for name, exponent in zip("ab", exponents, strict=True):
        columns[f"{name}.exponent"] = np.repeat(exponent[:, np.newaxis], passes, axis=1)
    columns |= {"slice_a": slice_a.astype(np.uint8), "slice_b": slice_b.astype(np.uint8)}
    columns["width"] = np.full((count, passes), code, np.uint8)
    for mark, at in (("first", 0), ("last", passes - 1)):
        columns[mark] = np.zeros((count, passes), np.uint8)
        columns[mark][:, at] = 1
    return columns


def sliced_batch(config: Config, count: int, rng: Rng) -> Columns:
    """At least `count` transfers: whole blocks of all widths, mixed."""
    blocks = -(-count // 4)
    codes = rng.integers(0, len(WIDTHS), blocks)
    parts = [_of_width(config, code, int((codes == code).sum()), rng) for code in range(len(WIDTHS))]
    # Blocks of one width are (blocks, passes, ...): laid out in the order of `codes`.
    passes = np.array([slice_count(width) ** 2 for width in WIDTHS])
    starts = np.concatenate([[0], np.cumsum([part["width"].size for part in parts])[:-1]])
    rank = np.zeros(blocks, np.int64)
    for code in range(len(WIDTHS)):
        rank[codes == code] = np.arange((codes == code).sum())
    begins = starts[codes] + rank * passes[codes]
    index = np.concatenate([np.arange(begin, begin + passes[code]) for begin, code in zip(begins, codes, strict=True)])
    flat = {
        name: np.concatenate([part[name].reshape(-1, *part[name].shape[2:]) for part in parts]) for name in parts[0]
    }
    return rows(flat, index)


def sliced_corners(config: Config, rng: Rng) -> Columns:
    """Enough of the random patterns to meet one another."""
    return sliced_batch(config, max(2000, min(6000, (1 << 20) // _format(config).block)), rng)


class SlicedView:
    """Facts about a batch, by input transfer."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        facts = _Sums(config, inputs)
        self.last, self.poison, self.width = facts.last, facts.poison, inputs["width"]
        self.place = inputs["slice_a"].astype(np.int64) * 3 + inputs["slice_b"]
        self.sums, self.block = np.where(facts.last, facts.sums, 0), _format(config).block
        self.value = np.zeros(len(facts.last), np.uint32)
        self.value[facts.last] = outputs["value"]
        self.clean = facts.last & ~facts.poison
        self.negative_zero = ((inputs["a.mantissa"] == 8) | (inputs["b.mantissa"] == 8)).any(axis=1)

    def largest(self, code: int) -> NDArray[np.bool_]:
        """Sums of the largest products of a width."""
        most: NDArray[np.bool_] = self.clean & (self.width == code)
        return most & (np.abs(self.sums) == self.block * ((1 << WIDTHS[code]) - 1) ** 2)


def _largest(code: int) -> Point:
    return Point(f"largest sum of HBFP{WIDTHS[code] + 1}", lambda v: v.largest(code))


SLICED_POINTS = [
    *map(_largest, range(len(WIDTHS))),
    Point("every pair of slices of HBFP8", lambda v: complete(v.width == 2, v.place, range(9))),
    Point("every width after every other", lambda v: v.last & (np.roll(v.width, -1) != v.width)),
    Point("negative sum", lambda v: v.clean & (v.sums < 0)),
    Point("sum of zero", lambda v: v.clean & (v.sums == 0)),
    Point("minus zero in a slice", lambda v: v.negative_zero),
    Point("poison", lambda v: v.last & v.poison),
    Point("subnormal result", lambda v: v.clean & (v.value >> 23 & 0xFF == 0) & (v.value & 0x7FFFFF != 0)),
    Point("overflow", lambda v: v.clean & (v.value & 0x7FFFFFFF == 0x7F800000)),
    Point("underflow to zero", lambda v: v.clean & (v.sums != 0) & (v.value & 0x7FFFFFFF == 0)),
]
