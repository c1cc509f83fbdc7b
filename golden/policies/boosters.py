"""Accuracy Boosters: HBFP4 but for the first and last layers and the last epochs, which are HBFP6 (policies.md 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from golden.catalog import get_format
from golden.policies.base import Policy
from golden.policies.formats import Blocks, Precision, Role
from golden.policies.hyper import Hyper, choice, number

__all__ = ["Boosters", "Shares", "operation_shares"]

_PAIRS = {"hbfp": ("hbfp4", "hbfp6"), "mx": ("mx4", "mx6")}


@dataclass(frozen=True, kw_only=True)
class BoostersHyper(Hyper):
    """Hyperparameters; the paper boosts 1 epoch or 10, block 64."""

    prefix: ClassVar[str] = "boosters"
    boost: int = number(1, 0, 10_000, "last epochs in the wide format")
    edges: int = number(1, 0, 1, "first and last layer always in the wide format: 1, or 0 for the ablation")
    family: str = choice("hbfp", tuple(_PAIRS), "narrow and wide: HBFP4 and HBFP6, or MX4 and MX6")
    block: int = number(64, 1, 1024, "block of HBFP (MX has 16)")


class Boosters(Policy):
    """The schedule. Validation runs in the precision of the epoch it follows, as in the published code."""

    name = "boosters"
    summary = "Accuracy Boosters: HBFP4, with HBFP6 in first and last layers and last epochs"
    hyper_type = BoostersHyper
    claims = frozenset(Role)

    def __init__(self, hyper: Hyper | None = None) -> None:
        super().__init__(hyper)
        block = f"x{self.hyper.block}" if self.hyper.family == "hbfp" else ""
        self.narrow, self.wide = (get_format(name + block) for name in _PAIRS[self.hyper.family])

    def boosted(self, epoch: int) -> bool:
        """Whether the epoch (from 0) is one of the last `boost`."""
        return epoch >= self.network.epochs - self.hyper.boost

    def precision(self, layer: str, role: Role) -> Precision:
        edge = self.hyper.edges and layer in self.network.edges
        # The epoch that has just ended is the one being validated; the loop says on_epoch afterwards.
        fmt = self.wide if edge or self.boosted(self.epoch) else self.narrow
        return Blocks(fmt.name, fmt.bits_per_element)


class Shares(NamedTuple):
    """Parts of all multiply-accumulates that run in the narrow format, both ways of counting."""

    epochs: float  # 1 - boost / T: the layers that are always wide are left out
    all_operations: float  # those included


def operation_shares(macs: Mapping[str, int], epochs: int, boost: int = 1) -> Shares:
    """The two numbers behind "99.7 % of operations in HBFP4" (policies.md 4); `macs` by layer, in order."""
    if epochs < 1 or not 0 <= boost <= epochs:
        raise ValueError(f"epochs {epochs}, boost {boost}: 0 <= boost <= epochs, at least 1 epoch")
    layers = list(macs)
    edges = sum(macs[layer] for layer in {layers[0], layers[-1]})
    share = 1 - boost / epochs
    return Shares(share, share * (1 - edges / sum(macs.values())))
