"""Converter from BFP blocks to FP32."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BlockUnitConfig, ConfigError, describe_format, integer
from hdl.float.raw import FP32, FixedToRaw
from hdl.float.round import RoundFP32
from hdl.layouts import block_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["Dequantize", "DequantizeConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DequantizeConfig(BlockUnitConfig):
    """Options of the block-to-float converter."""

    unit: ClassVar[str] = "dequantize"

    lanes: int = integer(None, range(1, 1025), "values per cycle, a divisor of the block; all by default", token="l{}")

    def derived(self, option: str) -> object:
        """The whole block leaves in one transfer."""
        return self.operand.block if option == "lanes" else BlockUnitConfig.derived(self, option)

    def validate(self) -> None:
        if self.operand.block % self.lanes:
            raise ConfigError("lanes", self.lanes, f"a divisor of the block, {self.operand.block}")

    def describe(self) -> str:
        """Format, lanes in one line."""
        pace = "a block" if self.lanes == self.operand.block else f"{self.lanes} value(s)"
        return f"{describe_format(self.operand)}; to FP32, {pace} a cycle, {self.pipeline} pipeline stage(s)"

    @property
    def beats(self) -> int:
        """Output transfers per block."""
        return self.operand.block // self.lanes


class Dequantize(StreamUnit[DequantizeConfig]):
    """A packed block in, its values in FP32 out, `lanes` per transfer in order; a poisoned block gives NaNs.

    Latency pipeline + 1 cycles to the first values, one more where a block leaves in several transfers; then one
    transfer a cycle. Rounding: RNE, and only where a value is subnormal in FP32 (formats.md 0.6).
    """

    rounding = ("FP32, RNE: values below FP32's normal range; all others are exact or overflow",)

    def __init__(self, config: DequantizeConfig) -> None:
        self._out = data.StructLayout({"value": data.ArrayLayout(FP32, config.lanes)})
        super().__init__(
            config,
            {"i": In(stream.Signature(block_layout(config.operand))), "o": Out(stream.Signature(self._out))},
        )

    @property
    def latency(self) -> int:
        """The block register of a serial converter costs a cycle."""
        return self.config.pipeline + (1 if self.config.beats == 1 else 2)

    @property
    def throughput(self) -> dict[str, int]:
        """A block takes as many cycles as its values take to leave."""
        return {"transfers": 1, "cycles": self.config.beats}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._out)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        if self.config.beats == 1:
            m.d.comb += self.i.ready.eq(enable)
            elements, exponent, valid = list(self.i.p.mantissa), self.i.p.exponent, self.i.valid
        else:
            elements, exponent, valid = self._take_block(m, enable)

        pipe = Pipeline(m, cuts=("normalized",), registers=self.config.pipeline, enable=enable, valid=valid)
        element = self.config.operand.element
        scale = self.config.operand.scale
        exponents = range(scale.lowest - element.fraction_bits, scale.highest + 1 - element.fraction_bits + 1)
        raw = []
        for k, mantissa in enumerate(elements):
            m.submodules[f"to_raw_{k}"] = to_raw = FixedToRaw(element.mantissa_bits, exponents)
            m.d.comb += [
                to_raw.magnitude.eq(mantissa.magnitude),
                to_raw.exponent.eq(exponent - element.fraction_bits),
            ]
            raw.append(to_raw)
        stage = pipe.cut(
            "normalized",
            biased=[r.biased for r in raw],
            significand=[r.significand for r in raw],
            sign=[mantissa.sign & mantissa.magnitude.any() for mantissa in elements],
            nan=exponent == scale.highest + 1,
        )
        for k, r in enumerate(raw):
            m.submodules[f"round_{k}"] = rounder = RoundFP32(r.significand_bits, r.biased_bits)
            m.d.comb += [
                *[getattr(rounder, name).eq(getattr(stage, name)[k]) for name in ("biased", "significand", "sign")],
                rounder.nan.eq(stage.nan),
                buffer.i.p.value[k].eq(rounder.value),
            ]
        m.d.comb += buffer.i.valid.eq(pipe.valid)
        return m

    def _take_block(self, m: Module, enable: Value) -> tuple[list[data.View], Value, Value]:
        """Hold a block and shift it down a beat a cycle; the next one may enter while the last beat leaves."""
        beats, layout = self.config.beats, block_layout(self.config.operand)
        block = Signal(layout, reset_less=True)
        busy = Signal()
        beat = Signal(range(beats))
        last = busy & enable & (beat == beats - 1)
        step = self.config.lanes * self.config.operand.element.bits
        m.d.comb += self.i.ready.eq(~busy | last)
        with m.If(busy & enable):
            elements = block.mantissa.as_value()
            m.d.sync += [block.mantissa.eq(Cat(elements[step:], elements[:step])), beat.eq(Mux(last, 0, beat + 1))]
            with m.If(last):
                m.d.sync += busy.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [block.eq(self.i.payload), busy.eq(1)]
        return list(block.mantissa)[: self.config.lanes], block.exponent, busy
