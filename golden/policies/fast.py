"""FAST-Adaptive, our variant (policies.md 9): BFP with 2 or 4 magnitude bits per layer and tensor, from what 4 gain.

The constants are recalled from the paper, not read in it; blocks are 16 long along the last axis.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from golden.blocks import quantize
from golden.catalog import bfp
from golden.policies.base import Policy
from golden.policies.formats import Blocks, Precision, Role
from golden.policies.hyper import Hyper, number

__all__ = ["Fast", "improvement", "threshold"]

Array = NDArray[np.float32]
_NARROW, _WIDE = 2, 4  # magnitude bits


def improvement(x: Array, block: int = 16) -> float:
    """r(X) = sum |Q4(X) - Q2(X)| / sum |Q2(X)| in FP64; infinite where Q2 is all zero and Q4 is not."""
    rows = np.asarray(x, np.float32).reshape(-1, x.shape[-1])
    narrow, wide = (quantize(rows, bfp(m + 1, block)).dequantize().astype(np.float64) for m in (_NARROW, _WIDE))
    gain, base = np.abs(wide - narrow).sum(), np.abs(narrow).sum()
    if base == 0:
        return float("inf") if gain else 0.0
    return float(gain / base)


def threshold(alpha: float, beta: float, iteration: float, depth: float) -> float:
    """eps(l, i) = alpha - beta * i/I - beta * l/L: it falls, so precision grows, with training and with depth."""
    return alpha - beta * iteration - beta * depth


@dataclass(frozen=True, kw_only=True)
class FastHyper(Hyper):
    """Hyperparameters."""

    prefix: ClassVar[str] = "fast"
    alpha: float = number(0.6, 0.0, 10.0, "threshold at the first step of the first layer")
    beta: float = number(0.3, 0.0, 10.0, "its fall over the run, and again over the layers")
    block: int = number(16, 1, 1024, "elements that share an exponent")
    every: int = number(10, 1, 1 << 20, "steps from one measurement of a tensor to the next")


class Fast(Policy):
    """Widths are chosen from the tensor as it was measured last, and hold until the next measurement."""

    name = "fast"
    summary = "FAST-Adaptive (our variant): 2 or 4 magnitude bits per layer and tensor"
    hyper_type = FastHyper
    claims = frozenset(Role)
    STATE = ("step", "epoch", "gains")

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        self.gains: dict[str, float] = {}

    def quantize(self, layer: str, role: Role, x: Array, *, training: bool) -> Array:
        key = f"{layer}/{role}"
        if training and (self.step % self.hyper.every == 0 or key not in self.gains):
            self.gains[key] = improvement(x, self.hyper.block)
        return x  # the products convert, in the format that `precision` names

    def magnitude_bits(self, layer: str, role: Role) -> int:
        """2 or 4."""
        steps = self.network.epochs * self.network.steps_per_epoch
        limit = threshold(self.hyper.alpha, self.hyper.beta, self.step / steps, self.network.depth(layer))
        return _WIDE if self.gains.get(f"{layer}/{role}", 0.0) > limit else _NARROW

    def precision(self, layer: str, role: Role) -> Precision:
        fmt = bfp(self.magnitude_bits(layer, role) + 1, self.hyper.block)
        return Blocks(fmt.name, fmt.bits_per_element)

    def report(self) -> dict[str, Any]:
        wide = [key for key in self.gains if self.magnitude_bits(*_split(key)) == _WIDE]
        return {"wide": len(wide), "tensors": len(self.gains)}


def _split(key: str) -> tuple[str, Role]:
    layer, _, role = key.rpartition("/")
    return layer, Role(role)
