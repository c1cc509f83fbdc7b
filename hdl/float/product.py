"""The product of two significands: operators, or one compressor tree."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hdl.arith.adders import Adders
from hdl.arith.compress import carry_save, ripple
from hdl.arith.heap import Heap
from hdl.arith.prefix import prefix_add
from hdl.arith.products import booth, magnitudes

__all__ = ["ARCHITECTURES", "BOOTH_BITS", "significand_product"]

ARCHITECTURES = ("area", "speed", "plain")

# From this many bits on, Booth's rows take fewer transistors than one bit per pair of bits.
BOOTH_BITS = 8


def significand_product(m: Module, platform: object, a: Value, b: Value, *, arch: str, name: str) -> Signal:
    """a * b, unsigned, of as many bits as both together.

    `plain` leaves it to the synthesiser; `area` adds the partial products up by full adders alone, `speed` in a tree
    of least depth with a parallel-prefix adder at its end.
    """
    width = len(a) + len(b)
    product = Signal(width, name=name)
    if arch == "plain":
        m.d.comb += product.eq(a * b)
        return product
    heap, adders = Heap(width), Adders(m, platform, name=name)
    with_booth = min(len(a), len(b)) >= BOOTH_BITS
    if with_booth:
        # A zero on top: Booth's digits are those of two's complement.
        booth(m, heap, [*a, Const(0, 1)], [*b, Const(0, 1)], name=name)
    else:
        magnitudes(heap, list(a), list(b))
        heap.constant -= 1  # the heap holds -a*b; less one, it is the product inverted
    if arch == "area":
        total: Value = Cat(bit.value for bit in ripple(heap, adders))
    else:
        columns = carry_save(heap, adders)
        rows = [[c[k].value if k < len(c) else Const(0, 1) for c in columns] for k in range(2)]
        total = prefix_add(m, *rows, name=f"{name}_final")
    m.d.comb += product.eq(total if with_booth else ~total)
    return product
