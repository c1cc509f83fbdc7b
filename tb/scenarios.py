"""Directed accumulations: sequences of single powers of two that meet in the accumulator in every awkward way.

Each scenario is a sum from `first` to `last` or something that breaks that pattern; a term is +-2^t made from one
product of magnitudes 1. A term that a format cannot reach drops its scenario.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import Specials
from tb.batches import Config, element_field, exponent_codes, scale_field, scale_powers, signed_codes

__all__ = ["SCENARIOS", "Term", "powers", "scenario_batch"]

POISON = None
INFINITE = 1 << 20  # the power of a term with an infinite element


@dataclass(frozen=True, slots=True)
class Term:
    """One transfer: sign * 2^power (None: a poisoned operand, INFINITE; sign 0: a zero block), with its marks."""

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
    "tie broken 5 places below": _sum((1, -7), (1, -24), (1, -29), (1, 0)),
    "tie broken 7 places below": _sum((1, -8), (1, -24), (1, -31), (1, 0)),
    "tie broken 15 places below": _sum((1, -16), (1, -24), (1, -39), (1, 0)),
    "tie broken 16 places below": _sum((1, -24), (1, -40), (1, 0)),
    "subtract sticky": _sum((1, 24), (-1, -2), (-1, -1), (-1, 0)),
    "accumulator swallowed": _sum((1, -30), (1, 0)),
    "swallowed": _sum((1, 40), (-1, -40), (-1, 40)),
    "carry through all ones": _sum((1, 24), (-1, 0), (1, 0), (1, 0)),
    "overflow": _sum((1, 127), (1, 127), (-1, 127)),
    "overflow down": _sum((-1, 127), (-1, 127), (1, 127)),
    "infinity stays": _sum((1, 128), (1, 0), (-1, 127)),
    "infinity minus infinity": _sum((1, 128), (-1, 128), (1, 0)),
    "minus infinity plus infinity": _sum((-1, 128), (1, 128), (1, 0)),
    "infinite elements": _sum((1, INFINITE), (1, INFINITE), (-1, 0), (-1, INFINITE), (1, 0)),
    "infinite elements, minus first": _sum((1, 5), (-1, INFINITE), (1, INFINITE)) + _sum((1, 3)),
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
    """Smallest and largest t for which +-2^t is one product of magnitudes 1, microexponents at their largest."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    unit, first, second = a.unit_exponent + b.unit_exponent, scale_powers(a), scale_powers(b)
    return first[0] + second[0] + unit, first[-1] + second[-1] + unit


def reachable(config: Config, terms: list[Term]) -> bool:
    """Whether the operands' exponents, and their elements, can make every term."""
    low, high = powers(config)
    infinite = any(get_format(config[key]).element.specials is Specials.IEEE for key in ("format", "format_b"))
    return all(
        term.power is POISON or (infinite if term.power == INFINITE else low <= term.power <= high) for term in terms
    )


def _within(config: Config, terms: list[Term]) -> list[Term]:
    """The terms, moved as far as they must to lie in the range of the operands' exponents: what they do stays."""
    finite = [term.power for term in terms if term.power is not POISON and term.power != INFINITE]
    low, high = powers(config)
    if not finite or max(finite) - min(finite) > high - low:
        return terms
    move = max(low - min(finite), 0) + min(high - max(finite), 0)
    return [term if term.power in (POISON, INFINITE) else replace(term, power=term.power + move) for term in terms]


def scenario_batch(config: Config, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Every reachable scenario in every context: context k starts k scenarios later, so neighbours always differ."""
    moved = [_within(config, terms) for terms in SCENARIOS.values()]
    usable = [terms for terms in moved if reachable(config, terms)]
    contexts = config.get("contexts", 1)
    # The first scenario needs a fresh reset; the others may come in any order.
    orders = [[0, *(1 + (np.arange(len(usable) - 1) + 3 * k) % (len(usable) - 1))] for k in range(contexts)]
    columns = [[term for index in order for term in usable[index]] for order in orders]
    return _batch(config, [term for turn in zip(*columns, strict=True) for term in turn], rng)


def _batch(config: Config, terms: list[Term], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    a, b = get_format(config["format"]), get_format(config["format_b"])
    n = len(terms)
    poison = np.array([term.power is POISON for term in terms])
    negative = np.array([term.sign < 0 for term in terms])
    lane = rng.integers(0, a.block, n)
    x, y = np.zeros((n, a.block), np.uint16), np.zeros((n, b.block), np.uint16)
    x[np.arange(n), lane] = [term.sign != 0 for term in terms]
    y[np.arange(n), lane] = 1
    infinite = np.array([term.power == INFINITE for term in terms])
    fmt, codes = (a, x) if a.element.specials is Specials.IEEE else (b, y)
    codes[infinite, lane[infinite]] = fmt.element.max_code + 1
    flip = rng.integers(0, 2, n).astype(np.bool_)  # which operand is negative; its zeros turn into minus zeros
    numbers = [0 if term.power in (POISON, INFINITE) else term.power for term in terms]
    total = np.array(numbers) - a.unit_exponent - b.unit_exponent
    powers_a, powers_b = scale_powers(a), scale_powers(b)
    first = np.clip(total // 2 + rng.integers(-3, 4, n), powers_a[0], powers_a[-1])
    first = np.clip(first, total - powers_b[-1], total - powers_b[0])
    operands = {
        "a.": (a, signed_codes(a, x, flip[:, np.newaxis]), first, poison & flip),
        "b.": (b, signed_codes(b, y, (flip ^ negative)[:, np.newaxis] & (y > 0)), total - first, poison & ~flip),
    }
    batch: dict[str, NDArray[Any]] = {}
    for prefix, (fmt, codes, exponents, poisoned) in operands.items():
        batch[prefix + element_field(fmt)] = codes
        if fmt.microexponents:
            batch[prefix + "microexponent"] = np.full((n, fmt.microexponents), fmt.max_microexponent, np.uint8)
        batch[prefix + scale_field(fmt)] = exponent_codes(fmt, exponents, poisoned)
    marks = {name: np.array([getattr(term, name) for term in terms], np.uint8) for name in ("first", "last")}
    return batch | marks
