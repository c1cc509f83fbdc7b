"""What is not a number in a block's products: NaN elements, infinities, and the products that neither can have."""

from functools import reduce
from operator import or_

from amaranth.hdl import Const, Module, Signal, Value

from hdl.units.factors import Factor

__all__ = ["find_specials"]


def find_specials(m: Module, a: list[Factor], b: list[Factor]) -> dict[str, Value]:
    """Flags `nan`, `infinity`, `infinity_sign` of a sum of products (formats.md 3.3).

    NaN: a NaN element, infinity times zero, or infinite products of both signs. Else an infinite product is the sum.
    Constants where neither format has such codes.
    """
    nans: list[Value] = [f.nan for f in (*a, *b) if f.nan is not None]
    positive: list[Value] = []
    negative: list[Value] = []
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        if x.infinity is None and y.infinity is None:
            continue
        x_infinite, y_infinite = (Const(0, 1) if f.infinity is None else f.infinity for f in (x, y))
        infinite, sign = Signal(name=f"infinite_{k}"), Signal(name=f"infinite_sign_{k}")
        m.d.comb += [infinite.eq(x_infinite | y_infinite), sign.eq(x.sign ^ y.sign)]
        nans += [x_infinite & _is_zero(y), y_infinite & _is_zero(x)]
        positive.append(infinite & ~sign)
        negative.append(infinite & sign)

    zero: Value = Const(0, 1)
    has_positive, has_negative = reduce(or_, positive, zero), reduce(or_, negative, zero)
    return {
        "nan": reduce(or_, nans, zero) | (has_positive & has_negative),
        "infinity": has_positive | has_negative,
        "infinity_sign": has_negative,
    }


def _is_zero(factor: Factor) -> Value:
    return ~factor.magnitude.any()
