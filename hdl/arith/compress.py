"""Compressor trees: from a heap of weighted bits to one number, or to two whose sum it is.

`ripple`   one number by full adders alone, column by column: fewest cells, since each removes a bit of the heap
`carry_save`  two numbers, the three earliest bits of a column first (Stelling et al., 1998): least depth
`dadda`    two numbers in as few levels as the highest column allows (Dadda, 1965); levels are where registers can go
"""

from collections.abc import Callable

from amaranth.hdl import Const, Value

from hdl.arith.adders import Adders
from hdl.arith.heap import Bit, Heap

__all__ = ["carry_save", "dadda", "dadda_levels", "ripple"]

Registers = Callable[[list[Value]], list[Value]]

_ZERO = Const(0, 1)

# A carry comes half an exclusive-or before its adder's sum: its last gate is an AND-OR.
_CARRY_LEAD = 0.5


def ripple(heap: Heap, adders: Adders) -> list[Bit]:
    """The heap's number, lowest bit first: one bit per column, every carry rippling into the next."""
    return [rows[0] for rows in _by_column(heap, adders, rows=1)]


def carry_save(heap: Heap, adders: Adders) -> list[list[Bit]]:
    """At most two bits per column. No adder waits for the carry of another one that ends a column."""
    return _by_column(heap, adders, rows=2, lead=_CARRY_LEAD)


def _by_column(heap: Heap, adders: Adders, rows: int, lead: float = 0) -> list[list[Bit]]:
    """Columns from the lowest, each down to `rows` bits before the next one starts, its carries known by then."""
    columns = [list(column) for column in heap.columns]
    for k, column in enumerate(columns):
        above = columns[k + 1] if k + 1 < heap.width else None
        if heap.has_one(k):
            _add_one(column, above, adders)
        if rows == 2 and len(column) > 2 and len(column) % 2:
            # Full adders would take an odd column to one bit, and the last would wait for the columns below: a ripple.
            column.sort(key=lambda bit: bit.arrival)
            _compress(column, above, adders, 2, lead)
        while len(column) > rows:
            column.sort(key=lambda bit: bit.arrival)
            _compress(column, above, adders, 3 if len(column) > 2 else 2, lead)
        if not column:
            column.append(Bit(_ZERO))
    return columns


def _compress(column: list[Bit], above: list[Bit] | None, adders: Adders, count: int, lead: float = 0) -> None:
    """Replace the first `count` bits by their sum, and send the carry up, `lead` earlier, unless nothing is above."""
    taken = [column.pop(0) for _ in range(count)]
    values = [bit.value for bit in taken]
    # The last of three inputs is the latest and passes one exclusive-or, the others two.
    arrival = max([bit.arrival + 2 for bit in taken[:2]] + [bit.arrival + 1 for bit in taken[2:]]) - (count == 2)
    if above is None:
        total: Value = values[0] ^ values[1]
        column.append(Bit(total ^ values[2] if count == 3 else total, arrival))
        return
    total, carry = adders.full(*values) if count == 3 else adders.half(*values)
    column.append(Bit(total, arrival))
    above.append(Bit(carry, arrival - lead))


def _add_one(column: list[Bit], above: list[Bit] | None, adders: Adders) -> None:
    """Add the constant's one to a column: into the two earliest bits, or into the only one, or as a bit."""
    column.sort(key=lambda bit: bit.arrival)
    first = [column.pop(0) for _ in range(min(2, len(column)))]
    arrival = max((bit.arrival for bit in first), default=-1) + 1
    if len(first) == 2 and above is not None:
        total, carry = adders.half_plus(*(bit.value for bit in first))
    elif first:
        total, carry = ~first[0].value, first[0].value
        if len(first) == 2:
            total = ~(first[0].value ^ first[1].value)
    else:
        column.append(Bit(Const(1, 1)))
        return
    column.append(Bit(total, arrival))
    if above is not None:
        above.append(Bit(carry, arrival))


def dadda_levels(height: int) -> list[int]:
    """The heights that a column of `height` bits passes through on its way down to two."""
    levels = [2]
    while levels[-1] < height:
        levels.append(levels[-1] * 3 // 2)
    return levels[-2::-1]


def dadda(heap: Heap, adders: Adders, registers: dict[int, Registers] | None = None) -> list[list[Bit]]:
    """At most two bits per column. `registers[n]` passes all bits on after level n (0 = before the first)."""
    columns = [column + [Bit(Const(1, 1))] * heap.has_one(k) for k, column in enumerate(heap.columns)]
    columns = _registered(columns, 0, registers)
    for level, height in enumerate(dadda_levels(max(map(len, columns))), 1):
        carries: list[list[Bit]] = [[] for _ in columns]
        for k, column in enumerate(columns):
            above = carries[k + 1] if k + 1 < heap.width else None
            while len(column) + len(carries[k]) > height:
                excess = len(column) + len(carries[k]) - height
                # carries of this level come too late to be added within it
                _compress(column, above, adders, 3 if excess > 1 else 2)
                carries[k].append(column.pop())
        columns = _registered([c + d for c, d in zip(columns, carries, strict=True)], level, registers)
    return [column or [Bit(_ZERO)] for column in columns]


def _registered(columns: list[list[Bit]], level: int, registers: dict[int, Registers] | None) -> list[list[Bit]]:
    if not registers or level not in registers:
        return columns
    passed = iter(registers[level]([bit.value for column in columns for bit in column]))
    return [[Bit(next(passed)) for _ in column] for column in columns]
