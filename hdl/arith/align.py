"""Shifting left by a variable amount into a wide word: by stages, or by one-hot choices for a few places."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["shift_left_chosen", "shift_left_filled"]


def shift_left_filled(
    m: Module, bits: Sequence[Value], amount: Sequence[Value], *, below: Value, above: Value, width: int, name: str
) -> list[Value]:
    """`width` bits of `bits` moved left by `amount` (lowest bit first), `below` and `above` beside them.

    Smallest moves first: then a stage has few places where two bits meet, and that is where multiplexers are. In the
    others a bit meets a fill: what the fill clears is made once per stage.
    """
    current = list(bits)
    for stage, moves in enumerate(amount):
        step = 1 << stage
        clear_below, clear_above = Signal(name=f"{name}_clear_below{stage}"), Signal(name=f"{name}_clear_above{stage}")
        m.d.comb += [clear_below.eq(moves & ~below), clear_above.eq(~moves & ~above)]
        moved: list[Value] = []
        for k in range(min(len(current) + step, width)):
            bit = Signal(name=f"{name}_by{step}_{k}")
            if k < step and k < len(current):
                m.d.comb += bit.eq((moves | current[k]) & ~clear_below)
            elif k < step:  # between the number's two places
                m.d.comb += bit.eq(~(clear_below | clear_above))
            elif k < len(current):
                m.d.comb += bit.eq(Mux(moves, current[k - step], current[k]))
            else:
                m.d.comb += bit.eq((~moves | current[k - step]) & ~clear_above)
            moved.append(bit)
        current = moved
    return current + [above] * (width - len(current))


def shift_left_chosen(bits: Sequence[Value], choices: Sequence[Value], step: int) -> list[Value]:
    """`bits` moved left by k * step where choices[k] is set, zeros beside them; exactly one of the choices is."""
    width = len(bits) + step * (len(choices) - 1)
    moved = []
    for place in range(width):
        met = [(chosen, place - k * step) for k, chosen in enumerate(choices)]
        moved.append(reduce(or_, [chosen & bits[k] for chosen, k in met if 0 <= k < len(bits)]))
    return moved
