"""What every unit has in common: a configuration, stream ports, and the facts its manifest states."""

from typing import Generic, TypeVar

from amaranth.lib import wiring

from hdl.config import UnitConfig

__all__ = ["StreamUnit"]

Config = TypeVar("Config", bound=UnitConfig)


class StreamUnit(wiring.Component, Generic[Config]):
    """A component built from a configuration, with the contract that header and manifest print.

    latency: cycles from the transfer that completes a result's input to the first cycle with `o.valid` high.
    input_transfers, cycles: with neither side stalling, that many transfers enter in that many cycles.
    """

    clocked = True  # False: a combinational unit, whose ports are plain data
    _MustUse__silence = True  # a unit made for its facts alone (--list) is no forgotten submodule

    def __init__(self, config: Config, signature: dict) -> None:
        self.config = config
        super().__init__(signature)

    @property
    def latency(self) -> int:
        """Pipeline registers and the output buffer."""
        return self.config.pipeline + 1

    @property
    def throughput(self) -> dict[str, int]:
        """Input transfers per cycles, sustained."""
        return {"transfers": 1, "cycles": 1}

    @property
    def rounding_points(self) -> list[str]:
        """Every place where bits are lost, in order."""
        return []

    @property
    def critical_path(self) -> str:
        """The path that more pipeline stages do not shorten, or where the longest one lies."""
        return "the longest stage between pipeline registers"
