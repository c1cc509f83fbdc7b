"""The exact integer sum of a block's products, by operators: the readable reference architecture."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import data

from golden.formats import BlockFormat
from hdl.stream import Pipeline

__all__ = ["block_sum", "sum_exponents", "sum_shape"]


def sum_shape(a: BlockFormat, b: BlockFormat) -> Shape:
    """Each product is below 2^(ma + mb) in magnitude, N of them below that times 2^ceil(log2 N); and a sign (1.6)."""
    growth = (a.block - 1).bit_length()
    return signed(a.element.mantissa_bits + b.element.mantissa_bits + growth + 1)


def sum_exponents(a: BlockFormat, b: BlockFormat) -> range:
    """Every exponent that the sum's LSB can have, 0 (a poisoned block's) included."""
    fraction = a.element.fraction_bits + b.element.fraction_bits
    low = a.scale.lowest + b.scale.lowest - fraction
    high = a.scale.highest + b.scale.highest - fraction
    return range(min(low, 0), max(high, 0) + 1)


def block_sum(m: Module, pipe: Pipeline, a: data.View, b: data.View, **along: Value) -> tuple[Value, dict[str, Value]]:
    """Sum of products of two sign-magnitude mantissa arrays, with cuts "products" and "half_sums" inside.

    `along` are values that travel through the same cuts.
    """
    products = []
    for k, (x, y) in enumerate(zip(a.mantissa, b.mantissa, strict=True)):
        # Two's complement of a magnitude needs one bit more than the magnitude.
        product = Signal(signed(len(x.magnitude) + len(y.magnitude) + 1), name=f"product_{k}")
        magnitude = Signal(len(x.magnitude) + len(y.magnitude), name=f"magnitude_{k}")
        m.d.comb += magnitude.eq(x.magnitude * y.magnitude)
        negative = Signal(name=f"negative_{k}")
        m.d.comb += negative.eq(x.sign ^ y.sign)
        m.d.comb += product.eq((Cat(magnitude, Const(0, 1)) ^ negative.replicate(len(product))) + negative)
        products.append(product)
    stage = pipe.cut("products", terms=products, **along)

    levels = (len(products) - 1).bit_length()
    for level in range(levels):
        stage.terms = _add_pairs(m, stage.terms, level)
        if level + 1 == levels // 2:
            stage = pipe.cut("half_sums", **vars(stage))
    if levels < 2:
        stage = pipe.cut("half_sums", **vars(stage))
    (total,) = stage.terms
    return total, {name: getattr(stage, name) for name in along}


def _add_pairs(m: Module, terms: list[Signal], level: int) -> list[Signal]:
    """One level of the adder tree: a sum of two needs one bit more; an odd term goes up as it is."""
    sums = []
    for k, (x, y) in enumerate(zip(terms[::2], terms[1::2], strict=False)):
        total = Signal(signed(max(len(x), len(y)) + 1), name=f"sum{level}_{k}")
        m.d.comb += total.eq(x + y)
        sums.append(total)
    return sums + terms[len(terms) & ~1 :]
