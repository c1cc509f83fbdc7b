"""A sum of products by operators: the readable definition of what a core computes."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from golden.formats import BlockFormat, ElementEncoding
from hdl.arith.bits import reduce_tree
from hdl.layouts import elements

__all__ = ["plain_sum"]


def plain_sum(m: Module, formats: tuple[BlockFormat, BlockFormat], a: data.View, b: data.View) -> Value:
    """The sum over k of a[k] * b[k]."""
    operands = [
        [_integer(m, block, fmt, k, name=f"{name}{k}") for k in range(fmt.block)]
        for name, block, fmt in zip("ab", (a, b), formats, strict=True)
    ]
    products = []
    for k, (x, y) in enumerate(zip(*operands, strict=True)):
        product = Signal((x * y).shape(), name=f"product{k}")
        m.d.comb += product.eq(x * y)
        products.append(product)
    return reduce_tree(lambda x, y: x + y, products)


def _integer(m: Module, block: data.View, fmt: BlockFormat, k: int, *, name: str) -> Value:
    """Element k as an integer, in units of its format's LSB."""
    element = elements(block, fmt)[k]
    match fmt.element.encoding:
        case ElementEncoding.TWOS_COMPLEMENT:
            return Value.cast(element)
        case ElementEncoding.SIGN_MAGNITUDE:
            magnitude = element.magnitude
        case _:
            hidden = element.exponent.any()
            magnitude = Cat(element.fraction, hidden) << (element.exponent - hidden)[: len(element.exponent)]
    if fmt.microexponents:
        magnitude = (
            magnitude << (fmt.max_microexponent - block.microexponent[k // fmt.subblock])[: fmt.microexponent_bits]
        )
    value = Signal((-magnitude).shape(), name=name)
    m.d.comb += value.eq(Mux(element.sign, -magnitude, magnitude))
    return value
