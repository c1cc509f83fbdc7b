"""Optimisers over a list of parameters: one `step(lr)` per batch, state as arrays by name for checkpoints."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from golden.nn.layer import Array, Parameter

__all__ = ["SGD", "AdamW", "Optimiser", "Storage"]

Storage = Callable[[Parameter, Array], Array]
"""(parameter, updated value) -> value as stored, for quantised parameters (formats.md 1.5: the wide copy)."""


def _unchanged(parameter: Parameter, value: Array) -> Array:
    return value


class Optimiser(ABC):
    """Common part: the update in FP32, then the storage format for quantised parameters.

    The wide copy is the only one: what `storage` rounds away is lost, there is no FP32 master behind it.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, parameters: Sequence[Parameter], weight_decay: float, storage: Storage) -> None:
        self.parameters = list(parameters)
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) != len(names) or "" in names:
            raise ValueError("parameters need distinct names: call rename() on the model first")
        self.weight_decay, self.storage = weight_decay, storage
        self.steps = np.zeros((), np.int64)
        self._slots = {
            f"{parameter.name}/{slot}": np.zeros_like(parameter.value)
            for parameter in self.parameters
            for slot in self.slots
        }

    def step(self, lr: float) -> None:
        """Move every parameter by its `grad`, in place."""
        lr = float(lr)  # a float64 scalar of NumPy's would widen the update
        self.steps += 1
        for parameter in self.parameters:
            decay = self.weight_decay if parameter.decay else 0.0
            buffers = [self._slots[f"{parameter.name}/{slot}"] for slot in self.slots]
            self._update(parameter, lr, decay, *buffers)
            if parameter.quantised:
                parameter.value[...] = self.storage(parameter, parameter.value)

    @abstractmethod
    def _update(self, parameter: Parameter, lr: float, decay: float, *slots: Array) -> None: ...

    def state(self) -> dict[str, Array]:
        """All that a checkpoint needs besides the parameters, as views."""
        return {"steps": self.steps, **self._slots}

    def load(self, state: dict[str, Array]) -> None:
        """Copy a `state` in; ValueError unless the names agree."""
        own = self.state()
        if own.keys() != state.keys():
            raise ValueError("optimiser state of another model or optimiser")
        for key, value in own.items():
            value[...] = state[key]


class SGD(Optimiser):
    """v = momentum v + (g + decay w); w -= lr v, or with Nesterov's look-ahead w -= lr (g + decay w + momentum v)."""

    slots = ("velocity",)

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        storage: Storage = _unchanged,
    ) -> None:
        super().__init__(parameters, weight_decay, storage)
        self.momentum, self.nesterov = momentum, nesterov

    def _update(self, parameter: Parameter, lr: float, decay: float, *slots: Array) -> None:
        (velocity,) = slots
        g = parameter.grad + decay * parameter.value if decay else parameter.grad
        velocity *= self.momentum
        velocity += g
        parameter.value -= lr * (g + self.momentum * velocity if self.nesterov else velocity)


class AdamW(Optimiser):
    """Adam with bias correction and decay outside of it: w -= lr (m' / (sqrt(v') + eps) + decay w), Loshchilov 2019."""

    slots = ("mean", "square")

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        storage: Storage = _unchanged,
    ) -> None:
        super().__init__(parameters, weight_decay, storage)
        self.betas, self.eps = betas, eps

    def _update(self, parameter: Parameter, lr: float, decay: float, *slots: Array) -> None:
        (mean, square), (beta1, beta2), g = slots, self.betas, parameter.grad
        mean += (1 - beta1) * (g - mean)
        square += (1 - beta2) * (g * g - square)
        steps = int(self.steps)
        root = np.sqrt(square / (1 - beta2**steps)) + self.eps
        parameter.value -= lr * (mean / (1 - beta1**steps) / root + decay * parameter.value)
