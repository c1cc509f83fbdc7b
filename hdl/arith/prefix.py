"""A fast carry-propagate adder: parallel prefix after Kogge and Stone (1973), logarithmic in depth."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

__all__ = ["prefix_add"]


def prefix_add(m: Module, a: Sequence[Value], b: Sequence[Value], *, name: str) -> Value:
    """a + b modulo 2^n of two numbers of n bits, lowest first.

    generate[k], propagate[k] speak of the bits from some lower one up to k; each level doubles that span. No signal
    goes to more than three places: where gates have one size, sharing spans costs more time than it saves gates.
    """
    n = len(a)
    generate, propagate, half = Signal(n, name=f"{name}_g0"), Signal(n, name=f"{name}_p0"), Signal(n, name=f"{name}_x")
    m.d.comb += [
        generate.eq(Cat(x & y for x, y in zip(a, b, strict=True))),
        propagate.eq(Cat(x | y for x, y in zip(a, b, strict=True))),
        half.eq(Cat(x ^ y for x, y in zip(a, b, strict=True))),
    ]
    for level in range((n - 1).bit_length()):
        span = 1 << level
        g, p = Signal(n, name=f"{name}_g{level + 1}"), Signal(n, name=f"{name}_p{level + 1}")
        m.d.comb += [
            g.eq(generate | propagate & generate << span),
            p.eq(propagate & propagate << span),
        ]
        generate, propagate = g, p
    return half ^ Cat(Const(0, 1), generate[: n - 1])
