"""The product of two E2M1 elements' magnitudes, told apart by cases: what their few values allow.

A magnitude is one of 0, 1, 2, 3, 4, 6, 8, 12 in units of the format's LSB: a significand 0..3 moved left by 0, 1 or 2.
So the significands' product is one of 0, 1, 2, 3, 4, 6, 9 and moves left by 0..4: first by one place if the amount is
odd, then by none, two or four. Nothing is added: multiplier, adder of exponents and shifter would take more gates.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from golden.formats import ElementFormat

__all__ = ["is_e2m1", "multiply_e2m1"]


def is_e2m1(element: ElementFormat) -> bool:
    """Whether elements are minifloats of two exponent bits and one fraction bit, all of whose codes are numbers."""
    return element.is_float and (element.exponent_bits, element.mantissa_bits) == (2, 1)


@dataclass(frozen=True, slots=True)
class _Magnitude:
    """An element taken apart: (normal, fraction) is its significand, which moves by one place or by two."""

    fraction: Value
    normal: Value
    moves: Value
    by_one: Value
    by_two: Value


def _take_apart(m: Module, element: data.View, *, name: str) -> _Magnitude:
    low, high = element.exponent
    normal = Signal(name=f"{name}_normal")
    m.d.comb += normal.eq(low | high)
    return _Magnitude(element.fraction, normal, high, normal & ~low, high & low)


def multiply_e2m1(m: Module, x: data.View, y: data.View, *, name: str) -> Signal:
    """|x * y|, 0..144, of elements with fields `fraction` and `exponent`; signs are not read.

    Written otherwise the same function comes out up to a tenth larger: of what met the target this reads plainest.
    """
    a, b = _take_apart(m, x, name=f"{name}_x"), _take_apart(m, y, name=f"{name}_y")
    left, right = a.normal & b.fraction, b.normal & a.fraction
    two, normal, nine = Signal(name=f"{name}_two"), Signal(name=f"{name}_normal"), Signal(name=f"{name}_nine")
    m.d.comb += [
        nine.eq(left & right),
        two.eq(left ^ right),
        normal.eq(a.normal & b.normal),
    ]
    one, four = a.fraction & b.fraction, normal & ~nine  # one also of nine

    odd = a.by_one ^ b.by_one
    none, far = ~(a.moves & b.moves | (a.by_two | b.by_two)), a.by_two & b.by_two
    some = ~(none | far)

    p = [Signal(name=f"{name}_by_one_{k}") for k in range(5)]
    m.d.comb += [
        p[0].eq(one & ~odd),
        p[1].eq(one & odd | two & ~odd),
        p[2].eq(two & odd | four & ~odd),
        p[3].eq(four & odd | nine & ~odd),
        p[4].eq(nine & odd),
    ]
    top = far & p[0]  # as good as p[3]: numbers that move this far are normal, and their product is odd in nine only
    product = Signal(8, name=name)
    m.d.comb += product.eq(
        Cat(
            none & p[0],
            none & p[1],
            none & p[2] | some & p[0],
            none & p[3] | some & p[1],
            none & p[4] | top | some & p[2],
            some & p[3] | far & p[1],
            some & p[4] | far & p[2],
            top,
        )
    )
    return product
