"""A learned real bit length: stochastic integer draws, gradient, schedule, round-up and freeze (policies.md 1).

Quantum Mantissa and Quantum Exponent hold one per stashed tensor.
"""

from dataclasses import dataclass, field
from math import ceil, floor

from golden.policies.hyper import Hyper, flag, number
from golden.words import counter_words

__all__ = ["LearnedLength", "LengthHyper", "drawn", "gamma_at"]


@dataclass(frozen=True, kw_only=True)
class LengthHyper(Hyper):
    """What Quantum Mantissa and Quantum Exponent share; epochs are in parts of the run, of 90 in the paper."""

    gamma: float = number(0.1, 0.0, 1000.0, "weight of the footprint in the loss; a tenth after each third of the run")
    lr: float = number(1.0, 0.0, 1e6, "learning rate of the lengths, in learning rates of the weights")
    freeze: float = number(10 / 90, 0.0, 1.0, "last part of the run with lengths rounded up and frozen")
    max_step: float = number(0.02, 0.0, 23.0, "largest change of a length in one step, in bits")
    decay_gamma: bool = flag(True, "the schedule of gamma; off keeps it constant")


def gamma_at(hyper: LengthHyper, epoch: int, epochs: int) -> float:
    """0.1, 0.01, 0.001 from epochs 0, 30, 60 of 90: gamma divided by ten after each whole third of the run."""
    thirds = min(3 * epoch // epochs, 2) if hyper.decay_gamma else 0
    return hyper.gamma / 10**thirds


def drawn(length: float, name: str, step: int, seed: int) -> int:
    """floor(length) + 1 if u < its fraction, else floor(length): u = word / 2^32 of formats.md 0.2's counter."""
    whole = floor(length)
    return whole + (int(counter_words(name, step, 1, seed)[0]) / 2**32 < length - whole)


@dataclass(slots=True)
class LearnedLength:
    """One length in `least`..`most`, its gradient of this step, and the integer that is in use.

    `share` is lambda: the tensor's part of the footprint.
    """

    value: float
    least: int
    most: int
    share: float
    gradient: float = 0.0
    used: int = field(init=False)
    frozen: bool = False

    def __post_init__(self) -> None:
        self.used = ceil(self.value)

    def draw(self, name: str, step: int, seed: int) -> int:
        """The integer of this forward pass, which backward uses as well."""
        self.used = drawn(self.value, name, step, seed)
        return self.used

    @property
    def floor(self) -> int:
        """floor(length): where the finite difference starts, whichever integer was drawn."""
        return floor(self.value)

    @property
    def settled(self) -> int:
        """The length rounded up: what evaluation uses, and the end of training."""
        return ceil(self.value)

    def descend(self, lr: float, gamma: float, max_step: float) -> None:
        """value -= lr * (task gradient + gamma * share), at most `max_step` bits, clipped to the legal range."""
        if not self.frozen:
            move = lr * (self.gradient + gamma * self.share)
            self.value = min(max(self.value - min(max(move, -max_step), max_step), float(self.least)), float(self.most))
        self.gradient = 0.0

    def freeze(self) -> None:
        """Round up, for good."""
        self.value, self.frozen = float(self.settled), True
        self.used = self.settled
