"""Transistors of a unit or a part, flip-flops apart, from the flow that everything else is priced in."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from amaranth.lib import wiring

from golden.catalog import get_format
from golden.formats import BlockFormat
from hdl.config import UnitConfig
from hdl.emit import Emitted, emit, verilog_of
from hdl.float.raw import FP32
from hdl.layouts import float_layout
from hdl.registry import make_config
from hdl.yosys import Engine
from synth import cache
from synth.area import measure
from synth.cells import TRANSISTORS_PER_FLIP_FLOP
from synth.check import prove
from synth.density.aligned import AlignedDot
from synth.density.parts import BlockConverter, ValueConverter
from synth.flows import TARGETS
from synth.synthesis import synthesise

__all__ = ["Price", "Pricer", "buffer_transistors"]

_TARGET = TARGETS["cmos"]
_MULTIPLEXER = 12  # transistors, as Yosys counts it
_PROOF_SECONDS = 5.0  # a proof that closes at all closes soon
# Lanes and terms are all alike: of large circuits two smaller ones tell the price, by the line through them.
_CONVERTERS = (16, 64)
_CORES = (16, 64)
_FUSED = (2, 4)
_ALIGNED = (4, 8)
# Block length of the format that a converter of one lane is made for; it matters to nothing inside.
_ANY_BLOCK = 8
# In products of magnitude bits. Beyond the first the check of a core takes much longer than its synthesis, beyond the
# second the synthesis takes the better part of an hour.
_CHECKED_CORE = 2_500
_LARGEST_CORE = 6_500


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

    def core(self, fmt: BlockFormat) -> Price:
        """A dot product's core, its netlist checked up to some size."""
        size = fmt.block * fmt.element.mantissa_bits**2
        if size <= _LARGEST_CORE:
            return self.unit(make_config("dot_core", format=fmt.name), checked=size <= _CHECKED_CORE)
        return self.core_on_line(fmt, _CORES)

    def core_on_line(self, fmt: BlockFormat, blocks: tuple[int, int]) -> Price:
        """A dot product's core from two smaller ones."""
        prices = [self.core(get_format(_resized(fmt, block))) for block in blocks]
        return _on_line(fmt.block, blocks, prices, f"dot_core of {fmt.name}")

    def fused_dot(self, name: str, terms: int) -> Price:
        """Scalar floats, rounded once: the exact sum."""
        options = {"float": name, "rounded": "once", "ports": "plain"}
        prices = [self.unit(make_config("float_dot", length=n, **options), checked=False) for n in _FUSED]
        return _on_line(terms, _FUSED, prices, f"float_dot --float {name} --rounded once of {terms} terms")

    def aligned_dot(self, name: str, terms: int) -> Price:
        """Scalar floats, products cut off below the largest's bits."""
        layout = float_layout(name)
        prices = [
            self.part(f"aligned_dot_{name}_n{n}", partial(AlignedDot, layout, n), f"{name}, {n} terms aligned")
            for n in _ALIGNED
        ]
        return _on_line(terms, _ALIGNED, prices, f"{name}, {terms} terms aligned to the largest")

    def value_converter(self, fmt: BlockFormat) -> Price:
        """A converter of one lane, which is the same for blocks of any length."""
        small = get_format(_resized(fmt, _ANY_BLOCK))
        what = f"fp32 to {small.name}, a group a cycle"
        return self.part(f"value_converter_{small.name}", partial(ValueConverter, small), what)

    def block_converter(self, fmt: BlockFormat, source: str, *, flush: bool = False) -> Price:
        """A converter of a whole block; beyond 64 lanes, by the line through smaller ones."""
        what = f"{source}{', subnormals flushed,' * flush} to {fmt.name}, {fmt.block} lanes"
        if fmt.block > _CONVERTERS[-1]:
            small = [get_format(_resized(fmt, block)) for block in _CONVERTERS]
            prices = [self.block_converter(one, source, flush=flush) for one in small]
            return _on_line(fmt.block, _CONVERTERS, prices, what)
        name = f"block_converter_{fmt.name}" + (f"_{source}" if source != "fp32" else "") + "_ftz" * flush
        return self.part(name, partial(BlockConverter, fmt, source, flush=flush), what)


def _on_line(size: int, sizes: tuple[int, int], prices: Sequence[Price], what: str) -> Price:
    """The price of a circuit of `size` lanes from those of two sizes."""
    small, large = (price.transistors for price in prices)
    slope = (large - small) / (sizes[1] - sizes[0])
    return Price(round(large + slope * (size - sizes[1])), "", f"{what}: the line through {sizes[0]} and {sizes[1]}")


def buffer_transistors(fmt: BlockFormat) -> int:
    """Flip-flops with an enable, each a multiplexer more, for the FP32 values of one block."""
    return fmt.block * FP32.size * (TRANSISTORS_PER_FLIP_FLOP + _MULTIPLEXER)


def _resized(fmt: BlockFormat, block: int) -> str:
    """The same elements in blocks of another length."""
    if fmt.microexponents:
        element, scale = fmt.element.mantissa_bits, fmt.scale.bits
        return f"mx_m{element}_k{block}_{fmt.subblock}_d{scale}_{fmt.microexponent_bits}"
    return re.sub(r"(x\d+)?$", f"x{block}", fmt.name, count=1)
