"""Stored elements as integer factors: what a multiplier sees of an integer's or a minifloat's code."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import data

from golden.formats import ElementEncoding, ElementFormat, Specials
from hdl.arith.bits import negate_if

__all__ = ["Factor", "decode_element", "product_shape", "signed_product"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One element as (-1)^sign * magnitude * 2^shift, in units of its format's LSB.

    `shift` is None for integers. `nan` and `infinity` are None where the format has no such codes; the magnitude of
    such a code means nothing.
    """

    sign: Value
    magnitude: Value
    shift: Value | None = None
    nan: Value | None = None
    infinity: Value | None = None


def decode_element(m: Module, element: data.View | Value, fmt: ElementFormat, *, name: str) -> Factor:
    """The factor behind a stored code; every code is legal."""
    if fmt.encoding is ElementEncoding.SIGN_MAGNITUDE:
        return Factor(sign=element.sign, magnitude=element.magnitude)
    if fmt.encoding is ElementEncoding.TWOS_COMPLEMENT:
        # The lowest code's magnitude takes all the bits of the code.
        magnitude = Signal(fmt.bits, name=f"{name}_magnitude")
        m.d.comb += magnitude.eq(negate_if(Value.cast(element), element[-1]))
        return Factor(sign=element[-1], magnitude=magnitude)

    hidden = Signal(name=f"{name}_hidden")
    shift = Signal(fmt.exponent_bits, name=f"{name}_shift")
    m.d.comb += [hidden.eq(element.exponent.any()), shift.eq(element.exponent - hidden)]
    top = element.exponent.all()
    ieee = fmt.specials is Specials.IEEE
    return Factor(
        sign=element.sign,
        magnitude=Cat(element.fraction, hidden),
        shift=shift,
        nan={
            Specials.NONE: None,
            Specials.NAN: top & element.fraction.all(),
            Specials.IEEE: top & element.fraction.any(),
        }[fmt.specials],
        infinity=top & ~element.fraction.any() if ieee else None,
    )


def product_shape(a: ElementFormat, b: ElementFormat, *, count: int = 1) -> Shape:
    """The magnitude of the sum of so many largest products of any two codes, and a sign."""
    return signed((count * a.largest_code_integer * b.largest_code_integer).bit_length() + 1)


def signed_product(m: Module, a: Factor, b: Factor, shape: Shape, *, name: str) -> Signal:
    """a * b as a two's-complement number of `shape`, which `product_shape` gives."""
    magnitude, negative = Signal(shape.width - 1, name=f"magnitude_{name}"), Signal(name=f"negative_{name}")
    product = Signal(shape, name=f"product_{name}")
    shifts = [shift for shift in (a.shift, b.shift) if shift is not None]
    m.d.comb += negative.eq(a.sign ^ b.sign)
    significands: Value = a.magnitude * b.magnitude
    if shifts:
        m.d.comb += magnitude.eq(significands << (shifts[0] + shifts[1] if len(shifts) == 2 else shifts[0]))
    else:
        m.d.comb += magnitude.eq(significands)
    m.d.comb += product.eq(negate_if(Cat(magnitude, Const(0, 1)), negative))
    return product
