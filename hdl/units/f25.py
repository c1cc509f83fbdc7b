"""The reduction across blocks of the microexponent papers: 25-bit fixed point, aligned by flooring (formats.md 2.5)."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed

from golden.formats import BlockFormat, ElementEncoding
from hdl.arith.bits import reduce_tree

__all__ = ["F25_BITS", "F25_ELEMENTS", "align_and_add", "f25_blocks", "f25_exponents", "fits_f25"]

F25_BITS = 25  # of the two's-complement sum
F25_ELEMENTS = 64  # of a group: the r of the papers' dot-product unit


def fits_f25(fmt: BlockFormat) -> bool:
    """Whether the mode is defined for a format: sign-magnitude elements in blocks that divide a group."""
    return fmt.element.encoding is ElementEncoding.SIGN_MAGNITUDE and F25_ELEMENTS % fmt.block == 0


def f25_blocks(fmt: BlockFormat) -> int:
    """Blocks of a group."""
    return F25_ELEMENTS // fmt.block


def align_and_add(
    m: Module, sums: list[Value], exponents: list[Value], width: int, reach: range
) -> tuple[Signal, Signal]:
    """Sum of sums[i] * 2^exponents[i] as (25-bit sum, exponent of its LSB), each addend floored to that LSB.

    `width` is that of a block's sum, sign included, and `reach` what an exponent can be. The LSB leaves room above the
    largest exponent for the widest block and for the group's sum, which therefore cannot overflow; a block below the
    largest exponent loses its low bits, a negative one down to -1.
    """
    room = _room(width, len(sums))
    left, right = max(room, 0), max(-room, 0)
    span = reach[-1] - reach[0]

    def larger(a: tuple[Value, Value], b: tuple[Value, Value]) -> tuple[Value, Value]:
        """Of the exponents of two blocks the larger one, a zero sum's never."""
        top = Signal(Shape.cast(reach), name="largest_exponent")
        m.d.comb += top.eq(Mux(a[0] & (~b[0] | (a[1] > b[1])), a[1], b[1]))
        return a[0] | b[0], top

    _, largest = reduce_tree(larger, [(total.any(), exponent) for total, exponent in zip(sums, exponents, strict=True)])
    addends: list[Value] = []
    for k, (total, exponent) in enumerate(zip(sums, exponents, strict=True)):
        distance = Signal(range(span + right + 1), name=f"distance_{k}")  # a zero sum's means nothing
        addend = Signal(signed(F25_BITS), name=f"addend_{k}")
        m.d.comb += [distance.eq(largest - exponent + right), addend.eq((total << left) >> distance)]
        addends.append(addend)
    group = Signal(signed(F25_BITS), name="group_sum")
    unit = Signal(Shape.cast(f25_exponents(reach, width, len(sums))), name="group_exponent")
    m.d.comb += [group.eq(reduce_tree(lambda a, b: a + b, addends)), unit.eq(largest - room)]
    return group, unit


def f25_exponents(reach: range, width: int, blocks: int) -> range:
    """Every exponent that the LSB of a group's sum can have."""
    room = _room(width, blocks)
    return range(reach[0] - room, reach[-1] - room + 1)


def _room(width: int, blocks: int) -> int:
    """Bits that are left above a sum of so many blocks of `width` bits; negative where they do not fit."""
    return F25_BITS - width - (blocks - 1).bit_length()
