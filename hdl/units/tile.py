"""Dot product, accumulation, activation and output conversion: the unit that the HBFP papers price."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat, Rounding, ScaleRule
from hdl.config import BlockUnitConfig, ConfigError, block_format, integer, named, power_of_two_scale
from hdl.layouts import block_layout
from hdl.units.dot import Dot, DotConfig
from hdl.units.quantize import Quantize, QuantizeConfig
from hdl.units.quantize_serial import QuantizeSerial
from hdl.units.unit import StreamUnit

__all__ = ["Tile", "TileConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TileConfig(BlockUnitConfig):
    """Options of the dot product followed by an activation."""

    unit: ClassVar[str] = "tile"

    format_b: str = block_format("block format of operand b (default: that of --format); same block length")
    to: str = block_format("block format of the results (default: that of --format)")
    accumulate: str = named("fp32", ("fp32", "fused"), "how blocks are summed between first and last", token="acc_{}")
    contexts: int = integer(1, range(1, 9), "independent sums, interleaved; the adder gets as many stages", token="k{}")
    activation: str = named("relu", ("relu", "none"), "between sum and conversion", token="act_{}")
    rounding: str = named("rne", tuple(Rounding), "rounding of the results; sr draws its words inside")
    scale_rule: str = named("floor", tuple(ScaleRule), "exponent that the largest result asks for")
    random_bits: int = integer(8, range(1, 33), "bits of a random word", token="r{}")
    seed: int = integer(0x9E3779B9, range(1 << 32), "of the xorshift generator", token="seed{:08x}")

    def validate(self) -> None:
        for option in ("format", "format_b", "to"):
            power_of_two_scale(self, option)
        self.dot()  # its rules hold here
        if self.result.microexponents:
            raise ConfigError("to", self.to, "a format without microexponents: results come one by one")
        if self.rounding != Rounding.SR:
            for option in ("random_bits", "seed"):
                if getattr(self, option) != self.default_of(option):
                    raise ConfigError(option, getattr(self, option), "only with --rounding sr")

    @property
    def result(self) -> BlockFormat:
        """The format object of `--to`."""
        return get_format(self.to)

    def describe(self) -> str:
        """The chain in one line."""
        return f"{self.dot().describe()}; activation {self.activation}; then {self.quantize().describe()}"

    def dot(self) -> DotConfig:
        """Configuration of the dot product inside."""
        names = ("format", "format_b", "accumulate", "contexts", "pipeline")
        return DotConfig(**{name: getattr(self, name) for name in names})

    def quantize(self) -> QuantizeConfig:
        """Configuration of the output converter inside: one value a cycle."""
        names = ("rounding", "scale_rule", "random_bits", "seed", "pipeline")
        random = "xorshift" if self.rounding == Rounding.SR else "port"
        return QuantizeConfig(format=self.to, lanes=1, random=random, **{name: getattr(self, name) for name in names})


class Tile(StreamUnit[TileConfig]):
    """Pairs of blocks in with `first` and `last` marks; a block of activated sums out after every N of them.

    N is the block length of the result's format. Throughput one pair of blocks a cycle. Rounding as in the dot product,
    the accumulator and the converter that it is made of.
    """

    def __init__(self, config: TileConfig) -> None:
        self._dot = Dot(config.dot())
        quantize = config.quantize()
        self._quantize = Quantize(quantize) if quantize.beats == 1 else QuantizeSerial(quantize)
        super().__init__(
            config,
            {"i": In(stream.Signature(self._dot.i.p.shape())), "o": Out(stream.Signature(block_layout(config.result)))},
        )

    @property
    def latency(self) -> int:
        """Its parts' latencies, one after the other."""
        return self._dot.latency + self._quantize.latency

    @property
    def rounding_points(self) -> list[str]:
        """Its parts' rounding points, one after the other."""
        return self._dot.rounding_points + self._quantize.rounding_points

    @property
    def critical_path(self) -> str:
        """That of the accumulator inside."""
        return self._dot.critical_path

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dot = dot = self._dot
        m.submodules.quantize = quantize = self._quantize
        wiring.connect(m, wiring.flipped(self.i), dot.i)
        wiring.connect(m, quantize.o, wiring.flipped(self.o))
        total, activated = dot.o.p.value, quantize.i.p.value[0]
        nan = total.exponent.all() & total.fraction.any()
        keep = nan | ~total.sign if self.config.activation == "relu" else 1
        m.d.comb += [
            activated.eq(Mux(keep, total.as_value(), 0)),
            quantize.i.valid.eq(dot.o.valid),
            dot.o.ready.eq(quantize.i.ready),
        ]
        return m
