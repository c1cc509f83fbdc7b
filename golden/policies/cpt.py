"""CPT, cyclic precision training: bits rise along half a cosine, jump back, and rise again (policies.md 7)."""

from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar

from numpy.typing import NDArray

from golden.policies.affine import mac_cost
from golden.policies.formats import Role
from golden.policies.fractional import Fractional, FractionalHyper
from golden.policies.hyper import Hyper, number

__all__ = ["CPT", "cycle_bits", "saving"]


def cycle_bits(step: int, period: float, low: int, high: int) -> int:
    """rint(low + (high - low)/2 * (1 + cos(pi * (step mod period)/period + pi))), FP64, ties to even."""
    return round(low + 0.5 * (high - low) * (1 + cos(pi * (step % period) / period + pi)))


def saving(period: int, low: int, high: int, backward: int) -> float:
    """Part of the multiplication cost of static `high`/`backward` that one cycle saves."""
    bits = [cycle_bits(step, period, low, high) for step in range(period)]
    return 1 - sum(mac_cost(b, b, backward) for b in bits) / (period * mac_cost(high, high, backward))


@dataclass(frozen=True, kw_only=True)
class CPTHyper(FractionalHyper):
    """Hyperparameters; the paper: 3..8 against gradients of 8, 3..6 and 3..4 against 6; 32 cycles."""

    prefix: ClassVar[str] = "cpt"
    low: int = number(3, 2, 16, "fewest bits of weights and activations")
    high: int = number(8, 2, 16, "most bits of weights and activations")
    backward: int = number(8, 2, 16, "bits of gradients")
    cycles: int = number(32, 1, 100_000, "cycles in the run")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ValueError(f"--cpt-low {self.low}: 2..{self.high}, the value of --cpt-high")


class CPT(Fractional):
    """The cycle, counted in steps over the whole run. What is evaluated has the bits of the last step taken."""

    name = "cpt"
    summary = "CPT: bits of weights and activations cycle between two widths"
    hyper_type = CPTHyper
    hyper: CPTHyper

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self._at = 0  # the step whose bits hold

    @property
    def period(self) -> float:
        """Steps of a cycle, at least one; not rounded, so that a run of any length ends with the last cycle."""
        return max(1.0, self.network.epochs * self.network.steps_per_epoch / self.hyper.cycles)

    def quantize(self, layer: str, role: Role, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        self._at = self.step if training else max(self.step - 1, 0)
        return super().quantize(layer, role, x, training=training)

    def forward_bits(self, layer: str) -> int:
        return cycle_bits(self._at, self.period, self.hyper.low, self.hyper.high)

    def gradient_bits(self, layer: str) -> int:
        return self.hyper.backward

    def report(self) -> dict[str, object]:
        return {"forward bits": self.forward_bits("")}
