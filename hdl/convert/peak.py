"""The largest magnitude of a block, or as much of it as its scale rule needs."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from golden.formats import ScaleRule
from hdl.arith.bits import reduce_tree

__all__ = ["combine_peaks", "find_peak"]


def find_peak(m: Module, values: list[data.View], rule: ScaleRule, *, name: str) -> Signal:
    """Peak of some values: fraction below exponent field, like a float without its sign.

    `ceil` and `even` look at the largest value itself. `floor` wants only its exponent, and the OR of all fractions
    has the leading one of the largest: it stands in for the fraction, which only an all-subnormal block reads.
    """
    peaks: list[Value] = [Cat(value.fraction, value.exponent) for value in values]
    split = len(values[0].fraction)

    def combine(a: Value, b: Value) -> Signal:
        # A signal for every node: as expressions, which use a node twice, the tree's text would grow as N^1.6.
        node = Signal(len(a), name="peak_node")
        m.d.comb += node.eq(combine_peaks(a, b, split, rule))
        return node

    peak = Signal(len(peaks[0]), name=f"{name}_peak")
    m.d.comb += peak.eq(reduce_tree(combine, peaks))
    return peak


def combine_peaks(a: Value, b: Value, fraction_bits: int, rule: ScaleRule) -> Value:
    """Peak of two groups from the peaks of each."""
    if rule is not ScaleRule.FLOOR:
        return Mux(a > b, a, b)
    a_field, b_field = a[fraction_bits:], b[fraction_bits:]
    return Cat(a[:fraction_bits] | b[:fraction_bits], Mux(a_field > b_field, a_field, b_field))
