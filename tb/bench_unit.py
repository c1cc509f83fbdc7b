"""What every bench does around a unit in a simulator: clock, reset, noise before it, and how complaints end."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tb.manifest import Manifest
from tb.ports import Port

__all__ = ["PATIENCE", "PERIOD_NS", "Mismatch", "Tally", "UnitBench"]

PERIOD_NS = 10
PATIENCE = 4000  # cycles without any transfer that count as a hang; stalls never last that long


class Mismatch(AssertionError):
    """The unit answered something else than the golden model, or nothing, or too much."""


@dataclass
class Tally:
    """What one simulation has driven."""

    vectors: int = 0
    cycles: int = 0
    hits: Counter[str] = field(default_factory=Counter)


class UnitBench:
    """One unit under test. `rerun` is the command that repeats this simulation, `seeds` what it was started with."""

    def __init__(self, dut: Any, manifest: Manifest, tally: Tally, *, seeds: str, rerun: str) -> None:
        self.dut, self.manifest, self.tally = dut, manifest, tally
        self.origin = f"{seeds}\nto repeat it: {rerun}"
        self.clock = getattr(dut, manifest.clock or "clk")
        if manifest.reset is None or manifest.reset.kind != "synchronous":
            raise ValueError(f"{manifest.top}: the bench drives units with a synchronous reset")
        self._reset, self._active = getattr(dut, manifest.reset.name), int(manifest.reset.active == "high")
        # What inputs carry before the first reset must not matter either
        noise = random.Random(manifest.sha256)
        for stream in manifest.inputs:
            self.port(stream.valid).value = noise.getrandbits(1)
            self.port(stream.payload).value = noise.getrandbits(stream.payload.width)
        for stream in manifest.outputs:
            self.port(stream.ready).value = noise.getrandbits(1)
        self._reset.value = 1 - self._active
        Clock(self.clock, PERIOD_NS, unit="ns").start()

    def port(self, port: Port) -> Any:
        """The simulator's handle of a port."""
        return getattr(self.dut, port.name)

    async def reset(self) -> None:
        """One cycle of reset, which has to be enough; nothing may be offered right after it."""
        await RisingEdge(self.clock)
        self._reset.value = self._active
        await RisingEdge(self.clock)
        self._reset.value = 1 - self._active
        for stream in self.manifest.inputs:
            self.port(stream.valid).value = 0
        await FallingEdge(self.clock)
        offering = [s.name for s in self.manifest.outputs if int(self.port(s.valid).value)]
        if offering:
            raise Mismatch(f"{self.manifest.top}: output valid right after reset: {', '.join(offering)}\n{self.origin}")
        await RisingEdge(self.clock)
