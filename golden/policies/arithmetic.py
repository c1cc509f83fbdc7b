"""Which products compute a layer's operands: plain FP32 for cut values, block products where a policy names blocks."""

from typing import Any

from golden.nn.layer import Layer
from golden.nn.plain import PlainProducts
from golden.policies.base import Blocks, Policy, Precision

__all__ = ["LayerArithmetic"]


class LayerArithmetic:
    """The products of one layer, made anew when its formats change."""

    def __init__(self, layer: Layer, policy: Policy, precision: Any, seed: int) -> None:
        self._layer, self._decides = layer, bool(policy.claims)
        self._own: Any = layer.products  # type: ignore[attr-defined]
        self._plain = PlainProducts()

    def begin_step(self, step: int) -> None:
        """A training step begins."""

    def products(self, formats: tuple[Precision, Precision, Precision]) -> Any:
        """Products for weight, activation and gradient in these formats."""
        if not self._decides:
            return self._own
        if any(isinstance(f, Blocks) for f in formats):
            raise NotImplementedError
        return self._plain
