"""Dot product of blocks: exact inside a block, then fixed point or FP32, then optionally accumulated over blocks."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat, Specials
from hdl.arith.bits import reduce_tree
from hdl.config import (
    BlockUnitConfig,
    ConfigError,
    block_format,
    describe_format,
    integer,
    named,
    same_block,
    same_pairs,
)
from hdl.float.raw import FP32
from hdl.layouts import block_layout
from hdl.stream import OutputBuffer, Pipeline, registers_at
from hdl.units.block_fused import fused_block_sum
from hdl.units.block_sum import block_sums, sum_exponents, sum_shape
from hdl.units.core_operands import tree_size
from hdl.units.dot_result import give_fixed, give_fp32
from hdl.units.f25 import F25_BITS, F25_ELEMENTS, align_and_add, f25_blocks, f25_exponents, fits_f25
from hdl.units.scales import Scale, read_scale, scale_factor, scale_factor_shape
from hdl.units.tensor_scale import tensor_scale
from hdl.units.unit import StreamUnit

__all__ = ["Dot", "DotConfig"]

_FLOOR_F25 = "25-bit fixed point, towards minus infinity: each block's sum, aligned to the largest of its group"
_ROUND_SUM = "FP32, RNE: the sum of a transfer's products"
_ROUND_ADD = "FP32, RNE: each addition of such a result to the accumulator, in order from +0"
_ROUND_SCALES = "FP32, RNE: the product of both tensor scales"
_ROUND_SCALED = "FP32, RNE: the sum times the tensor scale"
_ROUND_FUSED = "FP32, RNE: accumulator plus the sum of a transfer's products, once per transfer, in order from +0"

# What a tree made unasked has at most, see `tree_size`: some twenty seconds of generation.
_LARGEST_TREE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class DotConfig(BlockUnitConfig):
    """Options of the dot product."""

    unit: ClassVar[str] = "dot"

    format_b: str = block_format("block format of operand b (default: that of --format); same block length")
    result: str = named("fp32", ("fp32", "fixed"), "FP32, or the exact sum with the exponent of its LSB")
    accumulate: str = named(
        "none", ("none", "fp32", "fused"), "sum blocks between first and last marks, in FP32", token="acc_{}"
    )
    mode: str = named(
        "exact", ("exact", "f25"), "one block per transfer, exact; or 64 elements, reduced in 25-bit fixed point"
    )
    contexts: int = integer(1, range(1, 9), "independent sums, interleaved; the adder gets as many stages", token="k{}")
    arch: str = named(
        None,
        ("area", "speed", "plain"),
        "the sum of products by one compressor tree, small or fast, or by operators; default: area, but plain for "
        "single products, mx4, --mode f25, registers inside the sum and very long blocks",
    )

    def validate(self) -> None:
        same_block(self, "format_b")
        same_pairs(self, "format_b")
        if self.accumulate != "none" and self.result != "fp32":
            raise ConfigError("result", self.result, f"fp32 with --accumulate {self.accumulate}")
        if self.result == "fixed" and any(f.element.specials is Specials.IEEE for f in (self.operand, self.operand_b)):
            raise ConfigError("result", self.result, "fp32 with elements that can be infinite")
        if self.mode == "f25" and self.arch != "plain":
            raise ConfigError("arch", self.arch, "plain with --mode f25")
        if self.mode == "f25" and self.result == "fixed":
            raise ConfigError("result", self.result, "fp32 with --mode f25")
        if self.mode == "f25":
            for option in ("format", "format_b"):
                if not fits_f25(get_format(getattr(self, option))):
                    legal = f"sign-magnitude elements in blocks that divide {F25_ELEMENTS}, with --mode f25"
                    raise ConfigError(option, getattr(self, option), legal)
        if self.accumulate == "none" and self.contexts != 1:
            raise ConfigError("contexts", self.contexts, "1 with --accumulate none")

    def derived(self, option: str) -> object:
        """The architecture with fewer transistors (docs/architectures.md), unless a tree would take minutes to make."""
        if option != "arch":
            return BlockUnitConfig.derived(self, option)
        operands = (self.operand, self.operand_b)
        registers_inside = registers_at(self.cuts, self.pipeline)["products"]
        narrow = all(fmt.microexponents and fmt.element.mantissa_bits <= 2 for fmt in operands)
        alike = self.operand.block == 1 or narrow
        by_operators = self.mode == "f25" or registers_inside or alike or tree_size(operands) > _LARGEST_TREE
        return "plain" if by_operators else "area"

    @property
    def cuts(self) -> tuple[str, ...]:
        """Places of pipeline registers, the most urgent first.

        The accumulate loop must not share a cycle with the block sum. Then comes the sum, whose adders are deepest.
        """
        return (("addend",) if self.accumulate != "none" else ()) + ("sum", "products", "normalized", "half_sums")

    def describe(self) -> str:
        """Operands, result, accumulation, architecture and stages in one line."""
        b = "" if self.format_b == self.format else f" by {describe_format(self.operand_b)}"
        result = {
            "none": {"fp32": "FP32 result", "fixed": "fixed-point result"}[self.result],
            "fp32": f"FP32 accumulation in block order, {self.contexts} context(s)",
            "fused": f"fused FP32 accumulation in block order, {self.contexts} context(s)",
        }[self.accumulate]
        kind = "exact dot product" if self.mode == "exact" else "dot product of 64 elements, 25-bit fixed point"
        tree = {"plain": "", "area": " in one small compressor tree", "speed": " in one fast compressor tree"}[
            self.arch
        ]
        return f"{describe_format(self.operand)}{b}; {kind}{tree}, {result}, {self.pipeline} pipeline stage(s)"

    @property
    def operand_b(self) -> BlockFormat:
        """The format object of `--format-b`."""
        return get_format(self.format_b)

    @property
    def tensor_scales(self) -> list[str]:
        """Operands whose tensor scale comes in: sums over blocks are multiplied by it, a single block's result not."""
        formats = {"a": self.operand, "b": self.operand_b}
        return [name for name, fmt in formats.items() if fmt.tensor_scale and self.accumulate != "none"]


