"""Attention under a policy: queries, keys, values and probabilities are tensors of the policy like any activation.

Their names are the core's with "q", "k", "v" or "p" behind it; "scores" and "context" name the gradients of what the
two forward products give. `AttentionProducts` stands in `layer.products`, its `stashes` in `layer.stashes`.
"""

from typing import Any

from numpy.typing import NDArray

from golden.nn.attention import OPERANDS
from golden.nn.layer import Stash
from golden.policies.arithmetic import LayerArithmetic
from golden.policies.base import Policy
from golden.policies.formats import Role
from golden.policies.products import Phase

__all__ = ["FORWARD", "AttentionProducts"]

Array = NDArray[Any]
FORWARD = ("scores", "context")
"""The products of the forward pass; the second operand of each is what the cost model calls its weight."""


class _PolicyStash(Stash):
    """Cuts one tensor; `kept` is that of the latest training step, as it was used."""

    def __init__(self, tensor: str, policy: Policy, phase: Phase) -> None:
        self._tensor, self._policy, self._phase = tensor, policy, phase
        self._given: Array | None = None
        self.kept: Array | None = None

    def __call__(self, x: Array) -> Array:
        cut = self._policy.quantize(self._tensor, Role.ACTIVATION, x, training=self._phase.training)
        if self._phase.training:
            self._given, self.kept = x, cut
        return cut

    def backward(self, g: Array) -> Array:
        """Straight through; a length learns from it."""
        assert self._given is not None
        self._policy.learn(self._tensor, Role.ACTIVATION, self._given, g)
        return g


class AttentionProducts:
    """Products of the attention core `layer`: operands come cut from its stashes, gradients are cut here, once each."""

    def __init__(self, layer: str, policy: Policy, arithmetic: LayerArithmetic, phase: Phase) -> None:
        self.layer, self.policy, self.arithmetic, self._phase = layer, policy, arithmetic, phase
        self.stashes = {part: _PolicyStash(f"{layer}.{part}", policy, phase) for part in "qkvp"}
        self._gradients: dict[str, Array] = {}

    def used(self) -> dict[str, Array]:
        """The tensors of the latest training step as they were used, by key, for footprint counts."""
        found = {f"{self.layer}.{part}/{Role.ACTIVATION}": stash.kept for part, stash in self.stashes.items()}
        return {key: value for key, value in found.items() if value is not None}

    def batched(self, a: Array, b: Array, role: str) -> Array:
        """See `golden.nn.plain.Products`; roles in the order of `OPERANDS`, so that a gradient's first use cuts it."""
        first, second = (f"{self.layer}.{part}" for part in OPERANDS[role])
        weight = activation = self.policy.precision(second, Role.ACTIVATION)
        if role in FORWARD:
            product, activation = f"{self.layer}.{role}", self.policy.precision(first, Role.ACTIVATION)
        else:
            product, a = first, self._gradient(first, a, role)
        formats = weight, activation, self.policy.precision(product, Role.GRADIENT)
        return self.arithmetic.products(formats).batched(a, b, role)

    def _gradient(self, product: str, g: Array, role: str) -> Array:
        """Of the result of `product`, transposed in the second of the two products that it enters."""
        if role in ("d_value", "d_key"):
            return self._gradients.pop(product).swapaxes(-1, -2)
        self._gradients[product] = self.policy.quantize(product, Role.GRADIENT, g, training=self._phase.training)
        return self._gradients[product]
