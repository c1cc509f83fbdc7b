"""Every unit that can be generated, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hdl.config import ConfigError, UnitConfig
from hdl.units.dot import Dot, DotConfig
from hdl.units.unit import StreamUnit

__all__ = ["UNITS", "Unit", "make_config", "make_unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's name, what it does in one line, its options and its hardware."""

    summary: str
    config: type[UnitConfig]
    component: Callable[[Any], StreamUnit]

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self.config.unit


UNITS: dict[str, Unit] = {
    unit.name: unit for unit in (Unit("dot product of two blocks, exact inside the block", DotConfig, Dot),)
}


def make_config(unit: str, **options: Any) -> UnitConfig:
    """The configuration of a unit; `make_config(**manifest["config"])` reloads one."""
    if unit not in UNITS:
        raise ConfigError("unit", unit, "one of " + ", ".join(UNITS))
    known = UNITS[unit].config.__dataclass_fields__
    for option in options:
        if option not in known:
            raise ConfigError(option, options[option], f"unit {unit} has no such option")
    return UNITS[unit].config(**options)


def make_unit(config: UnitConfig) -> StreamUnit:
    """The component of a configuration."""
    return UNITS[config.unit].component(config)
