"""What a policy's choices cost: bits stored and multiplications (gecko.md 10, policies.md 5).

Bits: what a training step keeps of every weight and stashed activation, in the format it has at that step; Gecko's part
is counted exactly, by `golden.gecko.size`, on the tensors of sampled steps. Multiplications: the three products of a
layer cost b_w*b_a, b_w*g and b_a*g over 32*32, so FP32 costs 1. Values cut to containers are computed on in FP32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import gecko
from golden.catalog import get_format
from golden.policies.affine import mac_cost
from golden.policies.formats import Affine, Blocks, Container, Float, Precision, Product, Role, Tensor

__all__ = ["Usage", "gecko_bits", "multiplier_bits", "stored_bits"]

Array = NDArray[np.float32]


def stored_bits(precision: Precision) -> float:
    """Bits per value in memory, a scale's share included, without Gecko."""
    return float(precision.bits)


def multiplier_bits(precision: Precision) -> float:
    """Width of an operand at the multiplier; 32 for what is computed on as FP32."""
    if isinstance(precision, Affine):
        return precision.bits
    if isinstance(precision, Blocks):
        return float(get_format(precision.format).element.bits)
    return precision.bits if isinstance(precision, Float) else 32.0


def gecko_bits(x: Array, precision: Precision) -> float:
    """Bits per value of a tensor in a Gecko container, in its cheapest mode, descriptor included; exact.

    Only containers and FP32 and BF16 have exponents of their own to code; everything else keeps `stored_bits`.
    """
    if not isinstance(precision, (Container, Float)) or precision == Float("fp16"):
        return stored_bits(precision)
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).reshape(-1)
    facts: dict[str, Any] = {}
    if isinstance(precision, Container):
        facts = {
            "exponent_bits": precision.exponent_bits,
            "mantissa_bits": precision.mantissa_bits,
            "offset": precision.offset,
        }
    elif precision.name == "bf16":
        facts = {"mantissa_bits": 7}
    chosen = gecko.choose(bits, gecko.Source.FP32, zero_mask=None, sign_elided=None, **facts)
    size = gecko.measure(bits, chosen)
    # Padding is what the last beat and row are filled up with: at most one beat and a row, whatever the tensor.
    return size.total / bits.size


def _cost(formats: Mapping[str, Precision], product: Product) -> float:
    weight, activation, gradient = (multiplier_bits(formats[key]) for key in product.operands)
    return mac_cost(weight, activation, gradient)


@dataclass(slots=True)
class Usage:
    """Adds up bits and multiplications over a run."""

    tensors: Sequence[Tensor]
    products: Sequence[Product]
    steps: int = 0
    raw: dict[str, float] = field(default_factory=dict)  # bits per value, summed over steps
    coded: dict[str, float] = field(default_factory=dict)  # the same in Gecko, summed over sampled steps
    plain: dict[str, float] = field(default_factory=dict)  # and without Gecko at those steps
    samples: int = 0
    cost: float = 0.0
    latest: dict[str, float] = field(default_factory=dict)

    def count(
        self, formats: Mapping[str, Precision], stored_share: float, costs: Mapping[str, float | None] | None = None
    ) -> None:
        """One step, with the formats it used, by tensor; `costs` of products whose formats do not say."""
        known = {name: cost for name, cost in (costs or {}).items() if cost is not None}
        self.steps += 1
        for tensor in self._stashed():
            share = stored_share if tensor.role is Role.WEIGHT else 1.0
            bits = stored_bits(formats[tensor.key]) * share
            self.raw[tensor.key] = self.raw.get(tensor.key, 0.0) + bits
            self.latest[tensor.key] = bits
        self.cost += sum(
            product.macs * (known[product.name] if product.name in known else _cost(formats, product))
            for product in self.products
        ) / sum(product.macs for product in self.products)

    def sample(self, values: Mapping[str, Array], formats: Mapping[str, Precision], stored_share: float) -> None:
        """Code the tensors of a step with Gecko."""
        self.samples += 1
        for tensor in self._stashed():
            share = stored_share if tensor.role is Role.WEIGHT else 1.0
            bits = gecko_bits(values[tensor.key], formats[tensor.key]) * share
            self.coded[tensor.key] = self.coded.get(tensor.key, 0.0) + bits
            plain = stored_bits(formats[tensor.key]) * share
            self.plain[tensor.key] = self.plain.get(tensor.key, 0.0) + plain

    def _stashed(self) -> list[Tensor]:
        return [tensor for tensor in self.tensors if tensor.role is not Role.GRADIENT]

    def _mean(self, sums: Mapping[str, float], count: int, role: Role | None = None) -> float:
        """Bits per value over all tensors of a role, or both, weighted by their size."""
        chosen = [tensor for tensor in self._stashed() if role in (None, tensor.role)]
        if not count:
            return 32.0
        return sum(sums[t.key] * t.values for t in chosen) / (count * sum(t.values for t in chosen))

    def summary(self) -> dict[str, Any]:
        """Bits per value over the run by role, ratios to FP32 without and with Gecko, cost of multiplications."""
        bits = {str(role): self._mean(self.raw, self.steps, role) for role in (Role.WEIGHT, Role.ACTIVATION)}
        # What Gecko saves of each tensor at sampled steps, on all steps.
        coding = {key: self.raw[key] * self.coded[key] / plain for key, plain in self.plain.items()}
        raw = self._mean(self.raw, self.steps)
        coded = self._mean(coding, self.steps if coding else 0)
        return {
            "bits_per_value": bits | {"total": raw},
            "final_bits_per_value": self._mean(self.latest, 1),
            "footprint_ratio": 32 / raw,
            "gecko_bits_per_value": coded,
            "gecko_ratio": 32 / coded,
            "multiply_cost": self.cost / max(self.steps, 1),
        }

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "steps": self.steps,
            "samples": self.samples,
            "cost": self.cost,
            "raw": dict(self.raw),
            "coded": dict(self.coded),
            "plain": dict(self.plain),
            "latest": dict(self.latest),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.steps, self.samples, self.cost = int(state["steps"]), int(state["samples"]), float(state["cost"])
        for name in ("raw", "coded", "plain", "latest"):
            setattr(self, name, dict(state[name]))
