"""The largest magnitude of a block, or as much of it as its scale rule needs."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from golden.formats import ScaleRule
from hdl.arith.bits import reduce_tree
from hdl.convert.reference import Geometry

__all__ = ["combine_peaks", "find_largest", "find_peak"]


def find_peak(m: Module, values: list[data.View], geometry: Geometry, *, name: str) -> Value:
    """Peak of some values: (as much as is needed of the) fraction below the exponent field.

    For `floor` the OR of all fractions stands in for that of the largest: of subnormals, it has the leading one.
    """
    bits = geometry.peak_fraction_bits
    fractions = [value.fraction[len(value.fraction) - bits :] for value in values]
    fields = [value.exponent for value in values]
    if geometry.rule is ScaleRule.FLOOR:
        return Cat(reduce_tree(lambda a, b: a | b, fractions), find_largest(m, fields, name=name))
    magnitudes = [Cat(fraction, field) for fraction, field in zip(fractions, fields, strict=True)]
    return find_largest(m, magnitudes, name=name)


def find_largest(m: Module, values: Sequence[Value], *, name: str) -> Value:
    """The largest number, bit by bit from the top: it has a one where any has that is still in the race.

    Where it has one, those without are out. An OR per bit takes half the gates of a tree of comparators.
    """
    width = len(values[0])
    race: Value | None = None
    found: list[Value] = []
    for k in reversed(range(width)):
        ones = Cat(value[k] for value in values)
        bit, left = Signal(name=f"{name}_largest{k}"), Signal(len(values), name=f"{name}_race{k}")
        equal = ones | ~bit.replicate(len(values))
        m.d.comb += [
            bit.eq((ones if race is None else race & ones).any()),
            left.eq(equal if race is None else race & equal),
        ]
        found.append(bit)
        race = left
    return Cat(found[::-1])


def combine_peaks(a: Value, b: Value, geometry: Geometry) -> Value:
    """Peak of two groups from the peaks of each."""
    if geometry.rule is not ScaleRule.FLOOR:
        return Mux(a > b, a, b)
    bits = geometry.peak_fraction_bits
    a_field, b_field = a[bits:], b[bits:]
    return Cat(a[:bits] | b[:bits], Mux(a_field > b_field, a_field, b_field))
