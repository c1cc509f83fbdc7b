"""PFQ, progressive fractional quantisation: more bits whenever the loss has stopped moving (policies.md 5)."""

from dataclasses import dataclass, field
from typing import ClassVar, Self

from golden.policies.formats import Network
from golden.policies.fractional import Fractional, FractionalHyper, bits_list
from golden.policies.hyper import Hyper, number, words

__all__ = ["PFQ", "Indicator"]

_KEPT = 5  # losses that must lie together


@dataclass(slots=True)
class Indicator:
    """FracTrain's switch: the last 5 epoch losses within eps of the newest, relative to the mean of the first ones.

    `scale_epochs` (10 in the code) is when that mean freezes; eps is multiplied by alpha on the first two switches.
    """

    stages: int
    eps: float = 0.05
    alpha: float = 0.3
    scale_epochs: int = 10
    stage: int = 0
    recent: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """Mean of the losses of the first `scale_epochs` epochs so far."""
        return sum(self.first) / len(self.first)

    def observe(self, loss: float) -> bool:
        """Take in an epoch's loss; whether the next epoch is a stage further."""
        if len(self.first) < self.scale_epochs:
            self.first.append(loss)
        if self.stage >= self.stages - 1:
            return False
        self.recent = [*self.recent, loss][-_KEPT:]
        together = all(abs(before - loss) / self.scale <= self.eps for before in self.recent[:-1])
        if len(self.recent) < _KEPT or not together:
            return False
        self.stage += 1
        self.recent = []
        if self.stage in (1, 2):
            self.eps *= self.alpha
        return True


@dataclass(frozen=True, kw_only=True)
class PFQHyper(FractionalHyper):
    """Hyperparameters: the README's example; the code's own defaults for eps and alpha are 0.15 and 0.4."""

    prefix: ClassVar[str] = "pfq"
    forward: str = words("3,4,6,8", "bits of weights and activations, per stage")
    backward: str = words("6,6,8,8", "bits of gradients, per stage")
    eps: float = number(0.05, 0.0, 10.0, "how close five epoch losses must lie, relative")
    alpha: float = number(0.3, 0.0, 1.0, "factor of eps after each of the first two switches")
    scale_epochs: int = number(0, 0, 1000, "epochs whose mean loss is the scale; 0: 10, or a tenth of a short run")
    schedule: str = words("", "fixed first epochs of stages 1, 2, ...: the control without the indicator")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(bits_list("--pfq-forward", self.forward)) != len(bits_list("--pfq-backward", self.backward)):
            raise ValueError("--pfq-backward: as many stages as --pfq-forward")
        starts = self.starts
        if starts and (len(starts) != len(self.forward.split(",")) - 1 or list(starts) != sorted(starts)):
            raise ValueError("--pfq-schedule: one first epoch, in increasing order, for every stage but the first")

    @property
    def starts(self) -> tuple[int, ...]:
        """The epochs of a fixed schedule."""
        try:
            return tuple(int(part) for part in self.schedule.split(",")) if self.schedule else ()
        except ValueError:
            raise ValueError(f"--pfq-schedule {self.schedule!r}: epochs separated by commas") from None


class PFQ(Fractional):
    """Stages of more and more bits for weights and activations (forward) and for gradients (backward)."""

    name = "pfq"
    summary = "PFQ: bits grow in stages when the loss stops moving (FracTrain)"
    hyper_type = PFQHyper
    STATE = (*Fractional.STATE, "indicator")
    RECORDS: ClassVar[dict[str, type]] = {"indicator": Indicator}

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.forward = bits_list("--pfq-forward", self.hyper.forward)
        self.backward = bits_list("--pfq-backward", self.hyper.backward)
        self.indicator = Indicator(len(self.forward), self.hyper.eps, self.hyper.alpha)

    def begin(self, network: Network) -> Self:
        super().begin(network)
        short = max(1, min(10, network.epochs // 10))
        self.indicator.scale_epochs = self.hyper.scale_epochs or short
        return self

    @property
    def stage(self) -> int:
        """The stage that holds now, from 0."""
        if self.hyper.starts:
            return sum(min(self.epoch, self.network.epochs - 1) >= start for start in self.hyper.starts)
        return self.indicator.stage

    def on_epoch(self, loss: float) -> None:
        super().on_epoch(loss)
        if self.epoch < self.network.epochs:  # what the last epoch trained is what is tested
            self.indicator.observe(loss)

    def forward_bits(self, layer: str) -> int:
        return self.forward[self.stage]

    def gradient_bits(self, layer: str) -> int:
        return self.backward[self.stage]

    def report(self) -> dict[str, object]:
        return {"stage": self.stage, "eps": self.indicator.eps}
