"""Learning rate by step: frozen objects, `schedule(step) -> lr`, step counted from 0 in optimiser steps."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

__all__ = ["Constant", "Cosine", "Schedule", "Steps", "WarmUp"]

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """`lr` throughout."""

    lr: float

    def __call__(self, step: int) -> float:
        """Learning rate of this step."""
        return self.lr


@dataclass(frozen=True)
class Steps:
    """`lr`, multiplied by `factor` from each milestone (a step number) on."""

    lr: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        """Learning rate of this step."""
        return self.lr * self.factor ** sum(step >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `lr` at step 0 to `final` at step `total` and after."""

    lr: float
    total: int
    final: float = 0.0

    def __call__(self, step: int) -> float:
        """Learning rate of this step."""
        return self.final + (self.lr - self.final) * (1 + cos(pi * min(step / self.total, 1))) / 2


@dataclass(frozen=True)
class WarmUp:
    """Another schedule, its rate multiplied by (step + 1) / steps during the first `steps`; steps are not shifted."""

    schedule: Schedule
    steps: int

    def __call__(self, step: int) -> float:
        """Learning rate of this step."""
        return self.schedule(step) * min((step + 1) / self.steps, 1) if self.steps else self.schedule(step)
