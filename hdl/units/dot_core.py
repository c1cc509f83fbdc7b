"""The core of a dot product alone: stored elements in, their exact integer sum out, no clock and no streams.

What a paper prices as "the dot product": no shared exponents, no rounding, no registers. Three architectures of the
same function; `plain` is the readable reference that the other two are proved equal to.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from amaranth.hdl import Module, Shape, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding
from hdl.config import (
    BlockUnitConfig,
    ConfigError,
    block_format,
    describe_format,
    integer,
    named,
    power_of_two_scale,
    same_block,
    same_pairs,
)
from hdl.layouts import block_layout
from hdl.units.core_fused import fused_sum
from hdl.units.core_plain import plain_sum
from hdl.units.unit import StreamUnit

__all__ = ["DotCore", "DotCoreConfig", "core_layout", "core_shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DotCoreConfig(BlockUnitConfig):
    """Options of the core."""

    unit: ClassVar[str] = "dot_core"

    pipeline: int = integer(0, range(1), "no register stages: the core is combinational", token="p{}")
    format_b: str = block_format("block format of operand b (default: that of --format); same block length")
    encoding: str = named("stored", ("stored", "twos"), "integers as the format stores them, or in two's complement")
    arch: str = named("area", ("area", "speed", "plain"), "one compressor tree, small or fast; or operators")

    def validate(self) -> None:
        for option in ("format", "format_b"):
            power_of_two_scale(self, option)
        same_block(self, "format_b")
        same_pairs(self, "format_b")
        for option in ("format", "format_b"):
            fmt = get_format(getattr(self, option))
            if self.encoding == "twos" and (fmt.element.is_float or fmt.microexponents):
                raise ConfigError(option, fmt.name, "a format of plain integers, with --encoding twos")

    def describe(self) -> str:
        """Operands and architecture in one line."""
        a, b = self.operands
        other = "" if a == b else f" by {describe_format(b)}"
        kind = {"area": "one small compressor tree", "speed": "one fast compressor tree", "plain": "operators"}[
            self.arch
        ]
        return f"{describe_format(a)}{other}; integer sum of products without the shared exponents, {kind}"

    @property
    def operands(self) -> tuple[BlockFormat, BlockFormat]:
        """The formats of a and b as the core reads their elements."""
        formats = get_format(self.format), get_format(self.format_b)
        if self.encoding == "stored":
            return formats
        twos = ElementEncoding.TWOS_COMPLEMENT
        a, b = (replace(fmt, element=replace(fmt.element, encoding=twos)) for fmt in formats)
        return a, b


def core_layout(fmt: BlockFormat) -> data.StructLayout:
    """A packed block without its shared exponent: elements in order, then microexponents."""
    return data.StructLayout({name: field.shape for name, field in block_layout(fmt) if name != "exponent"})


def core_shape(a: BlockFormat, b: BlockFormat) -> Shape:
    """Room for N products of the largest codes that are numbers, and a sign."""
    largest = [fmt.element.largest_code_integer << fmt.max_microexponent for fmt in (a, b)]
    return signed((a.block * largest[0] * largest[1]).bit_length() + 1)


class DotCore(StreamUnit[DotCoreConfig]):
    """Sum of the products of two blocks' elements, in units of both formats' LSBs; combinational.

    Ports: `a`, `b` packed as in formats.md 0.9 without the shared exponent; `sum`. Two's complement accepts every code.
    A code that is no number (NaN, infinity) counts as the number that its bits would spell, modulo the sum's width.
    """

    clocked = False

    def __init__(self, config: DotCoreConfig) -> None:
        a, b = config.operands
        super().__init__(config, {"a": In(core_layout(a)), "b": In(core_layout(b)), "sum": Out(core_shape(a, b))})

    @property
    def latency(self) -> int:
        """0: there is no clock."""
        return 0

    @property
    def critical_path(self) -> str:
        """All of it."""
        return "from any element to the top of the sum"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        formats = self.config.operands
        if self.config.arch == "plain":
            m.d.comb += self.sum.eq(plain_sum(m, formats, self.a, self.b))
        else:
            fast = self.config.arch == "speed"
            m.d.comb += self.sum.eq(fused_sum(m, platform, formats, self.a, self.b, len(self.sum), fast=fast))
        return m
