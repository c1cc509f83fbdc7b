"""Bit-level leaves: leading zeros, shifting right with a sticky bit, reduction trees."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["leading_zeros", "negate_if", "reduce_tree", "shift_right_sticky"]

T = TypeVar("T")


def reduce_tree(combine: Callable[[T, T], T], items: Sequence[T]) -> T:
    """`combine` over all items as a balanced tree, an odd one carried to the next level."""
    level = list(items)
    while len(level) > 1:
        pairs = [combine(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def leading_zeros(m: Module, value: Value, *, name: str) -> Signal:
    """Zeros above the top set bit of `value`; its width when it is zero.

    A count in 0..width needs bit_length(width) bits. Each level halves the window: is its upper half empty?
    """
    width = len(value)
    size = 1 << (width - 1).bit_length()
    # Ones below the value make a zero count exactly its width. A window's lowest bit never decides: it is left out.
    window: Value = Cat(Const((1 << size - width) - 1, size - width), value)[1:]
    count: list[Value] = []
    empty = Signal(name=f"{name}_empty")
    m.d.comb += empty.eq(value == 0)
    while len(window):
        half = len(window) // 2 + 1
        upper_zero = Signal(name=f"{name}_upper{half}_zero")
        m.d.comb += upper_zero.eq(window[-half:] == 0)
        count = [upper_zero, *count]
        narrowed = Signal(half - 1, name=f"{name}_window{half}")
        m.d.comb += narrowed.eq(Mux(upper_zero, window[: half - 1], window[half:]))
        window = narrowed
    zeros = Signal(range(width + 1), name=f"{name}_zeros")
    m.d.comb += zeros.eq(Mux(empty, width, Cat(count)))
    return zeros


def negate_if(value: Value, negative: Value) -> Value:
    """-value where `negative`, else value, in two's complement of as many bits; overflow is the caller's to exclude."""
    return ((value ^ negative.replicate(len(value))) + negative)[: len(value)]


def shift_right_sticky(m: Module, value: Value, amount: Value, *, name: str) -> Signal:
    """`value >> amount`, with every bit shifted out ORed into bit 0; any unsigned amount is legal.

    Result has the width of `value`. Logarithmic: stage k moves by 2^k or not at all.
    """
    width = len(value)
    stages = (width - 1).bit_length()
    current = value
    for k in range(min(stages, len(amount))):
        step = 1 << k
        kept = current[step:]
        moved = Signal(width, name=f"{name}_by{step}")
        m.d.comb += moved.eq(Mux(amount[k], Cat(kept[0] | current[:step].any(), kept[1:], Const(0, step)), current))
        current = moved
    result = Signal(width, name=name)
    # Bits of `amount` beyond the last stage move everything out; so does nothing else, as 2^stages >= width.
    m.d.comb += result.eq(Mux(amount[stages:].any(), value.any(), current) if len(amount) > stages else current)
    return result
