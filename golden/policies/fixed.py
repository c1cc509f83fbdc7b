"""Fixed baselines: one format for everything, from the first step to the last (formats.md)."""

from dataclasses import dataclass
from typing import ClassVar

from golden.catalog import get_format
from golden.policies.base import Policy
from golden.policies.formats import FP32, Blocks, Float, Precision, Role
from golden.policies.hyper import Hyper, words

__all__ = ["FLOATS", "Fixed", "fixed"]

FLOATS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class FixedHyper(Hyper):
    """The format is the only hyperparameter."""

    prefix: ClassVar[str] = "fixed"
    format: str = words("fp32", "fp32, bf16, fp16 or any format of the catalogue")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format not in FLOATS:
            get_format(self.format)


class Fixed(Policy):
    """Every product of every layer in one format."""

    name = "fixed"
    summary = "one format throughout"
    hyper_type = FixedHyper
    claims = frozenset(Role)

    def precision(self, layer: str, role: Role) -> Precision:
        if self.hyper.format in FLOATS:
            return FP32 if self.hyper.format == "fp32" else Float(self.hyper.format)
        fmt = get_format(self.hyper.format)
        return Blocks(fmt.name, fmt.bits_per_element)


def fixed(name: str) -> Fixed:
    """The baseline of a format: `fixed("mx6")`."""
    return Fixed(FixedHyper(format=name))
