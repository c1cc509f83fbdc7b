"""A policy at work on a model: stands between the training loop and the policy, and in every layer's products."""

from collections.abc import Mapping
from typing import Any

from golden.nn.attention import AttentionCore
from golden.nn.embedding import Embedding
from golden.nn.layer import Layer, Parameter
from golden.nn.precision import Precision
from golden.policies.arithmetic import LayerArithmetic
from golden.policies.attention import AttentionProducts
from golden.policies.base import Policy
from golden.policies.composite import Composite
from golden.policies.fixed import fixed
from golden.policies.formats import Network
from golden.policies.products import Phase, PolicyProducts
from golden.policies.survey import survey
from golden.policies.usage import Usage

__all__ = ["Session"]


class Session:
    """Ties `policy` to `model`; the loop calls the methods below in the order in which they stand.

    `batch` is one batch of inputs, for the shapes of all tensors. `precision` is the run's own: its format is that of
    all products if the policy decides none, its rounding, scale rule, storage and block order hold in any case.
    DropBack replaces the initial weights here, so a checkpoint is to be loaded afterwards.

    `sample_every`: steps from one Gecko count of all tensors to the next (0: the last step of each epoch).
    """

    def __init__(
        self,
        policy: Policy,
        model: Layer,
        *,
        epochs: int,
        steps_per_epoch: int,
        batch: Any,
        seed: int = 0,
        precision: Precision | None = None,
        sample_every: int = 0,
    ) -> None:
        run = Precision() if precision is None else precision
        usual = run.forward.b
        if not policy.claims and usual.name != "fp32":
            policy = Composite([policy, fixed(usual.element if usual.format is None else usual.format.name)])
        self.policy, self.model = policy, model
        found = survey(model, batch)
        self.network = Network(
            layers=[layer.name for layer in model.matmul_layers()],
            tensors=found.tensors,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            seed=seed,
            embedded=any(isinstance(layer, Embedding) for layer in model.layers()),
        )
        policy.begin(self.network)
        self.usage = Usage(found.tensors, found.products)
        self._sample_every = sample_every or steps_per_epoch
        self._phase = Phase()
        self._before: dict[str, Any] = {}
        self._products: list[PolicyProducts | AttentionProducts] = []
        self._install(run)
        policy.attach(model, batch)
        self._parameters = model.parameters()
        policy.start([parameter.value for parameter in self._parameters])

    def _install(self, run: Precision) -> None:
        layers: list[Any] = self.model.matmul_layers()
        for layer in layers:
            arithmetic = LayerArithmetic(layer.name, run, self.network.seed)
            kind = AttentionProducts if isinstance(layer, AttentionCore) else PolicyProducts
            layer.products = kind(layer.name, self.policy, arithmetic, self._phase)
            self._products.append(layer.products)
            if isinstance(layer, AttentionCore):
                layer.stashes = dict(layer.products.stashes)
            if hasattr(layer, "input_gradient") and self.policy.learns:
                layer.input_gradient = True  # the first layer's activation has a length to learn as well

    def begin_step(self) -> None:
        """Before a training step's forward pass; outside a step, products are in evaluation."""
        self._phase.training = True
        self._before = self.policy.state_dict()  # the forward pass moves windows of exponents
        for products in self._products:
            products.arithmetic.begin_step(self.policy.step)

    def before_update(self, lr: float) -> None:
        """Gradients are there: the policy's own parameters move."""
        self.policy.update(lr)

    def after_update(self) -> None:
        """The optimiser has moved the weights."""
        self.policy.reset([parameter.value for parameter in self._parameters])

    def end_step(self, loss: float) -> None:
        """The step is over."""
        self._phase.training = False
        formats = {tensor.key: self.policy.precision(tensor.layer, tensor.role) for tensor in self.network.tensors}
        costs = {product.name: self.policy.layer_cost(product.name) for product in self.usage.products}
        self.usage.count(formats, self.policy.stored_share, costs)
        if (self.policy.step + 1) % self._sample_every == 0:
            values = {key: value for products in self._products for key, value in products.used().items()}
            self.usage.sample(values, formats, self.policy.stored_share)
        self.policy.on_step(loss)

    def drop_step(self) -> None:
        """The step ends without an update: all is as after the step before."""
        self._phase.training = False
        self.policy.load_state(self._before)
        self._evaluate_as_before()

    def _evaluate_as_before(self) -> None:
        """What is evaluated before the next step draws the words of the last one."""
        for products in self._products:
            products.arithmetic.begin_step(max(self.policy.step - 1, 0))

    def end_epoch(self, loss: float) -> None:
        """The epoch is over, validation done."""
        self.policy.on_epoch(loss)

    def lr_changed(self) -> None:
        """The learning rate jumps before the next step."""
        self.policy.on_lr_change()

    def parameters(self) -> list[Parameter]:
        """Trained parameters of the policy, for the optimiser."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """All that changes during a run."""
        return {"policy": self.policy.state_dict(), "usage": self.usage.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.policy.load_state(state["policy"])
        self.usage.load(state["usage"])
        self._evaluate_as_before()

    def report(self) -> dict[str, Any]:
        """Facts for the log of an epoch, JSON-ready."""
        return {"name": self.policy.name} | self.policy.report() | self.usage.summary()
