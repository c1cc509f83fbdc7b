"""What precision a layer's products work in: the formats of both operands in each of the three passes.

| pass | a | b | result |
|---|---|---|---|
| forward | activations x | weights w | y |
| data | output gradients g | weights w | dx |
| weight | activations x | output gradients g | dw |
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isqrt
from typing import Self

from golden.catalog import bfp, get_format
from golden.formats import BlockFormat, Rounding, ScaleEncoding, ScaleRule
from golden.scales import EMULATOR

__all__ = ["ELEMENTS", "FP32", "Operand", "Order", "Precision", "Product"]

ELEMENTS = ("fp32", "bf16", "fp16")
"""What operands without blocks are rounded to; products of these accumulate in FP32."""

_WIDE_MANTISSA = 16  # of the stored weights, sign included (formats.md 1.1: m = 15)


class Order(StrEnum):
    """How blocks lie along the reductions of convolutions, and with that the order of accumulation (formats.md 1.4).

    Linear layers and attention reduce along one axis: blocks follow it in all orders but tile2d and emulator.
    """

    CHANNEL = (
        "channel"  # along channels at each tap, or along the batch at each pixel: one conversion a tensor and role
    )
    IM2COL = "im2col"  # along (channel, kh, kw) of unfolded windows: an activation is converted kh kw times
    TILE2D = "tile2d"  # b x b tiles of the unfolded matrices share an exponent; b is the root of the format's block
    EMULATOR = "emulator"  # forward blocks read again in both backward passes: no dot unit can do that


@dataclass(frozen=True, slots=True)
class Operand:
    """How one operand of a product is converted: to blocks of `format`, or without blocks to FP32, BF16 or FP16.

    `rounding` rne, rna, rtz or sr, whose words have `random_bits`; `scale_rule` floor, ceil, even, or emulator for BFP.
    `element` is for operands without blocks, which round to nearest even.
    """

    format: BlockFormat | None = None
    rounding: Rounding = Rounding.RNE
    scale_rule: str = ScaleRule.FLOOR
    random_bits: int = 16
    element: str = "fp32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounding", Rounding(self.rounding))
        if self.scale_rule not in (*ScaleRule, EMULATOR):
            raise ValueError(f"scale_rule {self.scale_rule!r}: {', '.join(ScaleRule)}, or {EMULATOR} for bfp formats")
        if not 1 <= self.random_bits <= 32:
            raise ValueError(f"random_bits {self.random_bits}: 1..32")
        if self.element not in ELEMENTS:
            raise ValueError(f"element {self.element!r}: one of {', '.join(ELEMENTS)}")
        if self.format is None and (self.rounding is not Rounding.RNE or self.scale_rule != ScaleRule.FLOOR):
            raise ValueError(
                f"rounding '{self.rounding}', scale_rule '{self.scale_rule}': {self.element} has no blocks"
            )
        if self.format is not None and self.element != "fp32":
            raise ValueError(f"element {self.element!r}: for operands without blocks, not {self.format.name}")

    @classmethod
    def named(
        cls, name: str, *, rounding: str = Rounding.RNE, scale_rule: str = ScaleRule.FLOOR, random_bits: int = 16
    ) -> Self:
        """An operand by the name of a catalogue format (`hbfp4`, `mx6`, `mxfp8_e4m3`, ...), or fp32, bf16, fp16.

        The options are for blocks and ignored without.
        """
        if name.lower() in ELEMENTS:
            return cls(element=name.lower())
        return cls(get_format(name), Rounding(rounding), scale_rule, random_bits)

    @property
    def name(self) -> str:
        """Format name, with rounding and scale rule where they are not the usual ones."""
        if self.format is None:
            return self.element
        usual = (Rounding.RNE, ScaleRule.FLOOR)
        return " ".join(
            [self.format.name, *(x for x, y in zip((self.rounding, self.scale_rule), usual, strict=True) if x != y)]
        )

    @property
    def bits(self) -> float:
        """Stored bits of an element, its share of the scales included."""
        if self.format is not None:
            return self.format.bits_per_element
        return 32 if self.element == "fp32" else 16


FP32 = Operand()


@dataclass(frozen=True, slots=True)
class Product:
    """Both operands of one pass. Block formats may differ, but need blocks of one size."""

    a: Operand = FP32
    b: Operand = FP32

    def __post_init__(self) -> None:
        if self.blocked and self.a.format.block != self.b.format.block:  # type: ignore[union-attr]
            raise ValueError(f"{self.a.name} with {self.b.name}: blocks of one size wanted")

    @property
    def blocked(self) -> bool:
        """Whether both operands have blocks, so that a dot unit computes the product and its bits are defined."""
        return self.a.format is not None and self.b.format is not None


@dataclass(frozen=True, slots=True)
class Precision:
    """The products of a layer in all passes, and how its weights are stored between steps.

    `storage` is the wide copy of the weights (formats.md 1.5), the only one there is: both passes that read weights
    convert it to their own narrow format.
    """

    forward: Product = field(default_factory=Product)
    data: Product = field(default_factory=Product)
    weight: Product = field(default_factory=Product)
    storage: Operand = FP32
    order: Order = Order.CHANNEL

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", Order(self.order))
        if self.order is Order.TILE2D:
            for operand in (x for product in (self.forward, self.data, self.weight) for x in (product.a, product.b)):
                fmt = operand.format
                if fmt is not None and (isqrt(fmt.block) ** 2 != fmt.block or fmt.microexponents):
                    raise ValueError(f"order tile2d: {fmt.name} has no square block of elements under one exponent")

    @classmethod
    def named(
        cls,
        name: str,
        *,
        gradient: str | None = None,
        rounding: str = Rounding.RNE,
        gradient_rounding: str | None = None,
        scale_rule: str = ScaleRule.FLOOR,
        random_bits: int = 16,
        storage: str | None = None,
        order: str = Order.CHANNEL,
    ) -> Self:
        """One format for all operands, or another for output gradients (`gradient`, `gradient_rounding`).

        Names as in `Operand.named`. `storage` is by default 16-bit BFP of the same block for BFP formats, else fp32.
        """
        options = {"scale_rule": scale_rule, "random_bits": random_bits}
        usual = Operand.named(name, rounding=rounding, **options)  # type: ignore[arg-type]
        backward = Operand.named(gradient or name, rounding=gradient_rounding or rounding, **options)  # type: ignore[arg-type]
        fmt = usual.format
        if storage is not None:
            wide = Operand.named(storage)
        elif fmt is not None and fmt.scale.encoding is ScaleEncoding.TWOS_COMPLEMENT:
            wide = Operand(bfp(_WIDE_MANTISSA, fmt.block))
        else:
            wide = FP32
        return cls(Product(usual, usual), Product(backward, usual), Product(usual, backward), wide, Order(order))

    def with_order(self, order: str) -> Self:
        """The same formats under another order of blocks."""
        return replace(self, order=Order(order))
