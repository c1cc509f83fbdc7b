"""Test points: named situations that a run must have driven, counted on what it really drove.

A point is a predicate over a *view* of one batch (configuration, inputs, expected outputs). A point that its
configuration can reach and no run hit fails the configuration; one that it cannot reach states why, and a hit on it
fails as well, because the statement is then wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tb.batches import Config

__all__ = ["Need", "Point", "complete", "judge", "mask"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a configuration must have for a point to be required.

    `exact`: without it the point cannot be reached at all, so that a hit would disprove the statement. `meaning`:
    without it the point means nothing (a NaN element, where no code is one) and is no part of the plan.
    """

    text: str
    holds: Callable[[Config], bool]
    exact: bool = True
    meaning: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """`hit` tells of each transfer (or element) of a view whether it is this situation."""

    name: str
    hit: Callable[[Any], Any]
    needs: tuple[Need, ...] = ()

    def missing(self, config: Config) -> list[Need]:
        """Needs that a configuration does not meet; the point is required if there are none."""
        return [need for need in self.needs if not need.holds(config)]

    def means(self, config: Config) -> bool:
        """Whether the point is part of a configuration's plan at all."""
        return not any(need.meaning for need in self.missing(config))


def mask(point: Point, view: Any) -> NDArray[np.bool_]:
    """Where a batch hits a point: per transfer or block, elements taken together."""
    hit: NDArray[np.bool_] = np.asarray(point.hit(view), np.bool_)
    return np.any(hit, axis=1) if hit.ndim > 1 else hit


def complete(mask: NDArray[np.bool_], values: NDArray[Any], wanted: Iterable[int]) -> NDArray[np.bool_]:
    """The mask, if the values that it selects from a batch are all that is wanted, else nothing."""
    return mask & (set(wanted) <= set(np.unique(values[mask]).tolist()))


def judge(points: list[Point], config: Config, hits: Mapping[str, int]) -> tuple[dict[str, int | str], list[str]]:
    """(point -> hits, or why none are needed; complaints) of everything a configuration has driven."""
    record: dict[str, int | str] = {}
    complaints = []
    for point in points:
        missing, times = point.missing(config), hits.get(point.name, 0)
        reason = "needs " + ", ".join(need.text for need in missing)
        record[point.name] = reason if missing and not times else times
        if not missing and not times:
            complaints.append(f"test point never hit: {point.name}")
        if times and any(need.exact for need in missing):
            complaints.append(f"test point hit {times} times though declared unreachable ({reason}): {point.name}")
    return record, complaints
