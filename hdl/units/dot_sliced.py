"""Dot product of HBFP4, HBFP6 or HBFP8 blocks on lanes of HBFP4, chosen at run time: mantissas come in slices."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import ScaleEncoding
from hdl.config import BlockUnitConfig, ConfigError
from hdl.float.raw import FP32, FixedToRaw
from hdl.float.round import RoundFloat
from hdl.layouts import block_layout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.block_sum import block_sums, sum_exponents, sum_shape
from hdl.units.scales import read_scale
from hdl.units.unit import StreamUnit

__all__ = ["DotSliced", "DotSlicedConfig"]

_LANE_BITS = 3
_WIDEST = 7  # magnitude bits of HBFP8, the widest operand: slices of 3, 3 and 1 bits
_LAST_SLICE = 2
_LAST_WIDTH = 2  # codes 0, 1, 2: magnitudes of 3, 5, 7 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class DotSlicedConfig(BlockUnitConfig):
    """Options of the sliced dot product; `format` is what a lane takes."""

    unit: ClassVar[str] = "dot_sliced"

    def validate(self) -> None:
        fmt = self.operand
        if fmt.scale.encoding is not ScaleEncoding.TWOS_COMPLEMENT or fmt.element.mantissa_bits != _LANE_BITS:
            raise ConfigError("format", self.format, "bfp4xN: lanes have a sign and 3 magnitude bits")

    @property
    def accumulator(self) -> Shape:
        """Holds any sum of products of HBFP8 elements: block * 127^2, and a sign."""
        return signed((self.operand.block * ((1 << _WIDEST) - 1) ** 2).bit_length() + 1)

    def describe(self) -> str:
        """Operands, lanes and stages in one line."""
        return (
            f"HBFP4, HBFP6 or HBFP8 blocks of {self.operand.block} in slices of {_LANE_BITS} magnitude bits; exact dot "
            f"product, FP32 result, {self.pipeline} pipeline stage(s)"
        )


class DotSliced(StreamUnit[DotSlicedConfig]):
    """Slices of two blocks in, one pair of slices a transfer; the FP32 dot product of the blocks out after the last.

    Ports: `i` with `a`, `b` (the slices' sign-magnitude mantissas, and the block's exponent), `slice_a`, `slice_b`
    (0 lowest), `width` (0: HBFP4, 1: HBFP6, 2: HBFP8), marks `first`, `last`; `o` with `value`. Every pair of slices
    comes once, in any order: 1, 4 or 9 transfers. Width and exponents are read where `last` is set. Latency
    pipeline + 1 cycles, throughput one transfer a cycle. The result has the bits of the dot product of whole mantissas.
    """

    def __init__(self, config: DotSlicedConfig) -> None:
        block = block_layout(config.operand)
        self._out = data.StructLayout({"value": FP32})
        slices: dict[str, Any] = {"slice_a": range(_LAST_SLICE + 1), "slice_b": range(_LAST_SLICE + 1)}
        marks = {"width": range(_LAST_WIDTH + 1), "first": 1, "last": 1}
        fields = {name: Shape.cast(shape) for name, shape in (slices | marks).items()}
        request = data.StructLayout({"a": block, "b": block, **fields})
        super().__init__(config, {"i": In(stream.Signature(request)), "o": Out(stream.Signature(self._out))})

    @property
    def rounding_points(self) -> list[str]:
        """One."""
        return ["FP32, RNE: the sum of a block's products"]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._out)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += self.i.ready.eq(buffer.i.ready)
        pipe = Pipeline(
            m,
            cuts=("sum", "products", "normalized", "half_sums"),
            registers=self.config.pipeline,
            enable=buffer.i.ready,
            valid=self.i.valid,
        )
        fmt, i = self.config.operand, self.i.p
        scales = [read_scale(m, block, fmt, name=name) for name, block in (("a", i.a), ("b", i.b))]
        # Two operands of m magnitude bits have 2 (m - 3) fraction bits more than two of HBFP4: 4 per code of width.
        known = sum_exponents(fmt, fmt)
        exponents = range(known[0] - 4 * _LAST_WIDTH - 4, known[-1] + 1)  # code 3, which nobody sends, fits as well
        exponent, place = Signal(Shape.cast(exponents)), Signal(range(2 * 3 + 1))
        m.d.comb += [
            exponent.eq(scales[0].exponent + scales[1].exponent - (i.width << 2)),
            place.eq(i.slice_a + i.slice_b),
        ]
        poison = scales[0].poison | scales[1].poison
        along = {"exponent": exponent, "place": place, "poison": poison, "first": i.first, "last": i.last}
        (total,), rest = block_sums(m, pipe, (fmt, fmt), [(i.a, i.b)], **along)
        return self._accumulated(m, pipe, buffer, total, rest, exponents)

    def _accumulated(
        self, m: Module, pipe: Pipeline, buffer: OutputBuffer, total: Any, rest: dict[str, Any], exponents: range
    ) -> Module:
        """Sum of the pairs of slices so far, each at its place; one rounding when the last has come."""
        shape = self.config.accumulator
        stage = pipe.cut(
            "sum", total=total, **{name: rest[name] for name in ("exponent", "place", "poison", "first", "last")}
        )
        # A legal place is at most 4: two highest slices. Beyond, the accumulator wraps.
        moved = Signal(signed(sum_shape(*[self.config.operand] * 2).width + _LANE_BITS * 6))
        accumulator, now = Signal(shape), Signal(shape)
        m.d.comb += [
            moved.eq(stage.total << (stage.place * _LANE_BITS)),
            now.eq(Mux(stage.first, 0, accumulator) + moved),
        ]
        with m.If(buffer.i.ready & pipe.valid):
            m.d.sync += accumulator.eq(now)
        magnitude = Signal(shape.width - 1)  # a legal sum is never the lowest code
        m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), exponents)
        m.d.comb += [
            magnitude.eq(Mux(now < 0, -now, now)),
            to_raw.magnitude.eq(magnitude),
            to_raw.exponent.eq(stage.exponent),
        ]
        raw = pipe.cut(
            "normalized",
            sign=now < 0,
            biased=to_raw.biased,
            significand=to_raw.significand,
            nan=stage.poison,
            last=stage.last,
        )
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
        m.d.comb += [getattr(rounder, name).eq(getattr(raw, name)) for name in ("sign", "biased", "significand", "nan")]
        m.d.comb += [buffer.i.p.value.eq(rounder.value), buffer.i.valid.eq(pipe.valid & raw.last)]
        return m
