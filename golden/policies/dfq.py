"""DFQ and FracTrain: a controller picks each block's precision per sample, held to a cost (policies.md 6).

During training all candidates are computed and mixed by the one-hot choice, as in the published emulation; hardware
would run one. Blocks are the residual blocks of a ResNet, or the inner layers of a plain stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from golden.policies.affine import mac_cost
from golden.policies.formats import FP32, Affine, Network, Precision, Role
from golden.policies.fractional import Fractional, FractionalHyper
from golden.policies.hyper import Hyper, choice, number
from golden.policies.pfq import Indicator

__all__ = ["CHOICES", "DFQ", "FracTrain", "choice_costs"]

CHOICES: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {
    "cifar": (4, ((3, 6), (4, 6), (4, 8), (6, 8), (6, 12))),
    "imagenet": (6, ((3, 6), (4, 8), (6, 12), (8, 16))),
}
"""Bits of weights, and the pairs (activation, gradient) that the controller picks from."""


def choice_costs(name: str) -> NDArray[np.float64]:
    """Cost of each choice in percent of FP32."""
    weight, pairs = CHOICES[name]
    return np.array([100 * mac_cost(weight, activation, gradient) for activation, gradient in pairs])


@dataclass(frozen=True, kw_only=True)
class DFQHyper(FractionalHyper):
    """Hyperparameters."""

    prefix: ClassVar[str] = "dfq"
    choices: str = choice("cifar", tuple(CHOICES), "widths to pick from")
    target: float = number(3.0, 0.0, 100.0, "cost to hold to, in percent of FP32")
    beta: float = number(1e-3, 0.0, 10.0, "weight of the cost, which is summed over the batch, in the loss")


class DFQ(Fractional):
    """The first layer, shortcuts and the classifier stay FP32. Decisions of the latest forward pass are in `picked`."""

    name = "dfq"
    summary = "DFQ: a recurrent controller picks bits per block and sample"
    hyper_type: ClassVar[type[Hyper]] = DFQHyper

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.weight_bits, self.pairs = CHOICES[self.hyper.choices]
        self.costs = choice_costs(self.hyper.choices)
        self.candidate = 0  # the one that is being computed
        self.blocks: list[list[str]] = []  # layers of each gated block
        self.flops: NDArray[np.float64] = np.zeros(0)
        self.picked: dict[int, NDArray[np.float64]] = {}  # block -> share of samples per candidate
        self._block_of: dict[str, int] = {}

    def attach(self, model: Any, batch: Any) -> None:
        from golden.policies.gating import gate  # golden.nn is needed only where there is a model

        self.gated(gate(self, model, batch, self.network.seed))

    def gated(self, blocks: Sequence[Sequence[str]]) -> None:
        """What is gated: the layers of each block. Blocks count alike in the cost, as in the published CIFAR code."""
        self.blocks = [list(block) for block in blocks]
        self.flops = np.ones(len(self.blocks))
        self._block_of = {layer: index for index, block in enumerate(self.blocks) for layer in block}
        even = np.full(len(self.pairs), 1 / len(self.pairs))
        self.picked = dict.fromkeys(range(len(self.blocks)), even)

    @property
    def target(self) -> float:
        """Cost that is held to now, in percent of FP32."""
        return self.hyper.target

    @property
    def cost(self) -> float:
        """Cost of the gated blocks in the latest forward pass, in percent of FP32."""
        means = np.array([self.picked[index] @ self.costs for index in range(len(self.blocks))])
        return float(means @ self.flops / self.flops.sum())

    def cost_gradient(self, block: int) -> NDArray[np.float64]:
        """d(cost term)/d(choice) for each sample, (K): sgn * beta * cost * flops / mean flops."""
        sign = 1.0 if self.cost >= self.target else -1.0
        return sign * self.hyper.beta * self.costs * self.flops[block] / self.flops.mean()

    def untouched(self, layer: str) -> bool:
        return layer not in self._block_of

    def forward_bits(self, layer: str) -> int:
        return self.pairs[self.candidate][0]

    def gradient_bits(self, layer: str) -> int:
        return self.pairs[self.candidate][1]

    def precision(self, layer: str, role: Role) -> Precision:
        """Means over the samples of the latest forward pass; the operands are cut in `quantize`."""
        if self.untouched(layer):
            return FP32
        if role is Role.WEIGHT:
            return Affine(self.weight_bits)
        picked = self.picked[self._block_of[layer]]
        return Affine(float(picked @ [pair[role is Role.GRADIENT] for pair in self.pairs]))

    def layer_cost(self, layer: str) -> float | None:
        if self.untouched(layer):
            return None
        return float(self.picked[self._block_of[layer]] @ self.costs) / 100

    def weight_bits_of(self, layer: str) -> int:
        return self.weight_bits

    def report(self) -> dict[str, Any]:
        return {"cost": self.cost, "target": self.target}


@dataclass(frozen=True, kw_only=True)
class FracTrainHyper(FractionalHyper):
    """Hyperparameters: the targets of the stages are target, target + step, ..."""

    prefix: ClassVar[str] = "fractrain"
    choices: str = choice("cifar", tuple(CHOICES), "widths to pick from")
    target: float = number(1.5, 0.0, 100.0, "cost of the first stage, in percent of FP32")
    increase: float = number(0.5, 0.0, 100.0, "more in each further stage")
    stages: int = number(4, 1, 100, "stages")
    beta: float = number(1e-3, 0.0, 10.0, "weight of the cost, which is summed over the batch, in the loss")
    eps: float = number(0.05, 0.0, 10.0, "how close five epoch losses must lie, relative")
    alpha: float = number(0.3, 0.0, 1.0, "factor of eps after each of the first two switches")
    scale_epochs: int = number(0, 0, 1000, "epochs whose mean loss is the scale; 0: 10, or a tenth of a short run")


class FracTrain(DFQ):
    """DFQ whose target rises by PFQ's indicator. Targets below the cheapest choice, 1.758, end at that choice."""

    name = "fractrain"
    summary = "FracTrain: DFQ with a cost that rises when the loss stops moving"
    hyper_type = FracTrainHyper
    STATE = (*DFQ.STATE, "indicator")
    RECORDS: ClassVar[dict[str, type]] = {"indicator": Indicator}

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.indicator = Indicator(self.hyper.stages, self.hyper.eps, self.hyper.alpha)

    def begin(self, network: Network) -> Self:
        super().begin(network)
        self.indicator.scale_epochs = self.hyper.scale_epochs or max(1, min(10, network.epochs // 10))
        return self

    @property
    def target(self) -> float:
        return self.hyper.target + self.indicator.stage * self.hyper.increase

    def on_epoch(self, loss: float) -> None:
        super().on_epoch(loss)
        if self.epoch < self.network.epochs:  # as PFQ
            self.indicator.observe(loss)

    def report(self) -> dict[str, Any]:
        return super().report() | {"stage": self.indicator.stage}
