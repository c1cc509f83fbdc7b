"""DropBack: only the T weights that have moved furthest are kept, all others are regenerated (policies.md 8).

After every step a_i = |w_i - w0_i|; the T largest over the whole network stay, the rest goes back to w0_i. Ties go to
the lower index, so that exactly T are kept. Biases and other one-dimensional parameters start, and are dropped, at 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from golden.policies.base import Policy
from golden.policies.hyper import Hyper, number
from golden.policies.regenerate import DEFAULT_SEED, initial_weights, scale_of

__all__ = ["DropBack", "largest", "power_of_two_threshold"]

Array = NDArray[np.float32]


def largest(updates: Array, keep: int) -> NDArray[np.bool_]:
    """Where the `keep` largest of `updates` (n) are, exactly so many, ties to the lower index; NaN counts as largest.

    One partition, not a sort: the published `partition(a, T)[-T]` is the T-th largest only where partition sorts.
    """
    if keep >= updates.size:
        return np.ones(updates.size, np.bool_)
    if keep == 0:
        return np.zeros(updates.size, np.bool_)
    updates = np.where(np.isnan(updates), np.float32(np.inf), updates)
    limit = np.partition(updates, updates.size - keep)[updates.size - keep]
    kept = updates > limit
    ties = np.flatnonzero(updates == limit)
    kept[ties[: keep - int(kept.sum())]] = True
    return kept


def power_of_two_threshold(updates: Array, keep: int) -> tuple[int, int]:
    """What a threshold register can do without sorting: (exponent e, how many updates are >= 2^e).

    e is the least FP32 exponent field under which at most `keep` updates lie at or above, from a histogram of fields.
    The count falls short of `keep` by less than the histogram's bin below.
    """
    fields = (updates.astype(np.float32).view(np.uint32) >> 23) & 0xFF
    above = np.cumsum(np.bincount(fields, minlength=256)[::-1])[::-1]
    field = int(np.argmax(above <= keep)) if above[-1] <= keep else 256
    return field - 127, int(above[field]) if field < 256 else 0


@dataclass(frozen=True, kw_only=True)
class DropBackHyper(Hyper):
    """Hyperparameters."""

    prefix: ClassVar[str] = "dropback"
    keep: float = number(0.2, 0.0, 1.0, "part of all weights that is tracked, T / n")
    freeze: int = number(-1, -1, 1_000_000, "epoch after which the tracked set stays as it is; -1: never")
    decay: float = number(1.0, 0.0, 1.0, "factor of every w0 after each step; 0.9 in the sparse version")
    sigma: float = number(1.0, 0.0, 100.0, "deviation of w0, in 1 / sqrt(inputs)")
    init_seed: int = number(DEFAULT_SEED, 0, 0xFFFFFFFF, "of the regenerated weights")


class DropBack(Policy):
    """The mask over a flat view of all parameter tensors, in registration order, C order."""

    name = "dropback"
    summary = "DropBack: only the weights that moved furthest are stored"
    hyper_type = DropBackHyper
    STATE = ("step", "epoch", "tracked", "factor")

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.tracked: NDArray[np.bool_] | None = None  # (n), None before the first step
        self.factor = 1.0  # decay ** steps, an FP32 value
        self._initial: Array = np.zeros(0, np.float32)

    def start(self, parameters: Sequence[Array]) -> None:
        """Give every matrix or kernel its regenerated value, in place; vectors keep their own, but drop to 0."""
        first, parts = 0, []
        for array in parameters:
            index = np.arange(first, first + array.size)
            first += array.size
            if array.ndim < 2:
                parts.append(np.zeros(array.size, np.float32))
                continue
            scale = scale_of(self.hyper.sigma / (array.size // array.shape[-1]) ** 0.5)
            parts.append(initial_weights(index, scale, self.hyper.init_seed))
            array[...] = parts[-1].reshape(array.shape)
        self._initial = np.concatenate(parts)

    @property
    def kept(self) -> int:
        """T."""
        return round(self.hyper.keep * self._initial.size)

    def initial(self) -> Array:
        """w0 as it stands: fl(w0 * factor)."""
        return self._initial * np.float32(self.factor)

    def reset(self, parameters: Sequence[Array]) -> None:
        """After an optimiser step: keep the T weights that moved furthest, in place."""
        weights = np.concatenate([array.reshape(-1) for array in parameters])
        if weights.size != self._initial.size:
            raise ValueError(f"{weights.size} weights: {self._initial.size}, as many as at the start")
        self.factor = float(np.float32(self.factor) * np.float32(self.hyper.decay))
        initial = self.initial()
        if self.tracked is None or not self._frozen:
            self.tracked = largest(np.abs(weights - initial), self.kept)
        kept, first = np.where(self.tracked, weights, initial), 0
        for array in parameters:
            array[...] = kept[first : first + array.size].reshape(array.shape)
            first += array.size

    @property
    def _frozen(self) -> bool:
        return 0 <= self.hyper.freeze <= self.epoch

    @property
    def stored_share(self) -> float:
        return self.kept / self._initial.size

    def storage_bits(self) -> dict[str, float]:
        """Bits of all weights dense in FP32, and of T values with and without an index each."""
        n, kept = self._initial.size, self.kept
        index = max(n - 1, 1).bit_length()
        return {"dense": 32.0 * n, "values": 32.0 * kept, "indexed": (32.0 + index) * kept}

    def report(self) -> dict[str, Any]:
        return {"tracked": self.kept, "weights": self._initial.size}
