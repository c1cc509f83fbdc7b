"""Converter from scalar floats to BFP blocks: options, ports, and the variant that takes a whole block at once."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import Rounding, ScaleRule
from hdl.config import (
    BlockUnitConfig,
    ConfigError,
    describe_format,
    integer,
    named,
    power_of_two_scale,
    whole_lanes,
)
from hdl.convert.path import ElementPath
from hdl.layouts import FLOATS, FloatLayout, block_layout, float_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["Quantize", "QuantizeConfig"]

_WORDS = {"rne": "to nearest, ties to even", "rna": "to nearest, ties away", "rtz": "towards zero", "sr": "stochastic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeConfig(BlockUnitConfig):
    """Options of the float-to-block converter."""

    unit: ClassVar[str] = "quantize"
    aliases: ClassVar[dict[str, str]] = {"--to": "format"}

    source: str = named("fp32", tuple(FLOATS), "type of the values that come in")
    subnormals: str = named(
        "keep",
        ("keep", "flush"),
        "values below FP32's normal range: honoured, or zeros of their sign",
        token="ftz",
        silent=True,
    )
    rounding: str = named("rne", tuple(Rounding), "rounding of the mantissas")
    scale_rule: str = named("floor", tuple(ScaleRule), "exponent that the largest magnitude asks for")
    lanes: int = integer(None, range(1, 1025), "values per cycle, a divisor of the block; all by default", token="l{}")
    random: str = named("port", ("port", "xorshift"), "where sr takes its words: beside the values, or made inside")
    random_bits: int = integer(8, range(1, 33), "bits of a random word", token="r{}")
    seed: int = integer(0x9E3779B9, range(1 << 32), "of the xorshift generator", token="seed{:08x}")

    def derived(self, option: str) -> object:
        """The whole block enters in one transfer."""
        return self.operand.block if option == "lanes" else BlockUnitConfig.derived(self, option)

    def validate(self) -> None:
        power_of_two_scale(self, "format")
        whole_lanes(self.operand, self.lanes)
        if self.flush and self.source == "fp16":
            raise ConfigError("subnormals", self.subnormals, "keep with --from fp16: its subnormals are normal in FP32")
        if self.rounding != Rounding.SR:
            for option in ("random", "random_bits", "seed"):
                if getattr(self, option) != self.default_of(option):
                    raise ConfigError(option, getattr(self, option), "only with --rounding sr")
        if self.random == "port" and self.seed != self.default_of("seed"):
            raise ConfigError("seed", self.seed, "only with --random xorshift")

    def describe(self) -> str:
        """Source, format, rounding, lanes in one line."""
        pace = "a block" if self.lanes == self.operand.block else f"{self.lanes} value(s)"
        source = self.source.upper() + (", subnormals flushed," if self.flush else "")
        return (
            f"{source} to {describe_format(self.operand)}; {_WORDS[self.rounding]}, scale rule "
            f"{self.scale_rule}, {pace} a cycle, {self.pipeline} pipeline stage(s)"
        )

    @property
    def beats(self) -> int:
        """Input transfers per block."""
        return self.operand.block // self.lanes

    @property
    def flush(self) -> bool:
        """Whether subnormal values count as zeros of their sign: FTZ_IN of formats.md 0.5."""
        return self.subnormals == "flush"

    @property
    def draws_from_port(self) -> bool:
        """Whether random words come in beside the values."""
        return self.rounding == Rounding.SR and self.random == "port"

    @property
    def value_layout(self) -> FloatLayout:
        """Layout of one value."""
        return float_layout(self.source)

    def path(self) -> ElementPath:
        """The lanes that round what the shared exponent has scaled."""
        random_bits = self.random_bits if self.rounding == Rounding.SR else 0
        seed = self.seed if self.random == "xorshift" else None
        rounding, rule = Rounding(self.rounding), ScaleRule(self.scale_rule)
        return ElementPath(self.value_layout, self.operand, rounding, rule, self.lanes, random_bits, seed, self.flush)

    def signature(self) -> dict[str, wiring.Member]:
        """Streams: `lanes` values (and random words) in, a packed block out."""
        beat: dict[str, object] = {"value": data.ArrayLayout(self.value_layout, self.lanes)}
        if self.draws_from_port:
            beat["random"] = data.ArrayLayout(self.random_bits, self.lanes)
        return {
            "i": In(stream.Signature(data.StructLayout(beat))),
            "o": Out(stream.Signature(block_layout(self.operand))),
        }

    @property
    def rounding_points(self) -> list[str]:
        """One: the elements."""
        return [f"{self.format} elements, {_WORDS[self.rounding]}, then saturation at the largest magnitude"]


class Quantize(StreamUnit[QuantizeConfig]):
    """A whole block of floats in, a packed block out: one a cycle, latency pipeline + 1 (formats.md 1.2, 0.2-0.8)."""

    def __init__(self, config: QuantizeConfig) -> None:
        super().__init__(config, config.signature())

    @property
    def rounding_points(self) -> list[str]:
        """Rounding of the elements."""
        return self.config.rounding_points

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, path = self.config, self.config.path()
        m.submodules.buffer = buffer = OutputBuffer(block_layout(config.operand))
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += self.i.ready.eq(buffer.i.ready)
        pipe = Pipeline(
            m,
            cuts=("exponent", "aligned", "peak"),
            registers=config.pipeline,
            enable=buffer.i.ready,
            valid=self.i.valid,
        )

        values = list(self.i.p.value)
        words = list(self.i.p.random) if config.draws_from_port else []
        encoded = path.whole_block(m, pipe, buffer.i.ready, values, words)
        m.d.comb += [
            buffer.i.payload.eq(Cat(encoded.elements, encoded.microexponents, encoded.exponent)),
            buffer.i.valid.eq(pipe.valid),
        ]
        return m
