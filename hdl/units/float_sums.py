"""Dot product and running sum of scalar floats: what block formats are compared with."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import ConfigError, integer, named
from hdl.float.add import AddFloat
from hdl.float.dot import DotFloat, DotFused
from hdl.stream import OutputBuffer
from hdl.units.float_unit import FloatConfig, FloatUnit, ProductConfig
from hdl.units.unit import StreamUnit

__all__ = ["FloatAccumulate", "FloatAccumulateConfig", "FloatDot", "FloatDotConfig"]

MAX_FUSED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatDotConfig(ProductConfig):
    """Options of the dot product."""

    unit: ClassVar[str] = "float_dot"
    in_stem: ClassVar[tuple[str, ...]] = ("float", "length")

    length: int = integer(4, range(1, 65), "terms", token="n{}")
    rounded: str = named("each", ("each", "once"), "every product and addition, or the exact sum alone")

    def validate(self) -> None:
        FloatConfig.validate(self)
        if self.rounded == "once" and self.length > MAX_FUSED:
            raise ConfigError("length", self.length, f"1..{MAX_FUSED} with --rounded once")

    @property
    def stem(self) -> str:
        """The unit, its float and its length."""
        return f"{self.unit}_{self.float}_n{self.length}"

    def describe(self) -> str:
        """What it computes, in one line."""
        how = "every product and addition rounded" if self.rounded == "each" else "exact, rounded once"
        return f"dot product of {self.length} pairs of {self.type_name}, {how}; {self.shell}"


class FloatDot(FloatUnit[FloatDotConfig]):
    """sum of a[k] * b[k], as a balanced tree of rounded additions or exact with one rounding."""

    def __init__(self, config: FloatDotConfig) -> None:
        super().__init__(config, dict.fromkeys("ab", data.ArrayLayout(config.layout, config.length)))

    def core(self) -> wiring.Component:
        """The tree, or the wide sum."""
        kind = DotFloat if self.config.rounded == "each" else DotFused
        return kind(self.config.layout, self.config.length, self.config.arch)

    @property
    def rounding_points(self) -> list[str]:
        """One, or every operation."""
        name = self.config.float.upper()
        if self.config.rounded == "once":
            return [f"{name}, RNE: the sum of all products, once"]
        return [f"{name}, RNE: each product", f"{name}, RNE: each addition, neighbours first in a balanced tree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatAccumulateConfig(FloatConfig):
    """Options of the running sum."""

    unit: ClassVar[str] = "float_accumulate"

    def validate(self) -> None:
        FloatConfig.validate(self)
        if self.ports == "plain":
            raise ConfigError("ports", self.ports, "stream: the sum is a register; its core is --unit float_add")
        if self.pipeline > 1:
            raise ConfigError("pipeline", self.pipeline, "0..1: the loop takes one cycle")

    def describe(self) -> str:
        """What it computes, in one line."""
        return f"running sum of {self.type_name}, every addition rounded to nearest even; {self.shell}"


class FloatAccumulate(StreamUnit[FloatAccumulateConfig]):
    """sum = (first ? +0 : sum) + value; the new sum goes out after every addend.

    Ports: `i` with `value` and `first`, `o` with the sum `value`. Latency 1, or 2 with the pipeline register before the
    adder; one addition a cycle.
    """

    def __init__(self, config: FloatAccumulateConfig) -> None:
        self._result = data.StructLayout({"value": config.layout})
        request = data.StructLayout({"value": config.layout, "first": 1})
        super().__init__(config, {"i": In(stream.Signature(request)), "o": Out(stream.Signature(self._result))})

    @property
    def rounding_points(self) -> list[str]:
        """Every addition."""
        return [f"{self.config.float.upper()}, RNE: each addition, in order from +0"]

    @property
    def critical_path(self) -> str:
        """The loop."""
        return "accumulate loop: the adder, in one cycle"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._result)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += self.i.ready.eq(buffer.i.ready)
        enable, valid, addend = buffer.i.ready, self.i.valid, self.i.p
        if self.config.pipeline:
            registered, registered_valid = Signal(self.i.p.shape(), name="addend", reset_less=True), Signal()
            with m.If(enable):
                m.d.sync += [registered.eq(self.i.p), registered_valid.eq(self.i.valid)]
            valid, addend = registered_valid, registered

        total = Signal(self.config.layout)
        m.submodules.add = add = AddFloat(self.config.layout)
        m.d.comb += [
            add.a.as_value().eq(Mux(addend.first, 0, total.as_value())),
            add.b.eq(addend.value),
            buffer.i.p.value.eq(add.value),
            buffer.i.valid.eq(valid),
        ]
        with m.If(enable & valid):
            m.d.sync += total.eq(add.value)
        return m
