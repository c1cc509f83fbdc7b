"""The products of a layer under a policy: operands are cut, gradients reach lengths, formats change from step to step.

One such object stands in `layer.products`, in front of the products that were there. It implements
`golden.nn.plain.Products`; layers notice nothing.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from golden.policies.arithmetic import LayerArithmetic
from golden.policies.base import Policy
from golden.policies.formats import Precision, Role

__all__ = ["Phase", "PolicyProducts"]

Array = NDArray[Any]


class Phase:
    """Whether a training step is under way; shared by all layers of a model."""

    def __init__(self) -> None:
        self.training = False


class PolicyProducts:
    """Products of one layer with a weight, named `layer`; see `golden.nn.plain.Products` for shapes.

    `kept` holds the operands of the latest training step as they were used. Attention: `golden.policies.attention`.
    """

    def __init__(self, layer: str, policy: Policy, arithmetic: LayerArithmetic, phase: Phase) -> None:
        self.layer, self.policy = layer, policy
        self.kept: dict[Role, Array] = {}
        self.arithmetic, self._phase = arithmetic, phase
        self._given: dict[Role, Array] = {}

    def formats(self) -> tuple[Precision, Precision, Precision]:
        """The formats of weight, activation and gradient now."""
        weight, activation, gradient = (self.policy.precision(self.layer, role) for role in Role)
        return weight, activation, gradient

    def used(self) -> dict[str, Array]:
        """The tensors of the latest training step as they were used, by key, for footprint counts."""
        return {f"{self.layer}/{role}": value for role, value in self.kept.items()}

    @property
    def _inner(self) -> Any:
        return self.arithmetic.products(self.formats())

    def operands(self) -> tuple[dict[Role, Array], dict[Role, Array]]:
        """What the latest forward pass left for backward; see `set_operands`."""
        return dict(self.kept), dict(self._given)

    def set_operands(self, operands: tuple[dict[Role, Array], dict[Role, Array]]) -> None:
        """Go back to an earlier forward pass."""
        self.kept, self._given = dict(operands[0]), dict(operands[1])

    def store(self, weights: Array) -> Array:
        """Weights as they are kept between steps."""
        return self.arithmetic.store(self.formats(), weights)

    def _cut(self, role: Role, x: Array) -> Array:
        return self.policy.quantize(self.layer, role, x, training=self._phase.training)

    def _forward(self, x: Array, w: Array) -> tuple[Array, Array]:
        """Both operands as the policy wants them; a training step keeps them until its backward."""
        cut = {Role.ACTIVATION: self._cut(Role.ACTIVATION, x), Role.WEIGHT: self._cut(Role.WEIGHT, w)}
        if self._phase.training:
            self.kept, self._given = cut, {Role.ACTIVATION: x, Role.WEIGHT: w}
        return cut[Role.ACTIVATION], cut[Role.WEIGHT]

    def _gradient(self, g: Array) -> Array:
        """The gradient of the output, cut once for both products that it enters."""
        if self._given.get(Role.GRADIENT) is not g:
            self._given[Role.GRADIENT], self.kept[Role.GRADIENT] = g, self._cut(Role.GRADIENT, g)
        return self.kept[Role.GRADIENT]

    def _learn(self, role: Role, dq: Array) -> Array:
        self.policy.learn(self.layer, role, self._given[role], dq.reshape(self._given[role].shape))
        return dq

    def _data(self, g: Array, product: Callable[[Array, Array], Array]) -> Array:
        return self._learn(Role.ACTIVATION, product(self._gradient(g), self.kept[Role.WEIGHT]))

    def _weight(self, g: Array, product: Callable[[Array, Array], Array]) -> Array:
        g = self._gradient(g)
        return self._learn(Role.WEIGHT, product(self.kept[Role.ACTIVATION], g))

    def linear_forward(self, x: Array, w: Array) -> Array:
        """Cut x and w, then the product."""
        x, w = self._forward(x, w)  # first: it may decide the formats
        return self._inner.linear_forward(x, w)

    def linear_data(self, g: Array, w: Array) -> Array:
        """Cut g; w as it was cut forward."""
        return self._data(g, lambda g, w: self._inner.linear_data(g, w))

    def linear_weight(self, x: Array, g: Array) -> Array:
        """x as it was cut forward."""
        return self._weight(g, lambda x, g: self._inner.linear_weight(x, g))

    def conv_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """As `linear_forward`."""
        x, w = self._forward(x, w)  # first: it may decide the formats
        return self._inner.conv_forward(x, w, stride, padding)

    def conv_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """As `linear_data`."""
        return self._data(g, lambda g, w: self._inner.conv_data(g, w, stride, padding, x_shape))

    def conv_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """As `linear_weight`."""
        return self._weight(g, lambda x, g: self._inner.conv_weight(x, g, stride, padding, w_shape))

    def depthwise_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """As `linear_forward`."""
        x, w = self._forward(x, w)  # first: it may decide the formats
        return self._inner.depthwise_forward(x, w, stride, padding)

    def depthwise_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """As `linear_data`."""
        return self._data(g, lambda g, w: self._inner.depthwise_data(g, w, stride, padding, x_shape))

    def depthwise_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """As `linear_weight`."""
        return self._weight(g, lambda x, g: self._inner.depthwise_weight(x, g, stride, padding, w_shape))
