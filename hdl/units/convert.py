"""Converter between block formats: the exact values of one block, encoded as another."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat, Rounding, ScaleRule, conversion_loss
from hdl.arith.bits import leading_zeros, reduce_tree
from hdl.config import (
    BlockUnitConfig,
    ConfigError,
    block_format,
    describe_format,
    format_token,
    named,
    power_of_two_scale,
    same_block,
)
from hdl.convert.path import ElementPath
from hdl.layouts import FloatLayout, block_layout, elements
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.factors import decode_element
from hdl.units.scales import Scale, read_scale
from hdl.units.unit import StreamUnit

__all__ = ["Convert", "ConvertConfig"]

_MODES = (Rounding.RNE, Rounding.RNA, Rounding.RTZ)
_WORDS = {"rne": "to nearest, ties to even", "rna": "to nearest, ties away", "rtz": "towards zero"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertConfig(BlockUnitConfig):
    """Options of the converter between block formats."""

    unit: ClassVar[str] = "convert"
    aliases: ClassVar[dict[str, str]] = {"--from": "format"}
    in_stem: ClassVar[tuple[str, ...]] = ("format", "to")

    format: str = block_format("block format that comes in", default="mx6")
    to: str = block_format("block format of the results; same block length", default="mx9")
    inexact: str = named(
        "refuse", ("refuse", "round"), "formats that cannot hold every block: refused, or rounded anew", token="{}"
    )
    rounding: str = named("rne", _MODES, "rounding of the elements, with --inexact round")
    scale_rule: str = named("floor", tuple(ScaleRule), "exponent that the largest magnitude asks for")

    def validate(self) -> None:
        for option in ("format", "to"):
            power_of_two_scale(self, option)
        same_block(self, "to")
        if self.inexact == "refuse":
            if self.rounding != "rne":
                raise ConfigError("rounding", self.rounding, "only with --inexact round")
            if loss := conversion_loss(self.operand, self.result, ScaleRule(self.scale_rule)):
                raise ConfigError("to", self.to, f"--from {self.format} is not exact ({loss}); --inexact round rounds")

    @property
    def result(self) -> BlockFormat:
        """The format object of `--to`."""
        return get_format(self.to)

    @property
    def stem(self) -> str:
        """The unit and both formats."""
        return f"{self.unit}_{format_token(self.operand)}_to_{format_token(self.result)}"

    def describe(self) -> str:
        """Formats, rounding, stages in one line."""
        how = "exact" if self.inexact == "refuse" else _WORDS[self.rounding]
        return (
            f"{describe_format(self.operand)} to {describe_format(self.result)}; {how}, scale rule {self.scale_rule}, "
            f"{self.pipeline} pipeline stage(s)"
        )

    def path(self) -> ElementPath:
        """The lanes that encode the results; where nothing is lost, cutting is the cheapest rounding.

        Values are normal or zero.
        """
        rounding = Rounding.RTZ if self.inexact == "refuse" else Rounding(self.rounding)
        layout = value_layout(self.operand, self.result)
        return ElementPath(
            layout, self.result, rounding, ScaleRule(self.scale_rule), self.result.block, 0, None, flush=True
        )


def value_layout(source: BlockFormat, target: BlockFormat) -> FloatLayout:
    """A float that holds every value of a block as a normal number, and every binade in which a target's block ends."""
    element = source.element
    magnitude_bits = element.precision if element.is_float else element.largest_code_integer.bit_length()
    lowest = min(source.scale.lowest + source.unit_exponent, target.scale.lowest + target.unit_exponent)
    highest = max(
        f.scale.highest + 2 + f.element.lsb_exponent + f.element.max_integer.bit_length() for f in (source, target)
    )
    # Normal numbers reach from 1 - bias to bias.
    bits = max(1 - lowest, highest).bit_length() + 1
    return FloatLayout("value", bits, max(magnitude_bits - 1, 1))


class Convert(StreamUnit[ConvertConfig]):
    """A packed block in, a packed block of another format out: one a cycle, latency pipeline + 1.

    The block that `quantize` would make of the exact values: shared exponent, microexponents and elements anew. A
    poisoned block stays one; a NaN or an infinity among the elements poisons it. Rounding: none, or the elements.
    """

    def __init__(self, config: ConvertConfig) -> None:
        super().__init__(
            config,
            {
                "i": In(stream.Signature(block_layout(config.operand))),
                "o": Out(stream.Signature(block_layout(config.result))),
            },
        )

    @property
    def rounding_points(self) -> list[str]:
        """None where nothing is lost, else the elements."""
        if self.config.inexact == "refuse":
            return []
        return [f"{self.config.to} elements, {_WORDS[self.config.rounding]}, then saturation at the largest magnitude"]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        path, fmt = self.config.path(), self.config.operand
        m.submodules.buffer = buffer = OutputBuffer(block_layout(self.config.result))
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        m.d.comb += self.i.ready.eq(enable)
        cuts = ("exponent", "aligned", "values", "peak")
        pipe = Pipeline(m, cuts=cuts, registers=self.config.pipeline, enable=enable, valid=self.i.valid)

        scale = read_scale(m, self.i.p, fmt, name="x")
        values, specials = [], [scale.poison]
        for k in range(fmt.block):
            value, special = self._value(m, k, scale, path.source)
            values.append(value)
            specials += special
        poison = reduce_tree(lambda a, b: a | b, specials)
        stage = pipe.cut("values", values=values, poison=poison)
        encoded = path.whole_block(m, pipe, enable, stage.values, [], poison=stage.poison)
        m.d.comb += [
            buffer.i.payload.eq(Cat(encoded.elements, encoded.microexponents, encoded.exponent)),
            buffer.i.valid.eq(pipe.valid),
        ]
        return m

    def _value(self, m: Module, k: int, scale: Scale, layout: FloatLayout) -> tuple[data.View, list[Value]]:
        """Element k as a normalised float, exact, and the flags that say that it is no number."""
        fmt, block = self.config.operand, self.i.p
        factor = decode_element(m, elements(block, fmt)[k], fmt.element, name=f"x_{k}")
        moves = [] if factor.shift is None else [factor.shift]
        if fmt.microexponents:
            moves.append(fmt.max_microexponent - block.microexponent[k // fmt.subblock])
        zeros = leading_zeros(m, factor.magnitude, name=f"x_{k}_leading")
        # The leading one of the magnitude weighs 2^(width - 1 - zeros) units; what follows it is the fraction.
        width = len(factor.magnitude)
        field = sum(moves, scale.exponent) - zeros + (width - 1 + layout.bias)
        value = Signal(layout, name=f"value_{k}")
        some = factor.magnitude.any()
        m.d.comb += [
            value.exponent.eq(Mux(some, field, 0)),
            value.fraction.eq(factor.magnitude[:-1] << zeros),
            value.sign.eq(factor.sign & (some | fmt.element.keeps_negative_zero)),
        ]
        return value, [flag for flag in (factor.nan, factor.infinity) if flag is not None]
