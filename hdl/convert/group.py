"""Microexponents: how far the values of a group all lie below their block, and what they gain from it."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from golden.formats import ScaleRule
from hdl.convert.reference import Geometry
from hdl.convert.shift import lift

__all__ = ["find_microexponent", "raise_magnitude"]


def find_microexponent(
    m: Module, magnitudes: list[Value], overflows: list[Value], poison: Value, geometry: Geometry, *, name: str
) -> Signal:
    """How far a group lies below its block, 0..2^d2 - 1, which a zero group takes (formats.md 2.2); 0 under poison.

    From its values' magnitudes as `AlignElement` gives them: the binades in which the scale rule lets none of them be.
    """
    t = Signal(geometry.fmt.microexponent_bits, name=f"{name}_microexponent")
    reached: Value = poison | Cat(overflows).any()
    for k in range(geometry.fmt.max_microexponent):
        reached = reached | Cat(_reaches(magnitude, k, geometry) for magnitude in magnitudes).any()
        with m.If(~reached):
            m.d.comb += t.eq(k + 1)
    return t


def _reaches(magnitude: Value, k: int, geometry: Geometry) -> Value:
    """Whether a magnitude asks for the binade k below the block's: it lies there, or just below and the rule goes up.

    `ceil`: it is above the largest element of the binade below. `even`: rounded to the element's precision it carries.
    """
    top = len(magnitude) - 1 - k
    lies = magnitude[top]
    if geometry.rule is ScaleRule.FLOOR:
        return lies
    precision = geometry.fmt.element.precision
    largest, rest = magnitude[top - precision : top].all(), magnitude[: top - precision]
    return lies | (largest & (rest.any() if geometry.rule is ScaleRule.CEIL else rest[-1]))


def raise_magnitude(m: Module, magnitude: Value, amount: Value, geometry: Geometry, *, name: str) -> Value:
    """An aligned magnitude moved up by its group's microexponent, of the width that rounding wants."""
    width = geometry.aligned_bits - geometry.sticky
    kept, dropped = lift(m, magnitude, amount, geometry.fmt.max_microexponent, width, name=name)
    return Cat(dropped if geometry.sticky else Const(0, 0), kept)
