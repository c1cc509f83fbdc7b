"""Stored scales as hardware reads them: an exponent, a poison flag and, of a minifloat scale, a factor."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import data

from golden.formats import BlockFormat
from hdl.arith.bits import negate_if, reduce_tree
from hdl.layouts import stored_scale
from hdl.units.factors import Factor, decode_element

__all__ = ["Scale", "read_scale", "scale_factor", "scale_factor_shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """2^exponent is the unit of a block's elements; a minifloat scale multiplies it by the significand of `factor`."""

    exponent: Value
    poison: Value
    factor: Factor | None = None


def read_scale(m: Module, block: data.View, fmt: BlockFormat, *, name: str) -> Scale:
    """The scale behind a block's stored one; its exponent means nothing under poison."""
    stored, scale = stored_scale(block, fmt), fmt.scale
    if scale.minifloat is None:
        poison = stored == scale.decode(scale.poison_code) + scale.bias
        return Scale(exponent=stored + (fmt.unit_exponent - scale.bias), poison=poison)
    factor = decode_element(m, stored, scale.minifloat, name=f"{name}_scale")
    assert factor.shift is not None
    assert factor.nan is not None
    return Scale(
        exponent=factor.shift + (scale.minifloat.lsb_exponent + fmt.unit_exponent), poison=factor.nan, factor=factor
    )


def scale_factor_shape(formats: tuple[BlockFormat, ...]) -> Shape | None:
    """Of the product of the scales' significands, E4M3's of 4 bits each; None if all scales are powers of two."""
    largest = 1
    for fmt in formats:
        largest *= fmt.scale.max_significand
    return signed(largest.bit_length() + 1) if largest > 1 else None


def scale_factor(m: Module, scales: list[Scale], shape: Shape) -> Signal:
    """The product of the scales' significands as one signed factor of the block's sum."""
    factors = [scale.factor for scale in scales if scale.factor is not None]
    magnitude, negative = Signal(shape.width - 1, name="factor_magnitude"), Signal(name="factor_negative")
    factor = Signal(shape, name="factor")
    m.d.comb += [
        magnitude.eq(reduce_tree(lambda a, b: a * b, [f.magnitude for f in factors])),
        negative.eq(reduce_tree(lambda a, b: a ^ b, [f.sign for f in factors])),
        factor.eq(negate_if(Cat(magnitude, Const(0, 1)), negative)),
    ]
    return factor
