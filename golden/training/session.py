"""Who decides about precision while a run goes on: the interface that the loop talks to, and the case of nobody."""

from collections.abc import Sequence
from typing import Any, Protocol

from golden.nn.layer import Parameter
from golden.nn.products import QuantisedProducts

__all__ = ["FixedSession", "SessionLike"]


class SessionLike(Protocol):
    """What the loop tells whoever decides about precision during a run; see `golden.policies.session`."""

    def begin_step(self) -> None:
        """Before the forward pass of a training step."""

    def before_update(self, lr: float) -> None:
        """Gradients are there."""

    def after_update(self) -> None:
        """Weights have moved."""

    def end_step(self, loss: float) -> None:
        """The step is over."""

    def drop_step(self) -> None:
        """The step ends without an update, as its loss is not finite: as after the step before."""

    def end_epoch(self, loss: float) -> None:
        """The epoch is over, validation done."""

    def lr_changed(self) -> None:
        """The learning rate jumps before the next step."""

    def parameters(self) -> list[Parameter]:
        """Trained parameters beside the model's."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What changes during a run."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""

    def report(self) -> dict[str, Any]:
        """Facts for the log of an epoch."""
        ...


class FixedSession:
    """One precision from the first step to the last: nobody decides anything."""

    def __init__(self, products: Sequence[QuantisedProducts]) -> None:
        self._products, self._step = products, 0

    def begin_step(self) -> None:
        """Random words of this step."""
        for products in self._products:
            products.begin_step(self._step)

    def before_update(self, lr: float) -> None:
        """Nothing."""

    def after_update(self) -> None:
        """Nothing."""

    def end_step(self, loss: float) -> None:
        """One step further."""
        self._step += 1

    def drop_step(self) -> None:
        """What is evaluated now draws the words of the last step."""
        for products in self._products:
            products.begin_step(max(self._step - 1, 0))

    def end_epoch(self, loss: float) -> None:
        """Nothing."""

    def lr_changed(self) -> None:
        """Nothing."""

    def parameters(self) -> list[Parameter]:
        """None."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """The number of the next step."""
        return {"step": self._step}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on; what is evaluated before the next step draws the words of the last one, as it did."""
        self._step = int(state["step"])
        self.drop_step()

    def report(self) -> dict[str, Any]:
        """Nothing."""
        return {}
