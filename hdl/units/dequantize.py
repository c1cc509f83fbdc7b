"""Converter from blocks to scalar floats."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.config import BlockUnitConfig, describe_format, integer, named, power_of_two_scale, whole_lanes
from hdl.float.raw import FixedToRaw
from hdl.float.round import RoundFloat
from hdl.layouts import FLOATS, FloatLayout, block_layout, elements, float_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.factors import Factor, decode_element
from hdl.units.scales import read_scale
from hdl.units.unit import StreamUnit

__all__ = ["Dequantize", "DequantizeConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DequantizeConfig(BlockUnitConfig):
    """Options of the block-to-float converter."""

    unit: ClassVar[str] = "dequantize"
    aliases: ClassVar[dict[str, str]] = {"--from": "format"}

    lanes: int = integer(None, range(1, 1025), "values per cycle, a divisor of the block; all by default", token="l{}")

    target: str = named("fp32", tuple(FLOATS), "type of the values that go out", token="to_{}")

    def derived(self, option: str) -> object:
        """The whole block leaves in one transfer."""
        return self.operand.block if option == "lanes" else BlockUnitConfig.derived(self, option)

    def validate(self) -> None:
        power_of_two_scale(self, "format")
        whole_lanes(self.operand, self.lanes)

    def describe(self) -> str:
        """Format, lanes in one line."""
        pace = "a block" if self.lanes == self.operand.block else f"{self.lanes} value(s)"
        target = self.target.upper()
        return f"{describe_format(self.operand)}; to {target}, {pace} a cycle, {self.pipeline} pipeline stage(s)"

    @property
    def value_layout(self) -> FloatLayout:
        """Layout of one value."""
        return float_layout(self.target)

    @property
    def beats(self) -> int:
        """Output transfers per block."""
        return self.operand.block // self.lanes


class Dequantize(StreamUnit[DequantizeConfig]):
    """A packed block in, its values in FP32, BF16 or FP16 out, `lanes` per transfer; a poisoned block gives NaNs.

    Latency pipeline + 1 cycles to the first values, one more where a block leaves in several transfers; then one
    transfer a cycle. Rounding: one RNE, in FP32 only for values that are subnormal there (formats.md 0.6).
    """

    def __init__(self, config: DequantizeConfig) -> None:
        self._out = data.StructLayout({"value": data.ArrayLayout(config.value_layout, config.lanes)})
        super().__init__(
            config,
            {"i": In(stream.Signature(block_layout(config.operand))), "o": Out(stream.Signature(self._out))},
        )

    @property
    def rounding_points(self) -> list[str]:
        """One: the values, most of which are exact."""
        return [f"{self.config.target.upper()}, RNE: each value whose significand or exponent does not fit"]

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
        fmt = self.config.operand
        if self.config.beats == 1:
            m.d.comb += self.i.ready.eq(enable)
            block, valid = self.i.p, self.i.valid
        else:
            block, valid = self._take_block(m, enable)
        scale = read_scale(m, block, fmt, name="x")

        pipe = Pipeline(m, cuts=("normalized",), registers=self.config.pipeline, enable=enable, valid=valid)
        lanes = []
        for k, element in enumerate(elements(block, fmt)[: self.config.lanes]):
            factor = decode_element(m, element, fmt.element, name=f"x_{k}")
            moves = [] if factor.shift is None else [factor.shift]
            if fmt.microexponents:
                moves.append(fmt.max_microexponent - block.microexponent[k // fmt.subblock])
            lanes.append((factor, self._to_raw(m, k, factor, sum(moves, scale.exponent))))
        stage = pipe.cut(
            "normalized",
            biased=[raw.biased for _, raw in lanes],
            significand=[raw.significand for _, raw in lanes],
            # An integer mantissa has one zero; a minifloat's keeps its sign.
            sign=[f.sign if fmt.element.keeps_negative_zero else f.sign & f.magnitude.any() for f, _ in lanes],
            infinity=[_or_never(factor.infinity) for factor, _ in lanes],
            nan=[scale.poison | _or_never(factor.nan) for factor, _ in lanes],
        )
        for k, (_, raw) in enumerate(lanes):
            m.submodules[f"round_{k}"] = rounder = RoundFloat(
                raw.significand_bits, raw.biased_bits, self.config.value_layout
            )
            m.d.comb += [getattr(rounder, name).eq(values[k]) for name, values in vars(stage).items()]
            m.d.comb += buffer.i.p.value[k].eq(rounder.value)
        m.d.comb += buffer.i.valid.eq(pipe.valid)
        return m

    def _to_raw(self, m: Module, lane: int, factor: Factor, exponent: Value) -> FixedToRaw:
        """Magnitude times 2^exponent, whose range is the scale's and what microexponent or element exponent add."""
        fmt = self.config.operand
        most = fmt.max_microexponent + (1 << fmt.element.exponent_bits) - 1
        reach = range(fmt.scale.lowest + fmt.unit_exponent, fmt.scale.highest + 1 + fmt.unit_exponent + most + 1)
        m.submodules[f"to_raw_{lane}"] = to_raw = FixedToRaw(len(factor.magnitude), reach, self.config.value_layout)
        m.d.comb += [to_raw.magnitude.eq(factor.magnitude), to_raw.exponent.eq(exponent)]
        return to_raw

    def _take_block(self, m: Module, enable: Value) -> tuple[data.View, Value]:
        """Hold a block and move its elements down a beat a cycle; the next may enter while the last beat leaves."""
        beats, fmt = self.config.beats, self.config.operand
        block = Signal(block_layout(fmt), reset_less=True)
        busy = Signal()
        beat = Signal(range(beats))
        last = busy & enable & (beat == beats - 1)
        m.d.comb += self.i.ready.eq(~busy | last)
        with m.If(busy & enable):
            arrays = [block[name] for name, _ in block_layout(fmt) if name != "exponent"]
            for array in map(Value.cast, arrays):
                m.d.sync += array.eq(array.rotate_right(len(array) // beats))
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))
            with m.If(last):
                m.d.sync += busy.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [block.eq(self.i.payload), busy.eq(1)]
        return block, busy


def _or_never(flag: Value | None) -> Value:
    return Const(0, 1) if flag is None else flag
