"""What every precision-learning policy is: an object that the training loop informs and asks (policies.md, header).

The loop tells it the loss after every step and epoch and every change of the learning rate; the policy answers, per
tensor and role, what format holds now. Policies know neither layers nor the loop: tensors have names, values are
arrays. `golden.policies.session` ties a policy to a model.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FP32",
    "Affine",
    "Blocks",
    "Container",
    "Float",
    "Hyper",
    "Network",
    "Policy",
    "Precision",
    "Role",
    "Tensor",
    "choice",
    "flag",
    "flag_name",
    "number",
    "words",
]

Array = NDArray[np.float32]


class Role(StrEnum):
    """What a tensor is to its layer: the weight, the input that backward reads again, the gradient of the output."""

    WEIGHT = "weight"
    ACTIVATION = "activation"
    GRADIENT = "gradient"


@dataclass(frozen=True, slots=True)
class Float:
    """A scalar float type: fp32, bf16 or fp16. It is computed on as FP32."""

    name: str = "fp32"

    @property
    def bits(self) -> float:
        """Bits per stored value."""
        return 32.0 if self.name == "fp32" else 16.0


FP32 = Float()


@dataclass(frozen=True, slots=True)
class Container:
    """FP32 cut to sign, `exponent_bits` and `mantissa_bits`; `offset` is gecko.md 1's `off`. Computed on as FP32."""

    mantissa_bits: int
    exponent_bits: int = 8
    offset: int = 0

    @property
    def bits(self) -> float:
        """Bits per stored value before Gecko."""
        return 1.0 + self.exponent_bits + self.mantissa_bits


@dataclass(frozen=True, slots=True)
class Affine:
    """An unsigned integer of `bits` over the tensor's own range (FracTrain's quantiser)."""

    bits: float


@dataclass(frozen=True, slots=True)
class Blocks:
    """A block format of the catalogue, by name: its products are computed as `golden.products` defines them."""

    format: str
    bits: float  # per element, its share of the scale included


Precision = Float | Container | Affine | Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of one layer. `values` is its length (of an activation or gradient: for one batch)."""

    layer: str
    role: Role
    values: int

    @property
    def key(self) -> str:
        """Name that random words, state and logs go by: "layer/role"."""
        return f"{self.layer}/{self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a policy is told at the start: the layers with a matrix product, in order, their tensors, and the run."""

    layers: Sequence[str]
    tensors: Sequence[Tensor]
    epochs: int
    steps_per_epoch: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.layers or self.epochs < 1 or self.steps_per_epoch < 1:
            raise ValueError("network: at least 1 layer, 1 epoch and 1 step per epoch")

    def shares(self) -> dict[str, float]:
        """Each weight's and activation's part of what is stashed, by key; they sum to 1."""
        stashed = {tensor.key: tensor.values for tensor in self.tensors if tensor.role is not Role.GRADIENT}
        return {key: values / sum(stashed.values()) for key, values in stashed.items()}


def number(default: float, low: float, high: float, text: str) -> Any:
    """A hyperparameter in low..high; an integer if its default is one."""
    return field(default=default, metadata={"low": low, "high": high, "help": text})


def choice(default: str, choices: tuple[str, ...], text: str) -> Any:
    """A hyperparameter that takes one of a few names."""
    return field(default=default, metadata={"choices": choices, "help": text})


def words(default: str, text: str) -> Any:
    """A hyperparameter in words, which its policy reads."""
    return field(default=default, metadata={"help": text})


def flag(default: bool, text: str) -> Any:
    """A hyperparameter that is on or off."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Base of a policy's hyperparameters: frozen, in range, and the source of its command-line flags."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in fields(self):
            self._check(item, getattr(self, item.name))

    def _check(self, item: Field, value: Any) -> None:
        facts, wanted = item.metadata, type(item.default)
        name = flag_name(self.prefix, item.name)
        if "choices" in facts:
            if value not in facts["choices"]:
                raise ValueError(f"{name} {value}: one of {', '.join(facts['choices'])}")
        elif "low" in facts:
            legal = f"{facts['low']}..{facts['high']}"
            if isinstance(value, bool) or not isinstance(value, (int,) if wanted is int else (int, float)):
                raise ValueError(f"{name} {value!r}: {'an integer' if wanted is int else 'a number'} in {legal}")
            if not facts["low"] <= value <= facts["high"]:
                raise ValueError(f"{name} {value}: {legal}")
        elif wanted is bool and not isinstance(value, bool):
            raise ValueError(f"{name} {value!r}: on or off")


def flag_name(prefix: str, name: str) -> str:
    """Command-line spelling of a hyperparameter: `--bitwave-alpha`."""
    return "--" + "-".join(part for part in (prefix, name.replace("_", "-")) if part)


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
