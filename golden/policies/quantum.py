"""Quantum Mantissa and Quantum Exponent: bit lengths learned by gradient descent (policies.md 1, 2; arXiv 2204.13666).

Every layer's weight and every layer's stashed activation has a real mantissa length n, a real exponent length k, or
both. Forward and backward use the integer drawn for the pass; values pass their gradients straight through.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from golden.policies.base import Policy
from golden.policies.containers import (
    MANTISSA_BITS,
    WINDOWS,
    bias_of,
    finite_difference,
    lowest_exponent_bits,
    offset,
    truncate,
    window,
)
from golden.policies.formats import FP32, Container, Network, Precision, Role
from golden.policies.hyper import Hyper, choice, flag, flag_name, number
from golden.policies.lengths import LearnedLength, LengthHyper, gamma_at

__all__ = ["QuantumBoth", "QuantumExponent", "QuantumMantissa"]

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MantissaHyper(LengthHyper):
    """Hyperparameters of Quantum Mantissa."""

    prefix: ClassVar[str] = "qm"
    source: str = choice("fp32", tuple(MANTISSA_BITS), "what is cut: 23 mantissa bits or 7")
    first_m: int = number(-1, -1, 23, "mantissa bits to begin with; -1: all. With lr 0 they stay")

    def __post_init__(self) -> None:
        super().__post_init__()
        most = MANTISSA_BITS[self.source]
        if self.first_m > most:
            raise ValueError(f"{flag_name(self.prefix, 'first_m')} {self.first_m}: -1..{most} of {self.source}")


@dataclass(frozen=True, kw_only=True)
class ExponentHyper(LengthHyper):
    """Hyperparameters of Quantum Exponent."""

    prefix: ClassVar[str] = "qe"
    window: str = choice("max", WINDOWS, "exponents kept: below the tensor's maximum, or around 0")
    first_k: int = number(8, 1, 8, "exponent bits to begin with. With lr 0 they stay")
    stale_bias: bool = flag(False, "take the maximum of the step before, as hardware does")

    def __post_init__(self) -> None:
        super().__post_init__()
        least = lowest_exponent_bits(self.window)
        if self.first_k < least:
            raise ValueError(
                f"{flag_name(self.prefix, 'first_k')} {self.first_k}: {least}..8 with window {self.window}"
            )


@dataclass(frozen=True, kw_only=True)
class BothHyper(MantissaHyper, ExponentHyper):
    """Hyperparameters of both at once; one gamma and one learning rate serve both lengths."""

    prefix: ClassVar[str] = "qm-qe"


class _Quantum(Policy):
    """The machinery; subclasses say which of the two lengths are learned."""

    lengths_of: ClassVar[tuple[str, ...]] = ()
    claims = frozenset({Role.WEIGHT, Role.ACTIVATION})
    learns = True
    STATE = ("step", "epoch", "lengths", "biases")
    RECORDS: ClassVar[dict[str, type]] = {"lengths": LearnedLength}

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.lengths: dict[str, LearnedLength] = {}  # "layer/role/m" and "layer/role/k"
        self.biases: dict[str, int] = {}
        self._mode = getattr(self.hyper, "window", "max")
        self._mantissa = MANTISSA_BITS[getattr(self.hyper, "source", "fp32")]

    def begin(self, network: Network) -> Self:
        super().begin(network)
        least = {"m": 0, "k": lowest_exponent_bits(self._mode)}
        most = {"m": self._mantissa, "k": 8}
        first_m = getattr(self.hyper, "first_m", -1)
        first = {"m": most["m"] if first_m < 0 else first_m, "k": getattr(self.hyper, "first_k", 8)}
        self.lengths = {
            f"{key}/{part}": LearnedLength(float(first[part]), least[part], most[part], share)
            for key, share in network.shares().items()
            for part in self.lengths_of
        }
        return self

    def on_epoch(self, loss: float) -> None:
        super().on_epoch(loss)
        if self.epoch >= round(self.network.epochs * (1 - self.hyper.freeze)):
            for length in self.lengths.values():
                length.freeze()

    def precision(self, layer: str, role: Role) -> Precision:
        if role not in self.claims:
            return FP32
        key = f"{layer}/{role}"
        n, k = self._used(key, "m"), self._used(key, "k")
        return Container(n, k, offset(k, self._mode, self.biases.get(key, -126)))

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        if role not in self.claims:
            return x
        key = f"{layer}/{role}"
        for part in self.lengths_of if training else ():
            self.lengths[f"{key}/{part}"].draw(f"{key}/q{part}", self.step, self.network.seed)
        if training:
            self._note_bias(key, x)
        n, k = (self._used(key, part) if training else self._settled(key, part) for part in "mk")
        return truncate(window(x, k, self._mode, self._bias(key, x)), n)

    def learn(self, layer: str, role: Role, x: Array, dq: Array) -> None:
        key = f"{layer}/{role}"
        n, k = self._used(key, "m"), self._used(key, "k")
        bias = self._bias(key, x)
        if f"{key}/m" in self.lengths:
            length = self.lengths[f"{key}/m"]
            inside = window(x, k, self._mode, bias)
            length.gradient += finite_difference(lambda m: truncate(inside, m), length.floor, length.most, dq)
        if f"{key}/k" in self.lengths:
            length = self.lengths[f"{key}/k"]
            length.gradient += finite_difference(
                lambda w: truncate(window(x, w, self._mode, bias), n), length.floor, length.most, dq
            )

    def update(self, lr: float) -> None:
        gamma = gamma_at(self.hyper, self.epoch, self.network.epochs)
        for length in self.lengths.values():
            length.descend(lr * self.hyper.lr, gamma, self.hyper.max_step)

    def report(self) -> dict[str, Any]:
        return {"lengths": {key: length.value for key, length in self.lengths.items()}}

    def _used(self, key: str, part: str) -> int:
        length = self.lengths.get(f"{key}/{part}")
        return length.used if length else self._whole(part)

    def _settled(self, key: str, part: str) -> int:
        length = self.lengths.get(f"{key}/{part}")
        return length.settled if length else self._whole(part)

    def _whole(self, part: str) -> int:
        return self._mantissa if part == "m" else 8

    def _note_bias(self, key: str, x: Array) -> None:
        """B of this pass: of the tensor itself, or of the step before."""
        bias = bias_of(x)
        if not getattr(self.hyper, "stale_bias", False):
            self.biases[key] = bias
            return
        self.biases[key], self.biases[f"{key}/next"] = self.biases.get(f"{key}/next", bias), bias

    def _bias(self, key: str, x: Array) -> int:
        stale = getattr(self.hyper, "stale_bias", False)
        return self.biases.get(key, bias_of(x)) if stale else bias_of(x)


class QuantumMantissa(_Quantum):
    """Learned mantissa lengths; exponents stay whole."""

    name = "qm"
    summary = "Quantum Mantissa: learned mantissa lengths per tensor"
    hyper_type = MantissaHyper
    lengths_of = ("m",)


class QuantumExponent(_Quantum):
    """Learned exponent lengths; mantissas stay whole."""

    name = "qe"
    summary = "Quantum Exponent: learned exponent lengths per tensor"
    hyper_type = ExponentHyper
    lengths_of = ("k",)


class QuantumBoth(_Quantum):
    """Both: mantissas are cut after exponents, with independent draws."""

    name = "qm_qe"
    summary = "Quantum Mantissa and Quantum Exponent together"
    hyper_type = BothHyper
    lengths_of = ("m", "k")
