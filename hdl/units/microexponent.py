"""The microexponent shifter: the sum of a group's products, moved to the unit of its block (formats.md 2.5)."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat
from hdl.arith.bits import reduce_tree
from hdl.config import BlockUnitConfig, ConfigError, block_format, describe_format, same_block, same_pairs
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.factors import product_shape
from hdl.units.unit import StreamUnit

__all__ = ["MicroexponentShifter", "MicroexponentShifterConfig", "ShiftGroup", "total_shape"]


def total_shape(size: int, product_bits: int, microexponents: tuple[int, ...]) -> Shape:
    """Of a group's sum: ceil(log2 size) bits more than a product, and as many as the largest move is far."""
    return signed(product_bits + (size - 1).bit_length() + sum((1 << bits) - 1 for bits in microexponents))


class ShiftGroup(wiring.Component):
    """Sum of `size` products, moved left by what their microexponents leave of the largest ones. Combinational.

    Every element is an integer in the unit that its format's largest microexponent sets: an operand with microexponent
    t stands max - t places above it, and so does the sum of its products. `microexponents` lists the bits of each
    operand's microexponent, none for an operand without; the ports t_0, t_1 are theirs.
    """

    def __init__(self, size: int, product_bits: int, microexponents: tuple[int, ...]) -> None:
        self._names = [f"t_{k}" for k in range(len(microexponents))]
        self._most = sum((1 << bits) - 1 for bits in microexponents)
        self._total = total_shape(size, product_bits, microexponents)
        super().__init__(
            {
                "products": In(data.ArrayLayout(signed(product_bits), size)),
                **{name: In(bits) for name, bits in zip(self._names, microexponents, strict=True)},
                "total": Out(self._total),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inside, amount = Signal(signed(self._total.width - self._most)), Signal(range(self._most + 1))
        m.d.comb += [
            inside.eq(reduce_tree(lambda a, b: a + b, list(self.products))),
            # The largest microexponent is all ones: what t leaves of it is its complement.
            amount.eq(reduce_tree(lambda a, b: a + b, [~getattr(self, name) for name in self._names])),
            self.total.eq(inside << amount),
        ]
        return m


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroexponentShifterConfig(BlockUnitConfig):
    """Options of the microexponent shifter."""

    unit: ClassVar[str] = "microexponent_shifter"

    format: str = block_format("block format of the operands", default="mx9")
    format_b: str = block_format("block format of operand b (default: that of --format); same block length")

    def validate(self) -> None:
        same_block(self, "format_b")
        same_pairs(self, "format_b")
        if not any(fmt.microexponents for fmt in self.operands):
            raise ConfigError(
                "format", self.format, "a format with microexponents (mx9, mx6, mx4, mx_mM_kK1_K2_dD1_D2)"
            )

    @property
    def operands(self) -> tuple[BlockFormat, BlockFormat]:
        """The format objects of both operands."""
        return self.operand, get_format(self.format_b)

    @property
    def group(self) -> int:
        """Products that share microexponents."""
        return max(fmt.subblock for fmt in self.operands if fmt.microexponents)

    def describe(self) -> str:
        """Operands, group and stages in one line."""
        b = "" if self.format_b == self.format else f" by {describe_format(self.operands[1])}"
        return (
            f"{describe_format(self.operand)}{b}; exact sum of {self.group} product(s), shifted by their "
            f"microexponents, {self.pipeline} pipeline stage(s)"
        )


class MicroexponentShifter(StreamUnit[MicroexponentShifterConfig]):
    """Products of a group and its microexponents in, their sum in the block's unit out: exact, one group a cycle.

    Ports: `i` with `product[k]` and `a.microexponent`, `b.microexponent` of the operands that have one; `o` with `sum`.
    This is the part that a dot product of such formats has once per group. Latency pipeline + 1 cycles.
    """

    def __init__(self, config: MicroexponentShifterConfig) -> None:
        bits = tuple(fmt.microexponent_bits for fmt in config.operands if fmt.microexponents)
        product = product_shape(*(fmt.element for fmt in config.operands))
        self._group = (config.group, product.width, bits)
        group: dict[str, object] = {"product": data.ArrayLayout(product, config.group)}
        for name, fmt in zip("ab", config.operands, strict=True):
            if fmt.microexponents:
                group[name] = data.StructLayout({"microexponent": fmt.microexponent_bits})
        self._out = data.StructLayout({"sum": total_shape(*self._group)})
        super().__init__(
            config, {"i": In(stream.Signature(data.StructLayout(group))), "o": Out(stream.Signature(self._out))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.shift = shift = ShiftGroup(*self._group)
        m.submodules.buffer = buffer = OutputBuffer(self._out)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        pipe = Pipeline(m, cuts=("sum",), registers=self.config.pipeline, enable=enable, valid=self.i.valid)
        ports = [getattr(self.i.p, name).microexponent for name in "ab" if name in self.i.p.shape().members]
        m.d.comb += [self.i.ready.eq(enable), shift.products.eq(self.i.p.product)]
        m.d.comb += [getattr(shift, f"t_{k}").eq(t) for k, t in enumerate(ports)]
        stage = pipe.cut("sum", total=shift.total)
        m.d.comb += [buffer.i.p.sum.eq(stage.total), buffer.i.valid.eq(pipe.valid)]
        return m
