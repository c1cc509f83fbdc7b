"""Flexpoint with Autoflex, our variant (policies.md 10): 16-bit integers under one predicted exponent per tensor.

The exponent of a use is predicted from the maxima of the 16 uses before; nothing but the first use looks at the tensor
itself. All arithmetic of the prediction is FP64.
"""

from dataclasses import dataclass
from math import frexp, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from golden.policies.base import Policy
from golden.policies.formats import Affine, Precision, Role
from golden.policies.hyper import Hyper, number

__all__ = ["Autoflex", "Flexpoint", "ceil_log2", "to_flex"]

Array = NDArray[np.float32]
_HISTORY = 16


def ceil_log2(value: float) -> int:
    """Least e with value <= 2^e; value > 0."""
    mantissa, exponent = frexp(value)
    return exponent - (mantissa == 0.5)


def to_flex(x: Array, exponent: int, bits: int = 16) -> tuple[NDArray[np.int64], bool]:
    """Mantissas round(x / 2^exponent) to nearest even, saturated to `bits` in two's complement; and whether any was."""
    most = (1 << bits - 1) - 1
    wide = np.rint(np.ldexp(x.astype(np.float64), -exponent))
    return np.clip(wide, -most - 1, most).astype(np.int64), bool(np.any((wide > most) | (wide < -most - 1)))


@dataclass(slots=True)
class Autoflex:
    """History of one tensor's largest magnitudes, and the exponent predicted from it."""

    bits: int
    history: list[float]
    exponent: int

    @classmethod
    def started(cls, x: Array, bits: int) -> "Autoflex":
        """Start-up, which repeats until nothing overflows: the least exponent under which x fits."""
        largest = float(np.abs(x).max()) if x.size else 0.0
        exponent = ceil_log2(largest) - (bits - 1) if largest else -126
        while to_flex(x, exponent, bits)[1]:
            exponent += 1
        return cls(bits, [], exponent)

    def observe(self, mantissas: NDArray[np.int64]) -> None:
        """Note max |mantissa| * 2^exponent; predict chi = 2 (mean + 3 std + 100 ulp), exponent ceil(log2 chi) - 15."""
        ulp = 2.0**self.exponent
        self.history = [*self.history, float(np.abs(mantissas).max(initial=0)) * ulp][-_HISTORY:]
        mean = sum(self.history) / len(self.history)
        std = sqrt(sum((value - mean) ** 2 for value in self.history) / len(self.history))
        chi = 2 * (mean + 3 * std + 100 * ulp)
        self.exponent = min(max(ceil_log2(chi) - (self.bits - 1), -149), 127)


@dataclass(frozen=True, kw_only=True)
class FlexpointHyper(Hyper):
    """Hyperparameters; flex16+5 in the paper."""

    prefix: ClassVar[str] = "flexpoint"
    bits: int = number(16, 4, 24, "width of a mantissa, sign included")


class Flexpoint(Policy):
    """Weights, activations and gradients in 16-bit integers with a predicted exponent each."""

    name = "flexpoint"
    summary = "Flexpoint with Autoflex (our variant): 16-bit integers, predicted exponent per tensor"
    hyper_type = FlexpointHyper
    claims = frozenset(Role)
    STATE = ("step", "epoch", "tensors", "overflows")
    RECORDS: ClassVar[dict[str, type]] = {"tensors": Autoflex}

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.tensors: dict[str, Autoflex] = {}
        self.overflows = 0

    def precision(self, layer: str, role: Role) -> Precision:
        return Affine(self.hyper.bits)

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        key = f"{layer}/{role}"
        if key not in self.tensors:
            self.tensors[key] = Autoflex.started(x, self.hyper.bits)
        flex = self.tensors[key]
        exponent = flex.exponent
        mantissas, overflow = to_flex(x, exponent, self.hyper.bits)
        if training:
            self.overflows += overflow
            flex.observe(mantissas)
        return np.ldexp(mantissas.astype(np.float64), exponent).astype(np.float32)

    def report(self) -> dict[str, Any]:
        return {"overflows": self.overflows}
