"""What the units of scalar floats share: their options, and a core as it is or between streams."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import FLOATS, get_float
from hdl.config import ConfigError, UnitConfig, named
from hdl.float.product import ARCHITECTURES
from hdl.layouts import FloatLayout, float_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["FloatConfig", "FloatUnit", "ProductConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatConfig(UnitConfig):
    """Options of every unit of scalar floats."""

    in_stem: ClassVar[tuple[str, ...]] = ("float",)

    float: str = field(
        default="fp32", metadata={"help": f"type of operands and result: {', '.join(FLOATS)}, or eXmY", "token": "{}"}
    )
    ports: str = named(
        "stream", ("stream", "plain"), "streams around registers, or the combinational core alone", token="core"
    )

    def validate(self) -> None:
        try:
            get_float(self.float)
        except ValueError as error:
            raise ConfigError("float", self.float, str(error)) from None
        if self.ports == "plain" and self.pipeline != self.default_of("pipeline"):
            raise ConfigError("pipeline", self.pipeline, "only with --ports stream")

    @property
    def layout(self) -> FloatLayout:
        """Of operands and result."""
        return float_layout(self.float)

    @property
    def stem(self) -> str:
        """The unit and its float."""
        return f"{self.unit}_{self.float}"

    @property
    def type_name(self) -> str:
        """The float in words."""
        fmt = get_float(self.float)
        kind = "OCP, no infinity" if fmt.finite else "IEEE 754"
        return f"{self.float.upper()} ({fmt.exponent_bits} exponent, {fmt.fraction_bits} fraction bits, {kind})"

    @property
    def shell(self) -> str:
        """What surrounds the core, in words."""
        return f"{self.pipeline} pipeline stage(s)" if self.ports == "stream" else "combinational"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductConfig(FloatConfig):
    """Options of the units that multiply."""

    arch: str = named("area", ARCHITECTURES, "product of significands: one compressor tree, small or fast; operators")


Config = TypeVar("Config", bound=FloatConfig)


class FloatUnit(StreamUnit[Config], ABC):
    """A combinational core with input ports `inputs` and the output `value`, all of them floats.

    With streams: `i` with the inputs, `o` with the value, latency pipeline + 1, one operation a cycle; all pipeline
    registers lie behind the core, for a retiming tool to spread. With plain ports: the core's own.
    """

    def __init__(self, config: Config, inputs: dict[str, Any]) -> None:
        self.clocked = config.ports == "stream"
        self._inputs = data.StructLayout(inputs)
        self._result = data.StructLayout({"value": config.layout})
        ports: dict[str, Any] = {name: In(shape) for name, shape in inputs.items()} | {"value": Out(config.layout)}
        streams = {"i": In(stream.Signature(self._inputs)), "o": Out(stream.Signature(self._result))}
        super().__init__(config, streams if self.clocked else ports)

    @abstractmethod
    def core(self) -> wiring.Component:
        """A new instance of the core."""

    @property
    def latency(self) -> int:
        """A register behind the pipeline's; 0 with plain ports, which have no clock."""
        return self.config.pipeline + 1 if self.clocked else 0

    @property
    def critical_path(self) -> str:
        """The whole core: no register lies inside."""
        return "from any operand through the core to the result"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = core = self.core()
        if not self.clocked:
            m.d.comb += [getattr(core, name).eq(getattr(self, name)) for name in self._inputs.members]
            m.d.comb += self.value.eq(core.value)
            return m
        m.submodules.buffer = buffer = OutputBuffer(self._result)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        pipe = Pipeline(m, cuts=("value",), registers=self.config.pipeline, enable=buffer.i.ready, valid=self.i.valid)
        m.d.comb += [getattr(core, name).eq(self.i.p[name]) for name in self._inputs.members]
        stage = pipe.cut("value", value=core.value.as_value())
        m.d.comb += [
            buffer.i.p.value.as_value().eq(stage.value),
            buffer.i.valid.eq(pipe.valid),
            self.i.ready.eq(buffer.i.ready),
        ]
        return m
