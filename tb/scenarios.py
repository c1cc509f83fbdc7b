"""Directed accumulations: sequences of single powers of two that meet in the accumulator in every awkward way.

Each scenario is a sum from `first` to `last` or something that breaks that pattern; a term is +-2^t made from one
product of magnitudes 1. A term that a format cannot reach drops its scenario.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import BlockFormat
from tb.models import Config

__all__ = ["SCENARIOS", "Term", "exponent_codes", "scenario_batch"]

POISON = None


@dataclass(frozen=True, slots=True)
class Term:
    """One transfer: sign * 2^power (None: a poisoned operand; sign 0: a zero block), with its marks."""

    sign: int
    power: int | None
    first: bool = False
    last: bool = True


def _sum(*terms: tuple[int, int | None]) -> list[Term]:
    """A sum that starts afresh and shows its accumulator after every term."""
    return [Term(sign, power, first=k == 0) for k, (sign, power) in enumerate(terms)]


# name -> terms. Powers are those of FP32: 127 is the top binade, -149 the smallest subnormal.
SCENARIOS: dict[str, list[Term]] = {
    "nothing before the first": [Term(1, 0), Term(1, 0)],
    "one": _sum((1, 0)),
    "continues after last": _sum((1, 0), (1, 1), (1, 2)),
    "restarts without last": [Term(1, 5, True, False), Term(1, 3, True, False), Term(1, 1, True, True)],
    "cancels": _sum((1, 3), (-1, 3), (1, -4)),
    "minus, then cancels": _sum((-1, 3), (1, 3)),
    "cancels many bits": _sum((1, -6), (1, -18), (-1, -6)),
    "zero blocks": _sum((0, 0), (0, 9), (-1, 0), (0, 0)),
    "tie to even, down": _sum((1, 0), (1, -24)),
    "tie to even, up": _sum((1, 0), (1, -23), (1, -24)),
    "tie below, down": _sum((-1, 0), (1, -25)),
    "borrow past the top": _sum((1, 0), (-1, -24)),
    "half of a last place is lost twice": _sum((1, 0), (1, -24), (1, -24)),
    "sticky alone": _sum((1, 0), (1, -60), (-1, -60)),
    "subtract sticky": _sum((1, 24), (-1, -2), (-1, -1), (-1, 0)),
    "accumulator swallowed": _sum((1, -30), (1, 0)),
    "swallowed": _sum((1, 40), (-1, -40), (-1, 40)),
    "carry through all ones": _sum((1, 24), (-1, 0), (1, 0), (1, 0)),
    "overflow": _sum((1, 127), (1, 127), (-1, 127)),
    "overflow down": _sum((-1, 127), (-1, 127), (1, 127)),
    "infinity stays": _sum((1, 128), (1, 0), (-1, 127)),
    "infinity minus infinity": _sum((1, 128), (-1, 128), (1, 0)),
    "minus infinity plus infinity": _sum((-1, 128), (1, 128), (1, 0)),
    "clean after NaN": _sum((1, 128), (-1, 128)) + _sum((1, 1), (1, 1)),
    "clean after infinity": _sum((1, 128)) + _sum((1, -1)),
    "poison stays": _sum((1, 0), (1, POISON), (1, 0), (-1, 0)),
    "clean after poison": _sum((1, POISON)) + _sum((1, 2)),
    "rounds to the largest": _sum((1, 127), (-1, 103)),
    "subnormals add": _sum((1, -149), (1, -149), (1, -148)),
    "subnormal becomes normal": _sum((1, -127), (1, -127)),
    "normal becomes subnormal": _sum((1, -126), (-1, -149)),
    "subnormals cancel": _sum((1, -149), (-1, -149)),
    "vanishes": _sum((1, -200), (-1, -200)),
    "vanishes from below": _sum((-1, -200), (0, 0)),
    "half of the smallest": _sum((1, -150), (1, -150)),
    "half of the smallest joins": _sum((1, -149), (1, -150)),
    "long": [Term(1, k % 3, first=k == 0, last=k == 63) for k in range(64)],
    "long, alternating": [Term(1 - k % 2 * 2, k % 5, first=k == 0, last=k == 63) for k in range(64)],
}  # fmt: skip


def powers(config: Config) -> tuple[int, int]:
    """Smallest and largest t for which +-2^t is one product of magnitudes 1 in this configuration."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    m = a.element.mantissa_bits + b.element.mantissa_bits
    return a.scale.lowest + b.scale.lowest - m, a.scale.highest + b.scale.highest - m


def reachable(config: Config, terms: list[Term]) -> bool:
    """Whether the operands' exponents can make every term."""
    low, high = powers(config)
    return all(term.power is POISON or low <= term.power <= high for term in terms)


def scenario_batch(config: Config, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Every reachable scenario in every context: context k starts k scenarios later, so neighbours always differ."""
    usable = [terms for name, terms in SCENARIOS.items() if reachable(config, terms)]
    contexts = config.get("contexts", 1)
    # The first scenario needs a fresh reset; the others may come in any order.
    orders = [[0, *(1 + (np.arange(len(usable) - 1) + 3 * k) % (len(usable) - 1))] for k in range(contexts)]
    columns = [[term for index in order for term in usable[index]] for order in orders]
    return _batch(config, [term for turn in zip(*columns, strict=True) for term in turn], rng)


def _batch(config: Config, terms: list[Term], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    a, b = get_format(config["format"]), get_format(config["format_b"])
    n = len(terms)
    m = a.element.mantissa_bits + b.element.mantissa_bits
    poison = np.array([term.power is POISON for term in terms])
    negative = np.array([term.sign < 0 for term in terms])
    lane = rng.integers(0, a.block, n)
    x, y = np.zeros((n, a.block), np.uint16), np.zeros((n, b.block), np.uint16)
    x[np.arange(n), lane] = [term.sign != 0 for term in terms]
    flip = rng.integers(0, 2, n).astype(np.bool_)  # which operand is negative
    x |= (flip.astype(np.uint16) << a.element.mantissa_bits)[:, np.newaxis]  # zeros turn into minus zeros
    y[np.arange(n), lane] = 1 | (flip ^ negative).astype(np.uint16) << b.element.mantissa_bits
    total = np.array([0 if term.power is POISON else term.power for term in terms]) + m
    first = np.clip(total // 2 + rng.integers(-3, 4, n), a.scale.lowest, a.scale.highest)
    first = np.clip(first, total - b.scale.highest, total - b.scale.lowest)
    return {
        "a.mantissa": x,
        "a.exponent": exponent_codes(a, first, poison & flip),
        "b.mantissa": y,
        "b.exponent": exponent_codes(b, total - first, poison & ~flip),
        "first": np.array([term.first for term in terms], np.uint8),
        "last": np.array([term.last for term in terms], np.uint8),
    }


def exponent_codes(fmt: BlockFormat, values: NDArray[np.int64], poison: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Stored codes of exponents within the format's range, the reserved one where `poison`."""
    codes = (values + fmt.scale.bias) & ((1 << fmt.scale.bits) - 1)
    return np.where(poison, fmt.scale.poison_code, codes).astype(np.uint16)
