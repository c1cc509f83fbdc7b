"""Transistors of a unit or a part, flip-flops apart, from the flow that everything else is priced in."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from amaranth.lib import wiring

from golden.catalog import get_format
from golden.formats import BlockFormat
from hdl.config import UnitConfig
from hdl.emit import Emitted, emit, verilog_of
from hdl.float.raw import FP32
from hdl.yosys import Engine
from synth import cache
from synth.area import measure
from synth.cells import TRANSISTORS_PER_FLIP_FLOP
from synth.check import prove
from synth.density_parts import BlockConverter, ValueConverter
from synth.flows import TARGETS
from synth.synthesis import synthesise

__all__ = ["Price", "Pricer", "buffer_transistors"]

_TARGET = TARGETS["cmos"]
_MULTIPLEXER = 12  # transistors, as Yosys counts it
_PROOF_SECONDS = 5.0  # a proof that closes at all closes soon
_LINE = (8, 16)  # blocks from which the line of a parallel converter is drawn


@dataclass(frozen=True, slots=True)
class Price:
    """`transistors` of logic; how the netlist was checked, empty if it was not; what it is a price of."""

    transistors: int
    checked_by: str
    what: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"transistors": self.transistors, "checked_by": self.checked_by or "unchecked", "what": self.what}


@dataclass(slots=True)
class Pricer:
    """Each circuit is synthesised once; earlier runs' figures come from the cache. `timeout` seconds each."""

    engine: Engine
    timeout: float
    tell: Callable[[str], None]
    _known: dict[str, Price] = field(default_factory=dict)

    def unit(self, config: UnitConfig, *, checked: bool = True) -> Price:
        """A generated unit. Raises TimeoutError where the synthesis takes too long, RuntimeError if it fails."""
        name = config.name
        if name not in self._known:
            unit = emit(config, self.engine)
            found = measure(unit, _TARGET, self.engine, timeout=self.timeout, checked=checked, progress=self.tell)
            if found.figures is None:
                raise (TimeoutError if found.status.startswith("timeout") else RuntimeError)(f"{name}: {found.status}")
            command = unit.manifest["command"]
            self._known[name] = Price(found.figures["transistors_logic"], found.checked_by, command)
        return self._known[name]

    def part(self, name: str, make: Callable[[], wiring.Component], what: str) -> Price:
        """A combinational part, its netlist proved equal to it if the solver is quick."""
        if name not in self._known:
            self.tell(f"{name}: part")
            verilog = verilog_of(make(), name, self.engine)
            digest = hashlib.sha256(verilog.encode()).hexdigest()
            key = cache.key_of("density-1", name, digest, _TARGET.sha256, self.engine.name)
            known = cache.load(key)
            if known is None:
                part = Emitted(name, verilog, {"sha256": digest})
                made = synthesise(part, _TARGET, self.engine, timeout=self.timeout)
                proved = prove(part, made.netlist, self.engine, seconds=_PROOF_SECONDS)
                known = {"transistors": made.figures["transistors_logic"], "proved": proved}
                cache.store(key, known)
            proof = "proof: outputs equal for every input" if known["proved"] else ""
            self._known[name] = Price(known["transistors"], proof, what)
        return self._known[name]

    def value_converter(self, fmt: BlockFormat) -> Price:
        """A converter of one lane, which is the same for blocks of any length."""
        small = get_format(_resized(fmt, _LINE[0]))
        what = f"fp32 to {small.name}, a group a cycle"
        return self.part(f"value_converter_{small.name}", partial(ValueConverter, small), what)

    def block_converter(self, fmt: BlockFormat, source: str, *, flush: bool = False) -> Price:
        """A converter of a whole block, by the line through two small ones: its lanes are all alike."""
        prices = []
        for block in _LINE:
            small = get_format(_resized(fmt, block))
            name = f"block_converter_{small.name}" + (f"_{source}" if source != "fp32" else "") + "_ftz" * flush
            make = partial(BlockConverter, small, source, flush=flush)
            prices.append(self.part(name, make, f"{source} to {small.name}, {block} lanes").transistors)
        slope = (prices[1] - prices[0]) / (_LINE[1] - _LINE[0])
        total = round(prices[1] + slope * (fmt.block - _LINE[1]))
        what = f"{source}{', subnormals flushed,' * flush} to {fmt.name}, {fmt.block} lanes"
        return Price(total, "", f"{what}: the line through {_LINE[0]} and {_LINE[1]}")


def buffer_transistors(fmt: BlockFormat) -> int:
    """Flip-flops with an enable, each a multiplexer more, for the FP32 values of one block."""
    return fmt.block * FP32.size * (TRANSISTORS_PER_FLIP_FLOP + _MULTIPLEXER)


def _resized(fmt: BlockFormat, block: int) -> str:
    """The same elements in blocks of another length."""
    if fmt.microexponents:
        element, scale = fmt.element.mantissa_bits, fmt.scale.bits
        return f"mx_m{element}_k{block}_{fmt.subblock}_d{scale}_{fmt.microexponent_bits}"
    head = fmt.name.rpartition("x")[0] if fmt.name.startswith("bfp") else fmt.name
    return f"{head}x{block}"
