"""Stream payloads as Amaranth layouts, and the bit map of a layout for headers and manifests.

Every leaf of a layout says how its bits are to be read (unsigned, twos-complement, sign-magnitude, float); a packed
block has exactly the bit order of formats.md 0.9: elements in order, LSB first, each with its sign on top, then the
shared exponent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape, ShapeCastable, unsigned
from amaranth.lib import data

from golden.catalog import get_float
from golden.formats import BlockFormat, ElementEncoding, ElementFormat, ScaleEncoding

__all__ = [
    "FLOATS",
    "FieldBits",
    "FloatLayout",
    "SignMagnitude",
    "block_layout",
    "elements",
    "field_map",
    "float_layout",
    "stored_scale",
]


class SignMagnitude(data.StructLayout):
    """An integer element: `magnitude_bits` of magnitude with the sign on top. Minus zero reads as zero."""

    def __init__(self, magnitude_bits: int) -> None:
        super().__init__({"magnitude": magnitude_bits, "sign": 1})


class FloatLayout(data.StructLayout):
    """An IEEE-like float: fraction, biased exponent, sign. `name` is what the manifest calls it.

    `finite` is OCP's E4M3: no infinity, the only NaN is all ones, and the rest of the top exponent are numbers.
    """

    def __init__(self, name: str, exponent_bits: int, fraction_bits: int, *, finite: bool = False) -> None:
        super().__init__({"fraction": fraction_bits, "exponent": exponent_bits, "sign": 1})
        self.name, self.exponent_bits, self.fraction_bits = name, exponent_bits, fraction_bits
        self.finite = finite

    @property
    def bias(self) -> int:
        """Subtracted from a non-zero exponent field; a zero field means exponent 1 - bias and no hidden one."""
        return (1 << self.exponent_bits - 1) - 1

    @property
    def significand_bits(self) -> int:
        """The fraction and the hidden one."""
        return self.fraction_bits + 1

    @property
    def top_binade(self) -> int:
        """The largest exponent field of a number, counted from the lowest binade's."""
        return (1 << self.exponent_bits) - (2 if self.finite else 3)

    @property
    def infinity(self) -> int:
        """Code of positive infinity; of a format without one, of what takes its place: NaN."""
        return self.nan if self.finite else ((1 << self.exponent_bits) - 1) << self.fraction_bits

    @property
    def nan(self) -> int:
        """The canonical NaN: quiet, positive, no payload."""
        if self.finite:
            return (1 << self.exponent_bits + self.fraction_bits) - 1
        return self.infinity | 1 << self.fraction_bits - 1


FLOATS = ("fp32", "bf16", "fp16")  # what the converters take and give


def float_layout(name: str) -> FloatLayout:
    """Layout of a scalar float type by its name in the catalogue."""
    fmt = get_float(name)
    return FloatLayout(name, fmt.exponent_bits, fmt.fraction_bits, finite=fmt.finite)


def block_layout(fmt: BlockFormat) -> data.StructLayout:
    """Layout of one packed block (formats.md 0.9): `mantissa` or, of a minifloat format, `element`; then `exponent`.

    A two-level format has `microexponent` between them. A biased exponent is its stored code. A minifloat scale is
    called `scale`.
    """
    element = fmt.element
    leaf: ShapeCastable | Shape
    if element.is_float:
        leaf = _minifloat_layout(element)
    elif element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        leaf = Shape(element.bits, signed=True)
    else:
        leaf = SignMagnitude(element.mantissa_bits)
    parts: dict[str, ShapeCastable | Shape] = {_elements_name(fmt): data.ArrayLayout(leaf, fmt.block)}
    if fmt.microexponents:
        parts["microexponent"] = data.ArrayLayout(fmt.microexponent_bits, fmt.microexponents)
    parts[_scale_name(fmt)] = (
        Shape(fmt.scale.bits, signed=fmt.scale.encoding is ScaleEncoding.TWOS_COMPLEMENT)
        if fmt.scale.minifloat is None
        else _minifloat_layout(fmt.scale.minifloat)
    )
    return data.StructLayout(parts)


def _minifloat_layout(element: ElementFormat) -> FloatLayout:
    return FloatLayout(
        f"e{element.exponent_bits}m{element.mantissa_bits}", element.exponent_bits, element.mantissa_bits
    )


def _elements_name(fmt: BlockFormat) -> str:
    return "element" if fmt.element.is_float else "mantissa"


def _scale_name(fmt: BlockFormat) -> str:
    return "exponent" if fmt.scale.minifloat is None else "scale"


def elements(block: data.View, fmt: BlockFormat) -> list[Any]:
    """The elements of a block view."""
    return list(block[_elements_name(fmt)])


def stored_scale(block: data.View, fmt: BlockFormat) -> Any:
    """The stored scale of a block view: a number, or a view of a minifloat."""
    return block[_scale_name(fmt)]


@dataclass(frozen=True, slots=True)
class FieldBits:
    """Where a leaf lies in a packed payload and how it is read; `format` names the float type of a float."""

    name: str
    lsb: int
    width: int
    encoding: str
    format: str | None = None

    def to_dict(self) -> dict[str, str | int]:
        """Manifest entry."""
        entry: dict[str, str | int] = {
            "name": self.name,
            "lsb": self.lsb,
            "width": self.width,
            "encoding": self.encoding,
        }
        return entry if self.format is None else entry | {"format": self.format}


def field_map(layout: ShapeCastable | Shape | int, name: str = "", lsb: int = 0) -> Iterator[FieldBits]:
    """Leaves of a layout, lowest bit first."""
    if isinstance(layout, SignMagnitude):
        yield FieldBits(name, lsb, layout.size, "sign-magnitude")
    elif isinstance(layout, FloatLayout):
        yield FieldBits(name, lsb, layout.size, "float", layout.name)
    elif isinstance(layout, data.Layout):
        for key, child in layout:
            inner = f"{name}[{key}]" if isinstance(layout, data.ArrayLayout) else f"{name}.{key}".lstrip(".")
            yield from field_map(child.shape, inner, lsb + child.offset)
    else:
        shape = unsigned(layout) if isinstance(layout, int) else Shape.cast(layout)
        yield FieldBits(name, lsb, shape.width, "twos-complement" if shape.signed else "unsigned")
