"""Shifting left by a variable amount into a wide word, the places beside the number filled as its encoding asks."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["shift_left_filled"]


def shift_left_filled(
    m: Module, bits: Sequence[Value], amount: Sequence[Value], *, below: Value, above: Value, width: int, name: str
) -> list[Value]:
    """`width` bits of `bits` moved left by `amount` (lowest bit first), `below` and `above` beside them.

    Smallest moves first: then a stage has few places where two bits meet, and that is where multiplexers are. In the
    others a bit meets a fill; the fill's part is made once per stage.
    """
    current = list(bits)
    for stage, moves in enumerate(amount):
        step = 1 << stage
        filled_below, filled_above = Signal(name=f"{name}_below{stage}"), Signal(name=f"{name}_above{stage}")
        m.d.comb += [filled_below.eq(moves & below), filled_above.eq(~moves & above)]
        moved: list[Value] = []
        for k in range(min(len(current) + step, width)):
            bit = Signal(name=f"{name}_by{step}_{k}")
            if k < step and k < len(current):
                m.d.comb += bit.eq(~moves & current[k] | filled_below)
            elif k < step:  # between the number's two places
                m.d.comb += bit.eq(filled_below | filled_above)
            elif k < len(current):
                m.d.comb += bit.eq(Mux(moves, current[k - step], current[k]))
            else:
                m.d.comb += bit.eq(moves & current[k - step] | filled_above)
            moved.append(bit)
        current = moved
    return current + [above] * (width - len(current))
