"""Stored elements as digits, sign and exponent bits: what a fused core is built from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.formats import BlockFormat, ElementEncoding
from hdl.arith.adders import Adders
from hdl.arith.compress import ripple
from hdl.arith.heap import Heap
from hdl.layouts import elements

__all__ = ["Amount", "Operand", "decode_block", "lanes_per_amount", "shift_amounts", "split_block", "tree_size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """(-1)^sign * digits * 2^(exponent - 1), bits lowest first; without a sign, digits are two's complement.

    An exponent is at least 1: a stored 0 means the same power of two as 1, without the hidden digit.
    """

    sign: Value | None
    digits: list[Value]
    exponent: list[Value]


@dataclass(frozen=True, slots=True)
class Amount:
    """By how much a product moves left: bits, and the smallest and largest value that they take.

    Where there are `choices`, exactly one of them is set and adds twice its index to what the bits say.
    """

    bits: list[Value]
    least: int
    most: int
    choices: tuple[Value, ...] = ()


def decode_block(m: Module, block: data.View, fmt: BlockFormat, *, name: str) -> list[Operand]:
    """Every element of a block."""
    return [_decode(m, element, fmt, name=f"{name}_{k}") for k, element in enumerate(split_block(m, block, fmt, name))]


def split_block(m: Module, block: data.View, fmt: BlockFormat, name: str) -> list[Any]:
    """Every element as a signal of its own: to read one bit of a block takes Amaranth as long as the block is wide."""
    parts = []
    for k, element in enumerate(elements(block, fmt)):
        part = Signal(element.shape(), name=f"{name}_{k}")
        m.d.comb += part.eq(element)
        parts.append(part)
    return parts


def _decode(m: Module, element: data.View, fmt: BlockFormat, *, name: str) -> Operand:
    match fmt.element.encoding:
        case ElementEncoding.TWOS_COMPLEMENT:
            return Operand(sign=None, digits=list(Value.cast(element)), exponent=[])
        case ElementEncoding.SIGN_MAGNITUDE:
            return Operand(sign=element.sign, digits=list(element.magnitude), exponent=[])
    hidden, lowest = Signal(name=f"{name}_hidden"), Signal(name=f"{name}_exponent0")
    m.d.comb += [
        hidden.eq(element.exponent.any()),
        lowest.eq(element.exponent[0] | ~element.exponent[1:].any()),  # 0 reads as 1
    ]
    exponent = [lowest, *element.exponent[1:]]
    return Operand(sign=element.sign, digits=[*element.fraction, hidden], exponent=exponent)


def lanes_per_amount(formats: tuple[BlockFormat, BlockFormat]) -> int:
    """How many neighbouring products move by one amount: those of a microexponent, without exponents of their own."""
    if any(fmt.element.is_float for fmt in formats):
        return 1
    return max(fmt.subblock if fmt.microexponents else 1 for fmt in formats)


def tree_size(formats: tuple[BlockFormat, BlockFormat]) -> int:
    """About how many gates' worth of Verilog a tree is: pairs of bits, or the places of every shift, of all lanes."""
    a, b = (fmt.element for fmt in formats)
    exponents = [element.exponent_bits for element in (a, b) if element.is_float]
    if not exponents:
        return formats[0].block * a.bits * b.bits
    places = a.precision + b.precision + sum(1 << bits for bits in exponents)
    return formats[0].block * places * (max(exponents) + 1)


def shift_amounts(
    m: Module, adders: Adders, formats: tuple[BlockFormat, BlockFormat], a: data.View, b: data.View
) -> Callable[[int, Operand, Operand], Amount | None]:
    """A function of lane number and operands: how far their product moves, None where nothing moves it.

    A microexponent t moves its elements by what it leaves of the largest, which is t inverted.
    """
    shared = [
        (fmt.subblock, [[~bit for bit in t] for t in block.microexponent])
        for fmt, block in zip(formats, (a, b), strict=True)
        if fmt.microexponents
    ]

    def amount(number: int, x: Operand, y: Operand) -> Amount | None:
        own = [operand.exponent for operand in (x, y) if operand.exponent]
        words = own + [moves[number // size] for size, moves in shared]
        if [len(word) for word in words] == [2, 2] and len(own) == 2:
            return _sum_of_two_bit_exponents(m, *own, name=f"amount_{number}")
        if own:
            return _sum(adders, words, least=len(own))
        return _sum(adders, words, least=0) if shared else None

    return amount


def _sum_of_two_bit_exponents(m: Module, x: list[Value], y: list[Value], *, name: str) -> Amount:
    """Exponents 1..3 move by 0, 1 or 2 each. Told apart, these are a stage of one place and a choice of 0, 2 or 4."""
    by_one, by_two = ([word[1] & ~word[0] for word in (x, y)], [word[1] & word[0] for word in (x, y)])
    one, some, both = Signal(name=f"{name}_one"), Signal(name=f"{name}_some"), Signal(name=f"{name}_both")
    m.d.comb += [
        one.eq(by_one[0] ^ by_one[1]),
        some.eq(by_two[0] | by_two[1] | by_one[0] & by_one[1]),
        both.eq(by_two[0] & by_two[1]),
    ]
    return Amount([one], 0, 4, (~some, some & ~both, both))


def _sum(adders: Adders, words: list[list[Value]], least: int) -> Amount:
    most = sum((1 << len(word)) - 1 for word in words)
    if len(words) == 1:
        return Amount(words[0], least, most)
    heap = Heap(most.bit_length())
    for word in words:
        for k, bit in enumerate(word):
            heap.add(bit, k)
    return Amount([bit.value for bit in ripple(heap, adders)], least, most)
