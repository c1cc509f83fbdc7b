"""A heap of weighted bits: the one form in which a sum of products waits to be added up.

The heap stands for the number sum(bit * 2^column) + constant, modulo 2^width. Bits that count negative enter inverted
(-b = ~b - 1), so that the tree only ever adds; what the inversions cost gathers in the constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Value

__all__ = ["Bit", "Heap"]


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit and when it comes, in exclusive-or delays after the inputs: only the order of arrivals matters."""

    value: Value
    arrival: float = 0


class Heap:
    """`columns[k]` are the bits of weight 2^k. Bits at or above `width` fall off: sums are modulo 2^width."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.columns: list[list[Bit]] = [[] for _ in range(width)]
        self.constant = 0

    @property
    def size(self) -> int:
        """Number of bits, constant ones not counted. A full adder removes one: what stays is at most `width`."""
        return sum(map(len, self.columns))

    def add(self, bit: Value, column: int, arrival: float = 0) -> None:
        """Plus bit * 2^column."""
        if column < self.width:
            self.columns[column].append(Bit(bit, arrival))

    def subtract(self, bit: Value, column: int, arrival: float = 0) -> None:
        """Minus bit * 2^column: the inverted bit, and minus one."""
        self.add(~bit, column, arrival)
        self.constant -= 1 << column

    def add_word(self, bits: Sequence[Bit], column: int = 0) -> None:
        """Plus an unsigned number, lowest bit first, times 2^column."""
        for k, bit in enumerate(bits, column):
            self.add(bit.value, k, bit.arrival)

    def subtract_word(self, bits: Sequence[Bit], column: int = 0) -> None:
        """Minus an unsigned number times 2^column."""
        for k, bit in enumerate(bits, column):
            self.subtract(bit.value, k, bit.arrival)

    def add_multiple(self, bits: Sequence[Bit], factor: int) -> None:
        """Plus factor times an unsigned number, by the factor's non-adjacent form: fewest additions."""
        column = 0
        while factor:
            if factor & 1:
                digit = 2 - factor % 4  # 1 or -1, whichever leaves a multiple of four
                (self.add_word if digit == 1 else self.subtract_word)(bits, column)
                factor -= digit
            factor, column = factor // 2, column + 1

    def has_one(self, column: int) -> bool:
        """Whether the constant puts a one into this column."""
        return bool(self.constant >> column & 1)
