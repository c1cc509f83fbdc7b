"""The bench of the microexponent shifter: its model, its batches, its test points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.units import microexponent_shift
from tb.batches import Batch, Config
from tb.operands import Rng, choice
from tb.testpoints import Need, Point, complete

__all__ = [
    "SHIFTER_POINTS",
    "ShifterView",
    "all_inputs",
    "input_count",
    "shifter_batch",
    "shifter_corners",
    "shifter_model",
]

Columns = dict[str, NDArray[Any]]

_KINDS = {"any": 4, "least": 1, "most": 1, "ends": 2, "cancel": 2, "small": 2, "zero": 1}


class _Facts:
    """A unit's widths, from its formats: `bits` of a product, `group` of them, the operands' microexponent bits."""

    def __init__(self, config: Config) -> None:
        a, b = get_format(config["format"]), get_format(config["format_b"])
        self.bits = (a.element.largest_code_integer * b.element.largest_code_integer).bit_length() + 1
        self.group = max(fmt.subblock for fmt in (a, b) if fmt.microexponents)
        self.shared = {
            f"{name}.microexponent": fmt.microexponent_bits for name, fmt in (("a", a), ("b", b)) if fmt.microexponents
        }
        self.largest = sum((1 << bits) - 1 for bits in self.shared.values())
        self.sum_bits = self.bits + (self.group - 1).bit_length() + self.largest

    def codes(self, products: NDArray[np.int64]) -> NDArray[Any]:
        """Stored products."""
        stored = products & ((1 << self.bits) - 1)
        return stored.astype(np.uint8 if self.bits <= 8 else np.uint16 if self.bits <= 16 else np.uint32)

    def values(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Products behind stored ones."""
        wide = codes.astype(np.int64)
        return wide - (wide >> self.bits - 1 << self.bits)


def shifter_model(config: Config, inputs: Batch) -> Columns:
    """Output transfers."""
    facts = _Facts(config)
    shared = [inputs[name] for name in facts.shared]
    sums = microexponent_shift(facts.values(inputs["product"]), facts.largest, *shared)
    return {"sum": sums.astype(np.uint64) & np.uint64((1 << facts.sum_bits) - 1)}


def shifter_batch(config: Config, count: int, rng: Rng) -> Columns:
    """Random groups: anything, the ends of a product's range, products that cancel, small ones."""
    facts = _Facts(config)
    low, high, shape = -(1 << facts.bits - 1), (1 << facts.bits - 1) - 1, (count, facts.group)
    kinds = choice(_KINDS, count, rng)[:, np.newaxis]
    anything = rng.integers(low, high + 1, shape)
    opposite = np.where(np.arange(facts.group) % 2, -1, 1) * rng.integers(0, high + 1, (count, 1))
    patterns: dict[str, Any] = {
        "least": low,
        "most": high,
        "ends": rng.choice([low, high], shape),
        "cancel": opposite,
        "small": rng.integers(-1, 2, shape),
        "zero": 0,
    }
    products = np.select([kinds == kind for kind in patterns], list(patterns.values()), anything)
    return {"product": facts.codes(products)} | {
        name: rng.integers(0, 1 << bits, count).astype(np.uint8) for name, bits in facts.shared.items()
    }


def shifter_corners(config: Config, rng: Rng) -> Columns:
    """Enough of the random patterns to meet one another under every sum of microexponents."""
    return shifter_batch(config, 600 << len(_Facts(config).shared), rng)


def input_count(config: Config) -> int:
    """How many different transfers there are."""
    facts = _Facts(config)
    return 1 << facts.group * facts.bits + sum(facts.shared.values())


def all_inputs(config: Config, start: int, stop: int) -> Columns:
    """Transfers start..stop - 1 of all that there are, counted through products and microexponents."""
    facts, rest = _Facts(config), np.arange(start, stop)
    products = [rest >> k * facts.bits & ((1 << facts.bits) - 1) for k in range(facts.group)]
    rest = rest >> facts.group * facts.bits
    columns: Columns = {"product": facts.codes(np.stack(products, axis=1))}
    for name, bits in facts.shared.items():
        columns[name] = (rest & ((1 << bits) - 1)).astype(np.uint8)
        rest = rest >> bits
    return columns


class ShifterView:
    """Facts about a batch: products, their plain sum, how far it moves."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        self.facts = _Facts(config)
        self.products = self.facts.values(inputs["product"])
        self.sums = self.products.sum(axis=1)
        self.places = self.facts.largest - sum(inputs[name].astype(np.int64) for name in self.facts.shared)

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest plain sum."""
        half = self.facts.group << self.facts.bits - 1
        return -half, half - self.facts.group


SHIFTER_POINTS = [
    Point(
        "every distance under a sum that shows it",
        lambda v: complete(v.sums != 0, v.places, range(v.facts.largest + 1)),
    ),
    Point("least sum, moved furthest", lambda v: (v.sums == v.ends[0]) & (v.places == v.facts.largest)),
    Point("largest sum, moved furthest", lambda v: (v.sums == v.ends[1]) & (v.places == v.facts.largest)),
    Point("least sum, unmoved", lambda v: (v.sums == v.ends[0]) & (v.places == 0)),
    Point("negative sum moved", lambda v: (v.sums < 0) & (v.places > 0)),
    Point("sum of one", lambda v: v.sums == 1),
    Point("all products zero", lambda v: ~v.products.any(axis=1)),
    Point(
        "products cancel",
        lambda v: (v.sums == 0) & v.products.any(axis=1),
        (Need("several products in a group", lambda c: _Facts(c).group > 1),),
    ),
]
