"""Pairwise covering arrays: few rows in which every two values of different factors meet (strength 2).

Greedy and deterministic: rows that must be there come first; then, while a pair is missing, the first missing pair
starts a row and each further factor takes the value that brings the most missing pairs, the least used one of equals.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product

__all__ = ["Row", "covering_array", "missing_pairs"]

Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def _pairs(row: Mapping[str, str]) -> list[Pair]:
    return list(combinations(row.items(), 2))


def missing_pairs(factors: Mapping[str, Sequence[str]], rows: Iterable[Row]) -> list[Pair]:
    """Pairs of values that no row has, in the order of the factors."""
    covered = {pair for row in rows for pair in _pairs(row)}
    every = (((a, x), (b, y)) for a, b in combinations(factors, 2) for x, y in product(factors[a], factors[b]))
    return [pair for pair in every if pair not in covered]


def covering_array(factors: Mapping[str, Sequence[str]], given: Iterable[Row] = ()) -> list[Row]:
    """Rows over all factors that cover every pair, the given ones first; each row lists its factors in order."""
    rows = [{name: row[name] for name in factors} for row in given]
    missing = dict.fromkeys(missing_pairs(factors, rows))  # a set that keeps its order
    used = Counter(item for row in rows for item in row.items())
    while missing:
        row: Row = dict(next(iter(missing)))
        for name, values in factors.items():
            if name in row:
                continue
            gains = {
                value: sum(_ordered(factors, (name, value), item) in missing for item in row.items())
                for value in values
            }
            row[name] = max(values, key=lambda value: (gains[value], -used[name, value]))
        row = {name: row[name] for name in factors}
        rows.append(row)
        used.update(row.items())
        for pair in _pairs(row):
            missing.pop(pair, None)
    return rows


def _ordered(factors: Mapping[str, Sequence[str]], x: tuple[str, str], y: tuple[str, str]) -> Pair:
    places = list(factors)
    return (x, y) if places.index(x[0]) < places.index(y[0]) else (y, x)
