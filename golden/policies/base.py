"""What every precision-learning policy is: an object that the training loop informs and asks (policies.md, header).

The loop tells it the loss after every step and epoch and every change of the learning rate; the policy answers, per
tensor and role, what format holds now. Policies know neither layers nor the loop: tensors have names, values are
arrays. `golden.policies.session` ties a policy to a model.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from golden.policies.formats import FP32, Network, Precision, Role
from golden.policies.hyper import Hyper

__all__ = ["Policy"]

Array = NDArray[np.float32]


class Policy:
    """Base of all policies: keeps FP32 and does nothing.

    `STATE` names the attributes that change during a run; `state_dict` copies them and `load_state` puts them back,
    after which a run goes on bit for bit. `claims` says which roles a policy decides, so that two can be composed.
    """

    name: ClassVar[str] = "fp32"
    summary: ClassVar[str] = "FP32 throughout"
    hyper_type: ClassVar[type[Hyper]] = Hyper
    STATE: ClassVar[tuple[str, ...]] = ("step", "epoch")
    RECORDS: ClassVar[dict[str, type]] = {}  # the dataclass behind a name of STATE, or behind the values of its dict
    claims: ClassVar[frozenset[Role]] = frozenset()
    learns: ClassVar[bool] = False  # `learn` wants every gradient, that of the network's input too

    def __init__(self, hyper: Hyper | None = None) -> None:
        self.hyper: Any = hyper if hyper is not None else self.hyper_type()
        self.step = 0
        self.epoch = 0
        self.network: Network

    def begin(self, network: Network) -> Self:
        """Learn what is trained; called once, before the first step (and before `load_state`)."""
        self.network = network
        return self

    # -- what the loop tells ---------------------------------------------------------------------------------------
    def on_step(self, loss: float) -> None:
        """A step is over, its weights are updated; `loss` is the mean of its batch."""
        self.step += 1

    def on_epoch(self, loss: float) -> None:
        """An epoch is over; `loss` is the mean over its steps."""
        self.epoch += 1

    def on_lr_change(self) -> None:
        """The learning rate jumps before the next step."""

    # -- what the loop asks ----------------------------------------------------------------------------------------
    def precision(self, layer: str, role: Role) -> Precision:
        """The format of a tensor now; for learned and stochastic widths the one of the latest forward pass."""
        return FP32

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        """The tensor as the layer is to use it and backward is to read it; identity unless the policy cuts values."""
        return x

    def learn(self, layer: str, role: Role, x: Array, dq: Array) -> None:
        """Backward reached a tensor: `x` before `quantize`, `dq` the gradient to what `quantize` gave."""

    def update(self, lr: float) -> None:
        """Move the policy's own parameters by the gradients that `learn` gathered, along with the weights."""

    # -- policies over weights -------------------------------------------------------------------------------------
    def start(self, parameters: Sequence[Array]) -> None:
        """May set the initial values of all parameters of the model, in place, in registration order."""

    def reset(self, parameters: Sequence[Array]) -> None:
        """After each step of the optimiser: may move weights back, in place."""

    def attach(self, model: Any, batch: Any) -> None:
        """May put layers of its own into a model of `golden.nn`; `batch` is one batch of inputs."""

    def layer_cost(self, layer: str) -> float | None:
        """Cost of the layer's multiplications, FP32's being 1; None: as its formats say."""
        return None

    @property
    def stored_share(self) -> float:
        """Part of the weights that is stored at all."""
        return 1.0

    # -- exact resume ----------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that changes during a run: numbers, strings, lists, dicts and arrays."""
        return {name: _plain(getattr(self, name)) for name in self.STATE}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`; ValueError if it is another policy's."""
        if set(state) != set(self.STATE):
            raise ValueError(f"state of policy {self.name}: {', '.join(self.STATE)}, not {', '.join(sorted(state))}")
        for name in self.STATE:
            setattr(self, name, _record(state[name], self.RECORDS.get(name), getattr(self, name)))

    def report(self) -> dict[str, Any]:
        """Facts for the log of an epoch, JSON-ready."""
        return {}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return deepcopy(value)


def _record(value: Any, kind: type | None, now: Any) -> Any:
    """`_plain` undone; `now` tells a record from a dict of records."""
    if kind is None:
        return deepcopy(value)
    if isinstance(now, dict):
        return {key: _record(item, kind, None) for key, item in value.items()}
    record: Any = object.__new__(kind)
    for key, item in value.items():
        setattr(record, key, deepcopy(item))
    return record
