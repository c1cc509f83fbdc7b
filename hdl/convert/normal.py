"""A float of any type as a normalised significand and its true exponent."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from hdl.arith.bits import leading_zeros
from hdl.layouts import FloatLayout

__all__ = ["Normal", "normalize_float"]


@dataclass(frozen=True, slots=True)
class Normal:
    """|x| = significand * 2^(exponent - fraction_bits) with the top bit of the significand set, unless x is zero."""

    exponent: Signal
    significand: Signal


def normalize_float(m: Module, field: Value, fraction: Value, source: FloatLayout, *, name: str) -> Normal:
    """Subnormals included: their leading one is found and moved up."""
    subnormal, moved = Signal(name=f"{name}_subnormal"), Signal(len(fraction), name=f"{name}_moved")
    zeros = leading_zeros(m, fraction, name=f"{name}_leading")
    # From the smallest subnormal's exponent, 1 - bias - fraction_bits (one less for zero), to the largest number's.
    lowest, highest = -source.bias - source.fraction_bits, (1 << source.exponent_bits) - 1 - source.bias
    exponent = Signal(Shape.cast(range(lowest, highest + 1)), name=f"{name}_exponent")
    significand = Signal(len(fraction) + 1, name=f"{name}_significand")
    m.d.comb += [
        subnormal.eq(field == 0),
        moved.eq(fraction << zeros),
        exponent.eq(field - Mux(subnormal, zeros, 0) - source.bias),
        significand.eq(Mux(subnormal, Cat(Const(0, 1), moved), Cat(fraction, Const(1, 1)))),
    ]
    return Normal(exponent, significand)
