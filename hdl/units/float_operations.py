"""Multiply, add and fused multiply-add of scalar floats: what block formats are compared with."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.lib import wiring

from hdl.float.add import AddFloat
from hdl.float.fma import FmaFloat
from hdl.float.multiply import MultiplyFloat
from hdl.units.float_unit import FloatConfig, FloatUnit, ProductConfig

__all__ = ["FloatAdd", "FloatAddConfig", "FloatFma", "FloatFmaConfig", "FloatMultiply", "FloatMultiplyConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatMultiplyConfig(ProductConfig):
    """Options of the multiplier."""

    unit: ClassVar[str] = "float_multiply"

    def describe(self) -> str:
        """What it computes, in one line."""
        return f"a * b of {self.type_name}, rounded to nearest even; {self.shell}"


class FloatMultiply(FloatUnit[FloatMultiplyConfig]):
    """a * b; IEEE 754, subnormals honoured, one canonical NaN."""

    def __init__(self, config: FloatMultiplyConfig) -> None:
        super().__init__(config, dict.fromkeys("ab", config.layout))

    def core(self) -> wiring.Component:
        """The multiplier of hdl.float."""
        return MultiplyFloat(self.config.layout, self.config.arch)

    @property
    def rounding_points(self) -> list[str]:
        """One."""
        return [f"{self.config.float.upper()}, RNE: the product"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatAddConfig(FloatConfig):
    """Options of the adder."""

    unit: ClassVar[str] = "float_add"

    def describe(self) -> str:
        """What it computes, in one line."""
        return f"a + b of {self.type_name}, rounded to nearest even; {self.shell}"


class FloatAdd(FloatUnit[FloatAddConfig]):
    """a + b; IEEE 754, subnormals honoured, one canonical NaN."""

    def __init__(self, config: FloatAddConfig) -> None:
        super().__init__(config, dict.fromkeys("ab", config.layout))

    def core(self) -> wiring.Component:
        """The adder of hdl.float."""
        return AddFloat(self.config.layout)

    @property
    def rounding_points(self) -> list[str]:
        """One."""
        return [f"{self.config.float.upper()}, RNE: the sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatFmaConfig(ProductConfig):
    """Options of the fused multiply-add."""

    unit: ClassVar[str] = "float_fma"

    def describe(self) -> str:
        """What it computes, in one line."""
        return f"a * b + c of {self.type_name}, rounded once to nearest even; {self.shell}"


class FloatFma(FloatUnit[FloatFmaConfig]):
    """a * b + c with one rounding; IEEE 754, subnormals honoured, one canonical NaN."""

    def __init__(self, config: FloatFmaConfig) -> None:
        super().__init__(config, dict.fromkeys("abc", config.layout))

    def core(self) -> wiring.Component:
        """The fused multiply-add of hdl.float."""
        return FmaFloat(self.config.layout, self.config.arch)

    @property
    def rounding_points(self) -> list[str]:
        """One."""
        return [f"{self.config.float.upper()}, RNE: product plus c, once"]
