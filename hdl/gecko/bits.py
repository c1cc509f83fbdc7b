"""Bit-level leaves of the row code and the bit streams: thermometer masks, bit length, rotation."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["bit_length", "ones_below", "rotate_left", "rotate_right"]


def ones_below(count: Value, width: int) -> Value:
    """`count` ones from bit 0 up, `width` bits in all; count 0..width."""
    return Cat(count > k for k in range(width))


def bit_length(value: Value) -> Value:
    """Position of the top set bit plus 1, 0 for 0: a leading-one detector for a few bits."""
    length: Value = Const(0, len(value).bit_length())
    for k in range(len(value)):
        length = Mux(value[k], k + 1, length)
    return length


def rotate_left(m: Module, value: Value, amount: Value, *, name: str) -> Signal:
    """Rotate by `amount`, below the width of `value`, a power of two: stage k moves by 2^k or not at all."""
    return _rotate(m, value, amount, name, left=True)


def rotate_right(m: Module, value: Value, amount: Value, *, name: str) -> Signal:
    """The other way round."""
    return _rotate(m, value, amount, name, left=False)


def _rotate(m: Module, value: Value, amount: Value, name: str, *, left: bool) -> Signal:
    for k in range(len(amount)):
        step = 1 << k
        turned = value.rotate_left(step) if left else value.rotate_right(step)
        moved = Signal(len(value), name=f"{name}_by{step}")
        m.d.comb += moved.eq(Mux(amount[k], turned, value))
        value = moved
    return moved
