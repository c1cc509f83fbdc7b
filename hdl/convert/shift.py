"""Shifters of a converter's lane: no wider than what rounding will look at."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["lift", "lower"]


def lift(m: Module, value: Value, amount: Value, limit: int, width: int, *, name: str) -> tuple[Value, Value]:
    """The top `width` bits of `value << amount`, and whether any bit below them is set; `amount` is up to `limit`.

    The top `amount` bits of `value` must be zero. The longest move comes first: before moves by 2^k - 1 at most,
    width + 2^k - 1 bits are enough.
    """
    current, dropped = value, []
    for k in reversed(range(limit.bit_length())):
        step, size = 1 << k, len(current)
        kept = min(width + step - 1, size)
        cut = size - kept
        moved = Signal(kept, name=f"{name}_by{step}")
        stays, moves = current[cut:], Cat(Const(0, step), current)[cut:size]
        # What moves to the very top finds zeros there: an OR does for a multiplexer.
        low = max(kept - step, 0)
        top = stays[low:] | (moves[low:] & amount[k].replicate(kept - low))
        m.d.comb += moved.eq(Cat(Mux(amount[k], moves[:low], stays[:low]), top))
        if cut:
            dropped.append(current[:cut].any() & ~amount[k])
        if cut > step:
            dropped.append(current[: cut - step].any() & amount[k])
        current = moved
    cut = len(current) - width
    sticky = Signal(name=f"{name}_dropped")
    m.d.comb += sticky.eq(Cat(dropped, current[: max(cut, 0)]).any())
    return Cat(Const(0, max(-cut, 0)), current[max(cut, 0) :]), sticky


def lower(m: Module, value: Value, amount: Value, sticky: Value, *, name: str) -> tuple[Value, Value]:
    """`value >> amount`, and `sticky` or any bit that was shifted out."""
    current = value
    for k in range(len(amount)):
        step = 1 << k
        moved, left = Signal(len(value), name=f"{name}_by{step}"), Signal(name=f"{name}_by{step}_out")
        m.d.comb += [
            moved.eq(Mux(amount[k], current[step:], current)),
            left.eq(sticky | (amount[k] & current[:step].any())),
        ]
        current, sticky = moved, left
    return current, sticky
