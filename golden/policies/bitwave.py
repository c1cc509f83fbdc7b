"""BitWave and BitChop: one mantissa and exponent length for the whole network, led by the loss (policies.md 3)."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from golden.policies.base import Policy
from golden.policies.containers import MANTISSA_BITS, WINDOWS, bias_of, offset, truncate, window
from golden.policies.formats import FP32, Container, Network, Precision, Role
from golden.policies.hyper import Hyper, choice, number

__all__ = ["BitChop", "BitWave"]

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BitWaveHyper(Hyper):
    """Hyperparameters; the paper's constants are not known, these are the specification's."""

    prefix: ClassVar[str] = "bitwave"
    alpha: float = number(1 / 16, 0.0, 1.0, "weight of a new loss in the running mean")
    eps: float = number(0.01, 0.0, 1.0, "band around the mean in which nothing changes, relative")
    source: str = choice("fp32", tuple(MANTISSA_BITS), "what is cut: 23 mantissa bits or 7")
    window: str = choice("max", WINDOWS, "exponents kept: below each tensor's maximum, or around 0")
    least_m: int = number(0, 0, 23, "fewest mantissa bits")
    least_k: int = number(2, 2, 8, "fewest exponent bits")
    start: int = number(0, 0, 1_000_000, "epochs of full precision at the beginning")
    hold: int = number(0, 0, 1 << 20, "steps of full precision after a change of learning rate; 0: epoch / 20")


@dataclass(frozen=True, kw_only=True)
class BitChopHyper(BitWaveHyper):
    """The same constants under BitChop's name."""

    prefix: ClassVar[str] = "bitchop"


class BitWave(Policy):
    """A loss below its running mean takes a bit away, above gives one back; mantissa and exponent take turns.

    All arithmetic is FP32, rounded to nearest even in the order of policies.md 3.
    """

    name = "bitwave"
    summary = "BitWave: network-wide mantissa and exponent lengths, led by the loss"
    hyper_type = BitWaveHyper
    STATE = ("step", "epoch", "m", "k", "mean", "turn", "holding", "biases")
    claims = frozenset({Role.WEIGHT, Role.ACTIVATION})
    cuts_exponent: ClassVar[bool] = True

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.most = {"m": MANTISSA_BITS[self.hyper.source], "k": 8}
        self.m, self.k = self.most["m"], self.most["k"]
        self.mean: float | None = None  # A, an FP32 value
        self.turn = "m"
        self.holding = 0
        self.biases: dict[str, int] = {}
        self._hold = max(self.hyper.hold, 1)

    def begin(self, network: Network) -> Self:
        super().begin(network)
        self._hold = self.hyper.hold or max(1, network.steps_per_epoch // 20)
        return self

    def on_step(self, loss: float) -> None:
        super().on_step(loss)
        if self.epoch < self.hyper.start:
            return
        if not isfinite(loss):
            self._reset()
            return
        side = self.side(loss)
        if self.holding:
            self.holding -= 1
        elif side < 0:
            self._shorten()
            self._toggle()
        elif side > 0:
            self._toggle()
            self._lengthen()
        mean = self._mean_before(loss)
        self.mean = float(mean + np.float32(self.hyper.alpha) * (np.float32(loss) - mean))

    def side(self, loss: float) -> int:
        """-1 for a loss below the band around the running mean, 1 above, 0 within."""
        current, mean = np.float32(loss), self._mean_before(loss)
        band = np.float32(self.hyper.eps) * mean
        return int(current > mean + band) - int(current < mean - band)

    def _mean_before(self, loss: float) -> np.float32:
        """The running mean; the first loss starts it."""
        return np.float32(loss if self.mean is None else self.mean)

    def on_lr_change(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.m, self.k, self.turn, self.holding = self.most["m"], self.most["k"], "m", self._hold

    def _toggle(self) -> None:
        if self.cuts_exponent:
            self.turn = "k" if self.turn == "m" else "m"

    def _shorten(self) -> None:
        if self.turn == "m":
            self.m = max(self.m - 1, self.hyper.least_m)
        else:
            self.k = max(self.k - 1, self.hyper.least_k)

    def _lengthen(self) -> None:
        """Undo the last cut."""
        if self.turn == "m":
            self.m = min(self.m + 1, self.most["m"])
        else:
            self.k = min(self.k + 1, self.most["k"])

    def precision(self, layer: str, role: Role) -> Precision:
        if role not in self.claims:
            return FP32
        bias = self.biases.get(f"{layer}/{role}", -126)
        return Container(self.m, self.k, offset(self.k, self.hyper.window, bias))

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        if role not in self.claims:
            return x
        if training:
            self.biases[f"{layer}/{role}"] = bias_of(x)
        return truncate(window(x, self.k, self.hyper.window), self.m)

    def report(self) -> dict[str, Any]:
        return {"m": self.m, "k": self.k, "mean loss": self.mean}


class BitChop(BitWave):
    """BitWave with whole exponents."""

    name = "bitchop"
    summary = "BitChop: a network-wide mantissa length, led by the loss"
    hyper_type = BitChopHyper
    cuts_exponent = False