class Dot(StreamUnit[DotConfig]):
    """Two blocks in, one result out; in mode f25 two groups of blocks, of 64 elements (formats.md 2.5).

    Ports: `i` with blocks `a`, `b`, or arrays of them in mode f25 (and `first`, `last` when accumulating); `o` with the
    FP32 `value`, or with `sum`, `exponent` of its LSB and `poison`. A poisoned block gives the canonical NaN, or sum 0,
    exponent 0, poison 1. Sums of a format with a tensor scale (NVFP4) take it as `a_tensor_scale`, `b_tensor_scale`,
    read where `last` is set; without accumulation the result is the block's, before any tensor scale (4).
    Latency pipeline + contexts cycles, one more with tensor scales; throughput one block a cycle. Rounding:
    formats.md 0.6.
    """

    def __init__(self, config: DotConfig) -> None:
        operands: dict[str, Any] = {"a": block_layout(config.operand), "b": block_layout(config.operand_b)}
        if config.mode == "f25":
            operands = {k: data.ArrayLayout(block, f25_blocks(config.operand)) for k, block in operands.items()}
        if config.accumulate != "none":
            operands |= {f"{name}_tensor_scale": FP32 for name in config.tensor_scales} | {"first": 1, "last": 1}
        self._sum = sum_shape(config.operand, config.operand_b)
        self._exponents = sum_exponents(config.operand, config.operand_b)
        if config.mode == "f25":
            self._exponents = f25_exponents(self._exponents, self._sum.width, f25_blocks(config.operand))
            self._sum = signed(F25_BITS)
        fixed = {"sum": self._sum, "exponent": Shape.cast(self._exponents), "poison": 1}
        self._result = data.StructLayout(fixed if config.result == "fixed" else {"value": FP32})
        super().__init__(
            config,
            {"i": In(stream.Signature(data.StructLayout(operands))), "o": Out(stream.Signature(self._result))},
        )

    @property
    def latency(self) -> int:
        """Pipeline registers and the adder's stages, the output buffer being the last of them; then a multiplier's."""
        return self.config.pipeline + self.config.contexts + bool(self.config.tensor_scales)

    @property
    def rounding_points(self) -> list[str]:
        """None for a fixed-point result; else flooring (f25), the sum, the accumulation, or both in one."""
        if self.config.result == "fixed":
            return []
        floor = [_FLOOR_F25] if self.config.mode == "f25" else []
        steps = {"none": [_ROUND_SUM], "fp32": [_ROUND_SUM, _ROUND_ADD], "fused": [_ROUND_FUSED]}
        both = [_ROUND_SCALES] if len(self.config.tensor_scales) > 1 else []
        return floor + steps[self.config.accumulate] + both + ([_ROUND_SCALED] if self.config.tensor_scales else [])

    @property
    def critical_path(self) -> str:
        """The accumulate loop cannot be pipelined, only interleaved."""
        if self.config.accumulate == "none":
            return super().critical_path
        return f"accumulate loop: align, add, normalise and round in {self.config.contexts} cycle(s)"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._result)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += self.i.ready.eq(buffer.i.ready)
        accumulating = self.config.accumulate != "none"
        pipe = Pipeline(
            m, cuts=self.config.cuts, registers=self.config.pipeline, enable=buffer.i.ready, valid=self.i.valid
        )

        formats = (self.config.operand, self.config.operand_b)
        pairs = list(zip(self._blocks(self.i.p.a), self._blocks(self.i.p.b), strict=True))
        exponents, poisons, factors = [], [], []
        for k, pair in enumerate(pairs):
            scales = [read_scale(m, x, f, name=f"{n}_{k}") for n, x, f in zip("ab", pair, formats, strict=True)]
            exponent = Signal(Shape.cast(sum_exponents(*formats)), name=f"lsb_exponent_{k}")
            m.d.comb += exponent.eq(scales[0].exponent + scales[1].exponent)
            exponents.append(exponent)
            poisons.append(scales[0].poison | scales[1].poison)
            factors += self._factor(m, scales)
        marks = {"first": self.i.p.first, "last": self.i.p.last} if accumulating else {}
        if self.config.tensor_scales:
            inputs = [self.i.p[f"{name}_tensor_scale"] for name in self.config.tensor_scales]
            marks["tensor_scale"] = tensor_scale(m, inputs).as_value()
        poison = reduce_tree(lambda a, b: a | b, poisons)
        along = {"exponents": exponents, "factors": factors, "poison": poison, **marks}
        totals, along = self._sums(m, platform, pipe, formats, pairs, along)
        along["poison"] |= along.pop("nan")
        total, along["exponent"] = self._reduce(m, totals, along.pop("exponents"), along.pop("factors"))
        stage = pipe.cut("sum", total=total, **along)
        if self.config.result == "fixed":
            give_fixed(m, pipe, buffer, stage)
        else:
            accumulate, contexts = self.config.accumulate, self.config.contexts
            give_fp32(m, pipe, buffer, stage, exponents=self._exponents, accumulate=accumulate, contexts=contexts)
        return m

    def _sums(
        self,
        m: Module,
        platform: object,
        pipe: Pipeline,
        formats: tuple[BlockFormat, BlockFormat],
        pairs: list[tuple[data.View, data.View]],
        along: dict[str, Any],
    ) -> tuple[list[Value], dict[str, Any]]:
        """The integer sum of each pair of blocks, by the architecture asked for, and what travels along."""
        if self.config.arch == "plain":
            return block_sums(m, pipe, formats, pairs, **along)
        (pair,) = pairs
        total, along = fused_block_sum(m, platform, pipe, formats, pair, fast=self.config.arch == "speed", **along)
        return [total], along

    def _blocks(self, operand: data.View) -> list[data.View]:
        """The blocks of an operand that enter in one transfer."""
        return list(operand) if self.config.mode == "f25" else [operand]

    def _factor(self, m: Module, scales: list[Scale]) -> list[Value]:
        """What minifloat scales multiply a block's sum by; nothing where both are powers of two."""
        shape = scale_factor_shape((self.config.operand, self.config.operand_b))
        return [] if shape is None else [scale_factor(m, scales, shape)]

    def _reduce(
        self, m: Module, totals: list[Value], exponents: list[Value], factors: list[Value]
    ) -> tuple[Value, Value]:
        """A transfer's blocks as one sum and the exponent of its LSB."""
        if self.config.mode == "exact":
            total = Signal(self._sum, name="scaled_sum") if factors else totals[0]
            m.d.comb += [total.eq(totals[0] * factor) for factor in factors]
            return total, exponents[0]
        formats = self.config.operand, self.config.operand_b
        return align_and_add(m, totals, exponents, sum_shape(*formats).width, sum_exponents(*formats))
