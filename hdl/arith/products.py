"""Products as bits of a heap: each function adds a * b * 2^column, or takes it away, without adding anything up.

Operands are bits, lowest first. `baugh_wooley` and `booth` read them as two's complement, `magnitudes` as unsigned.
"""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Signal, Value

from hdl.arith.heap import Heap

__all__ = ["baugh_wooley", "booth", "magnitudes", "signed_by_magnitude"]

Bits = Sequence[Value]


def magnitudes(heap: Heap, a: Bits, b: Bits) -> None:
    """Minus a * b, unsigned. Minus, because an inverted conjunction is a gate smaller than a conjunction."""
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            heap.subtract(x & y, i + j)


def baugh_wooley(heap: Heap, a: Bits, b: Bits) -> None:
    """Minus a * b, two's complement: one bit per pair of bits, negative where exactly one of them is a sign."""
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            negative = (i == len(a) - 1) != (j == len(b) - 1)
            (heap.add if negative else heap.subtract)(x & y, i + j)


def signed_by_magnitude(heap: Heap, a: Bits, b: Bits, negative: Value) -> None:
    """Minus a * b, or plus a * b where `negative`; a is two's complement, b unsigned.

    -a = ~a + 1: a's bits change with `negative`, and b once more makes up for the one.
    """
    changed = [x ^ negative for x in a]
    for j, y in enumerate(b):
        for i, x in enumerate(changed):
            (heap.add if i == len(a) - 1 else heap.subtract)(x & y, i + j)
        heap.subtract(y & negative, j)


def booth(m: Module, heap: Heap, a: Bits, b: Bits, *, name: str) -> None:
    """Plus a * b, two's complement, in half as many rows: b in digits -2..2 of radix 4 (Booth, 1951; MacSorley, 1961).

    A row is 0, a or 2a, inverted if its digit is negative, and then one more at its lowest column.
    """
    digits = [*b, b[-1]] if len(b) % 2 else b
    for row in range(len(digits) // 2):
        below = digits[2 * row - 1] if row else Const(0, 1)
        middle, negative = digits[2 * row : 2 * row + 2]
        one, two = Signal(name=f"{name}_one{row}"), Signal(name=f"{name}_two{row}")
        m.d.comb += [one.eq(middle ^ below), two.eq(negative & ~middle & ~below | ~negative & middle & below)]
        for k in range(len(a) + 1):
            bit = Signal(name=f"{name}_row{row}_{k}")
            doubled = two & a[k - 1] if k else Const(0, 1)
            m.d.comb += bit.eq((one & a[min(k, len(a) - 1)] | doubled) ^ negative)
            (heap.add if k < len(a) else heap.subtract)(bit, 2 * row + k)
        heap.add(negative, 2 * row)
