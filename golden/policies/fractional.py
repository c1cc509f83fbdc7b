"""What PFQ, CPT and static SBM training share: stage bits for weights and activations, other bits for gradients.

The quantiser is FracTrain's affine one, or (`mapping bfp`) block floating point with b - 1 magnitude bits.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.policies.affine import affine, quantize_gradient, quantize_weight, tensor_range
from golden.policies.base import Policy
from golden.policies.formats import Affine, Blocks, Precision, Role
from golden.policies.hyper import Hyper, choice, number
from golden.words import counter_words

__all__ = ["Fractional", "FractionalHyper", "Static", "bits_list"]

Array = NDArray[np.float32]


def bits_list(flag: str, text: str) -> tuple[int, ...]:
    """Bits per stage out of "3,4,6,8"."""
    parts = text.split(",")
    if not all(part.strip().isdigit() and 2 <= int(part) <= 16 for part in parts):
        raise ValueError(f"{flag} {text!r}: 2..16 bits per stage, separated by commas")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True, kw_only=True)
class FractionalHyper(Hyper):
    """Hyperparameters of every such policy."""

    mapping: str = choice("affine", ("affine", "bfp"), "FracTrain's integers, or blocks with b - 1 magnitude bits")
    momentum: float = number(0.9, 0.0, 1.0, "of the running activation range, which evaluation uses")


class Fractional(Policy, ABC):
    """Base: a subclass says `forward_bits` and `gradient_bits` of a layer now."""

    claims = frozenset(Role)
    STATE: ClassVar[tuple[str, ...]] = ("step", "epoch", "ranges")
    keeps_last: ClassVar[bool] = True  # the classifier stays FP32

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.ranges: dict[str, tuple[float, float]] = {}  # running minimum and maximum of each activation

    @abstractmethod
    def forward_bits(self, layer: str) -> int:
        """Bits of weight and activation."""

    @abstractmethod
    def gradient_bits(self, layer: str) -> int:
        """Bits of the gradient of the output."""

    def weight_bits_of(self, layer: str) -> int:
        """Bits of the weight; those of the activation unless said otherwise."""
        return self.forward_bits(layer)

    def untouched(self, layer: str) -> bool:
        """Whether the layer stays FP32."""
        return self.keeps_last and layer == self.network.layers[-1]

    def precision(self, layer: str, role: Role) -> Precision:
        if self.untouched(layer):
            return super().precision(layer, role)
        bits = self.gradient_bits(layer) if role is Role.GRADIENT else self.forward_bits(layer)
        if self.hyper.mapping == "affine":
            return Affine(bits)
        fmt = get_format(f"bfp{bits}x64")
        return Blocks(fmt.name, fmt.bits_per_element)

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        if self.untouched(layer) or self.hyper.mapping != "affine":
            return x
        if role is Role.WEIGHT:
            return quantize_weight(x, self.weight_bits_of(layer))
        if role is Role.GRADIENT:
            words = counter_words(f"{layer}/{role}", self.step, x.size, self.network.seed)
            return quantize_gradient(x, self.gradient_bits(layer), words)
        low, high = self._activation_range(layer, x, training)
        return affine(x, self.forward_bits(layer), low, high)

    def _activation_range(self, layer: str, x: Array, training: bool) -> tuple[Any, Any]:
        """Of the batch in training; running in evaluation, where the first batch starts the mean."""
        if not training:
            low, high = self.ranges.get(layer) or tensor_range(x)
            return np.float32(low), np.float32(high)
        low, high = tensor_range(x)
        was = self.ranges.get(layer, (float(low), float(high)))
        keep = self.hyper.momentum
        self.ranges[layer] = (keep * was[0] + (1 - keep) * float(low), keep * was[1] + (1 - keep) * float(high))
        return low, high


@dataclass(frozen=True, kw_only=True)
class StaticHyper(FractionalHyper):
    """Hyperparameters of static training; FW8/BW8 is the papers' reference."""

    prefix: ClassVar[str] = "static"
    forward: int = number(8, 2, 16, "bits of weights and activations")
    backward: int = number(8, 2, 16, "bits of gradients")


class Static(Fractional):
    """SBM: the same bits from beginning to end, what PFQ, DFQ and CPT are measured against."""

    name = "static"
    summary = "static low precision (SBM), FW8/BW8 by default"
    hyper_type = StaticHyper

    def forward_bits(self, layer: str) -> int:
        return self.hyper.forward

    def gradient_bits(self, layer: str) -> int:
        return self.hyper.backward
