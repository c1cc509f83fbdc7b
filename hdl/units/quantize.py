"""Converter from scalar floats to BFP blocks: options, ports, and the variant that takes a whole block at once."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import Rounding, ScaleRule
from hdl.arith.bits import reduce_tree
from hdl.arith.xorshift import XorshiftLanes
from hdl.config import BlockUnitConfig, ConfigError, describe_format, integer, named
from hdl.convert.element import AlignElement, RoundElement
from hdl.convert.peak import find_peak
from hdl.convert.scale import SharedExponent
from hdl.layouts import FLOATS, FloatLayout, block_layout, float_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["ElementPath", "Quantize", "QuantizeConfig"]

_WORDS = {"rne": "to nearest, ties to even", "rna": "to nearest, ties away", "rtz": "towards zero", "sr": "stochastic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeConfig(BlockUnitConfig):
    """Options of the float-to-block converter."""

    unit: ClassVar[str] = "quantize"

    source: str = named("fp32", tuple(FLOATS), "type of the values that come in")
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
        if self.operand.block % self.lanes:
            raise ConfigError("lanes", self.lanes, f"a divisor of the block, {self.operand.block}")
        if self.rounding != Rounding.SR:
            for option in ("random", "random_bits", "seed"):
                if getattr(self, option) != self.default_of(option):
                    raise ConfigError(option, getattr(self, option), "only with --rounding sr")
        if self.random == "port" and self.seed != self.default_of("seed"):
            raise ConfigError("seed", self.seed, "only with --random xorshift")

    def describe(self) -> str:
        """Source, format, rounding, lanes in one line."""
        pace = "a block" if self.lanes == self.operand.block else f"{self.lanes} value(s)"
        return (
            f"{self.source.upper()} to {describe_format(self.operand)}; {_WORDS[self.rounding]}, scale rule "
            f"{self.scale_rule}, {pace} a cycle, {self.pipeline} pipeline stage(s)"
        )

    @property
    def beats(self) -> int:
        """Input transfers per block."""
        return self.operand.block // self.lanes

    @property
    def draws_from_port(self) -> bool:
        """Whether random words come in beside the values."""
        return self.rounding == Rounding.SR and self.random == "port"

    @property
    def value_layout(self) -> FloatLayout:
        """Layout of one value."""
        return float_layout(self.source)

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
        """One: the mantissas."""
        return [f"{self.format} mantissas, {_WORDS[self.rounding]}, then saturation at the largest magnitude"]


class ElementPath:
    """The lanes behind the shared exponent: align, (cut), round; the same for whole and serial converters."""

    def __init__(self, config: QuantizeConfig) -> None:
        self._config = config

    def poison(self, values: list[data.View]) -> Value:
        """Whether any of the values is a NaN or an infinity."""
        return reduce_tree(lambda a, b: a | b, [value.exponent.all() for value in values])

    def connect(
        self,
        m: Module,
        pipe: Pipeline,
        enable: Value,
        values: list[data.View],
        words: list[Value],
        exponent: Value,
        **along: Value,
    ) -> tuple[list[Value], dict[str, Value]]:
        """Elements of some values; `along` and the exponent travel through the cut named "aligned"."""
        config = self._config
        fmt, rounding = config.operand, Rounding(config.rounding)
        magnitudes, overflows = [], []
        for k, value in enumerate(values):
            m.submodules[f"align_{k}"] = align = AlignElement(config.value_layout, fmt, rounding, config.random_bits)
            m.d.comb += [
                align.value_exponent.eq(value.exponent),
                align.value_fraction.eq(value.fraction),
                align.exponent.eq(exponent),
            ]
            magnitudes.append(align.magnitude)
            overflows.append(align.overflow)
        stage = pipe.cut(
            "aligned",
            magnitude=magnitudes,
            overflow=overflows,
            sign=[value.sign for value in values],
            random=words,
            exponent=exponent,
            **along,
        )

        words = stage.random
        if rounding is Rounding.SR and config.random == "xorshift":
            m.submodules.xorshift = xorshift = XorshiftLanes(config.lanes, config.random_bits, config.seed)
            m.d.comb += xorshift.draw.eq(enable & pipe.valid)
            words = list(xorshift.words)
        elements: list[Value] = []
        for k in range(len(values)):
            m.submodules[f"round_{k}"] = rounder = RoundElement(fmt, rounding, config.random_bits)
            m.d.comb += [
                rounder.magnitude.eq(stage.magnitude[k]),
                rounder.overflow.eq(stage.overflow[k]),
                rounder.sign.eq(stage.sign[k]),
                rounder.poison.eq(stage.exponent == fmt.scale.highest + 1),
            ]
            if rounding is Rounding.SR:
                m.d.comb += rounder.random.eq(words[k])
            elements.append(rounder.element.as_value())
        return elements, {"exponent": stage.exponent} | {name: getattr(stage, name) for name in along}


class Quantize(StreamUnit[QuantizeConfig]):
    """A whole block of floats in, a packed block out: one a cycle, latency pipeline + 1 (formats.md 1.2, 0.2-0.8)."""

    def __init__(self, config: QuantizeConfig) -> None:
        super().__init__(config, config.signature())

    @property
    def rounding_points(self) -> list[str]:
        """Rounding of the mantissas."""
        return self.config.rounding_points

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, path = self.config, ElementPath(self.config)
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
        rule = ScaleRule(config.scale_rule)
        stage = pipe.cut(
            "peak", peak=find_peak(m, values, rule), poison=path.poison(values), values=values, words=words
        )
        m.submodules.exponent = shared = SharedExponent(config.value_layout, config.operand, rule)
        m.d.comb += [shared.peak.eq(stage.peak), shared.poison.eq(stage.poison)]
        stage = pipe.cut("exponent", exponent=shared.exponent, values=stage.values, words=stage.words)
        elements, along = path.connect(m, pipe, buffer.i.ready, stage.values, stage.words, stage.exponent)
        m.d.comb += [
            *[buffer.i.p.mantissa[k].eq(element) for k, element in enumerate(elements)],
            buffer.i.p.exponent.eq(along["exponent"]),
            buffer.i.valid.eq(pipe.valid),
        ]
        return m
