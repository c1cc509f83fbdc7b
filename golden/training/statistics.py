"""Comparing runs: mean and range over seeds, the paired difference to a baseline with its 95 % interval, a verdict."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

__all__ = ["MARGIN", "Paired", "Spread", "paired", "r_squared", "spread", "t_quantile"]

MARGIN = 0.01
"""One point of a hundred: what may be lost before accuracies are no longer called the same."""

# Student's t, two-sided 95 %: quantile 0.975 by degrees of freedom 1..30; beyond, two Cornish-Fisher terms suffice.
_T975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def t_quantile(freedom: int) -> float:
    """The 0.975 quantile of Student's t with so many degrees of freedom (1 or more)."""
    if freedom < 1:
        raise ValueError(f"degrees of freedom {freedom}: 1 or more")
    z = 1.959964
    if freedom <= len(_T975):
        return _T975[freedom - 1]
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One quantity over the seeds."""

    n: int
    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


def spread(values: Sequence[float]) -> Spread:
    """Mean and range; at least one value."""
    return Spread(n=len(values), mean=float(np.mean(values)), low=float(min(values)), high=float(max(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Difference to the baseline, seed by seed: its mean and 95 % interval, and what that says.

    "same": the whole interval lies above -margin, so that no more than the margin is lost. "worse": it does not, and
    the whole interval lies below 0. Anything else is "undecided": more seeds or a harder set are needed. The interval
    is Student's; it covers the choice of seed, not of the test set.
    """

    n: int
    mean: float
    low: float
    high: float
    margin: float
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


def paired(values: Sequence[float], baseline: Sequence[float], margin: float = MARGIN) -> Paired:
    """Values and baseline by seed, in the same order; the higher, the better. A single pair is always undecided."""
    if len(values) != len(baseline) or not values:
        raise ValueError(f"{len(values)} values and {len(baseline)} of the baseline: as many, at least one")
    difference = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    mean, n = float(difference.mean()), len(difference)
    half = t_quantile(n - 1) * float(difference.std(ddof=1)) / sqrt(n) if n > 1 else float("inf")
    low, high = mean - half, mean + half
    verdict = "same" if low > -margin else "worse" if high < 0 else "undecided"
    return Paired(n=n, mean=mean, low=low, high=high, margin=margin, verdict=verdict)


def r_squared(x: Sequence[float], y: Sequence[float]) -> float:
    """Squared correlation of two quantities, at least three pairs: what a straight line through them explains."""
    if len(x) != len(y) or len(x) < 3:
        raise ValueError(f"{len(x)} and {len(y)} values: as many, three at least")
    a, b = (np.asarray(values, dtype=np.float64) - np.mean(values) for values in (x, y))
    spread_of_both = float((a @ a) * (b @ b))
    return float((a @ b) ** 2) / spread_of_both if spread_of_both else 0.0
