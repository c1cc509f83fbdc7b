"""Parts of the density comparison as netlists in memory, for what a count of transistors does not tell: their paths."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib import wiring

from hdl.config import UnitConfig
from hdl.emit import emit, verilog_of
from hdl.yosys import Engine, YosysTimeout
from synth import cache
from synth.density.cut import Gate, Netlist, read_netlist
from synth.flows import TARGETS
from synth.synthesis import cells_by_module

__all__ = ["Mapped", "Mapper"]

_TARGET = TARGETS["cmos"]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A netlist and the transistors of its gates."""

    netlist: Netlist
    transistors: int


@dataclass(slots=True)
class Mapper:
    """The gates that `synth.density.price` counts, by the same script; each circuit once, then from the cache."""

    engine: Engine
    timeout: float
    tell: Callable[[str], None]
    _known: dict[str, Mapped] = field(default_factory=dict)

    def unit(self, config: UnitConfig) -> Mapped:
        """A generated unit without a clock. Raises TimeoutError where the synthesis takes too long."""
        if config.name not in self._known:
            unit = emit(config, self.engine)
            self._known[config.name] = self._map(unit.name, unit.verilog, unit.manifest["sha256"])
        return self._known[config.name]

    def part(self, name: str, make: Callable[[], wiring.Component]) -> Mapped:
        """A combinational part. Raises TimeoutError where the synthesis takes too long."""
        if name not in self._known:
            verilog = verilog_of(make(), name, self.engine)
            self._known[name] = self._map(name, verilog, hashlib.sha256(verilog.encode()).hexdigest())
        return self._known[name]

    def _map(self, name: str, verilog: str, digest: str) -> Mapped:
        key = cache.key_of("netlist-1", name, digest, _TARGET.sha256, self.engine.name)
        known = cache.load(key)
        if known is None:
            self.tell(f"{name}: synthesis, netlist kept ...")
            try:
                mapped = self._synthesise(name, verilog)
            except YosysTimeout:
                raise TimeoutError(f"{name}: timeout: stopped after {self.timeout:g} s") from None
            rows = [[*gate.inputs, gate.output, gate.delay] for gate in mapped.netlist.gates]
            ports = {"inputs": mapped.netlist.inputs, "outputs": mapped.netlist.outputs}
            cache.store(key, {"transistors": mapped.transistors, **ports, "gates": rows})
            return mapped
        gates = [Gate(tuple(read), output, delay) for *read, output, delay in known["gates"]]
        return Mapped(Netlist(known["inputs"], known["outputs"], gates), known["transistors"])

    def _synthesise(self, name: str, verilog: str) -> Mapped:
        with tempfile.TemporaryDirectory(prefix="narrowgauge-") as at:
            folder = Path(at)
            (folder / "unit.v").write_text(verilog)
            script = [line.replace("{top}", name) for line in _TARGET.script]
            self.engine.run([*script, "write_json netlist.json"], folder, timeout=self.timeout)
            module = json.loads((folder / "netlist.json").read_text())["modules"][name]
            counted = cells_by_module(json.loads((folder / "stat.json").read_text()))[name]
        return Mapped(read_netlist(module), counted["transistors"])
