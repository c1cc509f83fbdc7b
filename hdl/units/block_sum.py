"""The exact integer sums of blocks' products, by operators: the readable reference architecture."""

from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value, signed
from amaranth.lib import data

from golden.formats import BlockFormat, ElementEncoding
from hdl.arith.bits import reduce_tree
from hdl.layouts import elements
from hdl.stream import Pipeline
from hdl.units.factors import decode_element, product_shape, signed_product
from hdl.units.microexponent import ShiftGroup
from hdl.units.specials import find_specials

__all__ = ["block_sums", "sum_exponents", "sum_shape"]


def sum_shape(a: BlockFormat, b: BlockFormat) -> Shape:
    """Enough for N products of the largest magnitudes, and a sign.

    Sign-magnitude mantissas alone: each product is below 2^(ma + mb), N of them below 2^(ma + mb + ceil(log2 N))
    (formats.md 1.6). Otherwise the exact bound N * max_a * max_b, a received INT8 code of -128, the headroom of
    microexponents and the significands of minifloat scales included (2.5, 3.3, 4).
    """
    if all(f.element.encoding is ElementEncoding.SIGN_MAGNITUDE and not f.microexponents for f in (a, b)):
        return signed(a.element.mantissa_bits + b.element.mantissa_bits + (a.block - 1).bit_length() + 1)
    return signed((a.block * a.max_integer * b.max_integer).bit_length() + 1)


def sum_exponents(a: BlockFormat, b: BlockFormat) -> range:
    """Every exponent that the sum's LSB can have, 0 (a poisoned block's) included."""
    unit = a.unit_exponent + b.unit_exponent
    first, second = a.scale.unit_exponents, b.scale.unit_exponents
    return range(min(first[0] + second[0] + unit, 0), max(first[-1] + second[-1] + unit, 0) + 1)


def block_sums(
    m: Module,
    pipe: Pipeline,
    formats: tuple[BlockFormat, BlockFormat],
    pairs: list[tuple[data.View, data.View]],
    **along: Any,
) -> tuple[list[Value], dict[str, Any]]:
    """For each pair of blocks the sum of its elements' products, in units of their LSBs.

    Cuts "products" and "half_sums" lie inside; `along` are values that travel through the same cuts. Flags `nan`,
    `infinity`, `infinity_sign` of special elements come beside them.
    """
    shape = product_shape(formats[0].element, formats[1].element)
    products, shifts, flags = [], [], []
    for number, pair in enumerate(pairs):
        prefix = f"{number}_" if len(pairs) > 1 else ""
        a, b = (
            [
                decode_element(m, element, fmt.element, name=f"{name}_{prefix}{k}")
                for k, element in enumerate(elements(block, fmt))
            ]
            for name, block, fmt in zip("ab", pair, formats, strict=True)
        )
        names = [f"{prefix}{k}" for k in range(len(a))]
        products.append([signed_product(m, x, y, shape, name=n) for x, y, n in zip(a, b, names, strict=True)])
        flags.append(find_specials(m, a, b))
        shifts.append(
            [list(block.microexponent) for block, fmt in zip(pair, formats, strict=True) if fmt.microexponents]
        )
    stage = pipe.cut("products", terms=products, shifts=shifts, **_any_special(flags), **along)

    terms = stage.terms
    if shifts[0]:
        terms = [
            _shift_groups(m, t, s, f"{k}_" if len(terms) > 1 else "")
            for k, (t, s) in enumerate(zip(terms, stage.shifts, strict=True))
        ]
    kept = {name: value for name, value in vars(stage).items() if name not in ("terms", "shifts")}
    levels = (len(terms[0]) - 1).bit_length()
    for level in range(levels + 1):
        if level == levels // 2:
            stage = pipe.cut("half_sums", terms=terms, **kept)
            terms = stage.terms
            kept = {name: value for name, value in vars(stage).items() if name != "terms"}
        if level < levels:
            terms = [_add_pairs(m, t, f"sum{level}") for t in terms]
    return [total for (total,) in terms], kept


def _any_special(flags: list[dict[str, Value]]) -> dict[str, Value]:
    """Of several blocks that are summed only formats without infinities are taken: their NaNs add up."""
    if len(flags) == 1:
        return flags[0]
    return flags[0] | {"nan": reduce_tree(lambda a, b: a | b, [flag["nan"] for flag in flags])}


def _shift_groups(m: Module, terms: list[Signal], shifts: list[list[Value]], prefix: str) -> list[Signal]:
    """The sum of each group that shares microexponents, in the block's unit."""
    size = len(terms) // len(shifts[0])
    moved = []
    for k, amounts in enumerate(zip(*shifts, strict=True)):
        group = ShiftGroup(size, len(terms[0]), tuple(map(len, amounts)))
        m.submodules[f"group_{prefix}{k}"] = group
        m.d.comb += [port.eq(term) for port, term in zip(group.products, terms[k * size : (k + 1) * size], strict=True)]
        m.d.comb += [getattr(group, f"t_{which}").eq(amount) for which, amount in enumerate(amounts)]
        moved.append(group.total)
    return moved


def _add_pairs(m: Module, terms: list[Signal], name: str) -> list[Signal]:
    """One level of the adder tree: a sum of two needs one bit more; an odd term goes up as it is."""
    sums = []
    for k, (x, y) in enumerate(zip(terms[::2], terms[1::2], strict=False)):
        total = Signal(signed(max(len(x), len(y)) + 1), name=f"{name}_{k}")
        m.d.comb += total.eq(x + y)
        sums.append(total)
    return sums + terms[len(terms) & ~1 :]
