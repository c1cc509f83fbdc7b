"""Several policies as one: each tensor role is decided by the one part that claims it."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from golden.policies.base import Policy
from golden.policies.formats import Network, Precision, Role

__all__ = ["Composite"]

Array = NDArray[np.float32]


class Composite(Policy):
    """Parts side by side: `dropback+hbfp6`, `qm+dropback`. ValueError where two parts claim the same role."""

    summary: ClassVar[str] = "several policies at once"

    def __init__(self, parts: Sequence[Policy]) -> None:
        super().__init__()
        self.parts = list(parts)
        self.name = "+".join(part.name for part in parts)  # type: ignore[misc]
        self.claims = frozenset().union(*(part.claims for part in parts))  # type: ignore[misc]
        self.learns = any(part.learns for part in parts)  # type: ignore[misc]
        self._deciders: dict[Role, Policy] = {}
        for part in parts:
            for role in sorted(part.claims):
                if role in self._deciders:
                    raise ValueError(f"--policy {self.name}: {self._deciders[role].name} and {part.name} set {role}s")
                self._deciders[role] = part

    def begin(self, network: Network) -> Self:
        super().begin(network)
        for part in self.parts:
            part.begin(network)
        return self

    def on_step(self, loss: float) -> None:
        super().on_step(loss)
        for part in self.parts:
            part.on_step(loss)

    def on_epoch(self, loss: float) -> None:
        super().on_epoch(loss)
        for part in self.parts:
            part.on_epoch(loss)

    def on_lr_change(self) -> None:
        for part in self.parts:
            part.on_lr_change()

    def _part(self, role: Role) -> Policy:
        return self._deciders.get(role, _NOTHING)

    def precision(self, layer: str, role: Role) -> Precision:
        return self._part(role).precision(layer, role)

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        return self._part(role).quantize(layer, role, x, training=training)

    def learn(self, layer: str, role: Role, x: Array, dq: Array) -> None:
        self._part(role).learn(layer, role, x, dq)

    def update(self, lr: float) -> None:
        for part in self.parts:
            part.update(lr)

    def start(self, parameters: Sequence[Array]) -> None:
        for part in self.parts:
            part.start(parameters)

    def reset(self, parameters: Sequence[Array]) -> None:
        for part in self.parts:
            part.reset(parameters)

    def attach(self, model: Any, batch: Any) -> None:
        for part in self.parts:
            part.attach(model, batch)

    def layer_cost(self, layer: str) -> float | None:
        costs = [part.layer_cost(layer) for part in self.parts]
        return next((cost for cost in costs if cost is not None), None)

    @property
    def stored_share(self) -> float:
        return prod(part.stored_share for part in self.parts)

    def state_dict(self) -> dict[str, Any]:
        return {str(index): part.state_dict() for index, part in enumerate(self.parts)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        if len(state) != len(self.parts):
            raise ValueError(f"state of policy {self.name}: {len(self.parts)} parts, not {len(state)}")
        for index, part in enumerate(self.parts):
            part.load_state(state[str(index)])
        self.step, self.epoch = self.parts[0].step, self.parts[0].epoch

    def report(self) -> dict[str, Any]:
        return {part.name: part.report() for part in self.parts}


_NOTHING = Policy()
