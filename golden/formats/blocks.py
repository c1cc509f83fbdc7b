"""How a block is stored: elements that share a scale, in groups that may share a microexponent."""

from dataclasses import dataclass
from enum import StrEnum

from golden.formats.numbers import ElementFormat, Specials, require

__all__ = ["BlockFormat", "ScaleEncoding", "ScaleFormat"]


class ScaleEncoding(StrEnum):
    """How a shared exponent is stored."""

    TWOS_COMPLEMENT = "twos-complement"
    BIASED = "biased"
    FLOAT = "float"  # a minifloat with a significand of its own (NVFP4's E4M3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFormat:
    """The shared exponent of a block, or its minifloat scale (NVFP4). All ones but a sign's place means poison.

    `lowest`, `highest`, `encode` and `decode` are about exponents; a minifloat scale is read as its `minifloat` says.
    """

    encoding: ScaleEncoding
    bits: int
    bias: int = 0
    minifloat: ElementFormat | None = None

    def __post_init__(self) -> None:
        require(2 <= self.bits <= 10, f"scale bits {self.bits}: 2..10")
        require(
            self.encoding is ScaleEncoding.BIASED or self.bias == 0,
            f"bias {self.bias}: 0 for a {self.encoding} scale, whose minifloat has its own",
        )
        require(
            (self.encoding is ScaleEncoding.FLOAT) == (self.minifloat is not None),
            "minifloat: an element format for a float scale, and for no other",
        )
        require(
            self.minifloat is None or (self.minifloat.bits, self.minifloat.specials) == (self.bits, Specials.NAN),
            f"minifloat: as wide as the scale, {self.bits} bits, and its all-ones code is its only NaN",
        )

    @property
    def lowest(self) -> int:
        """Smallest exponent that can be stored; an all-zero block takes it."""
        return -(1 << self.bits - 1) if self.encoding is ScaleEncoding.TWOS_COMPLEMENT else -self.bias

    @property
    def highest(self) -> int:
        """Largest exponent that can be stored, one below the poison code."""
        return self.lowest + (1 << self.bits) - 2

    @property
    def unit_exponents(self) -> range:
        """Exponents of the powers of two that a scale stands for: of a minifloat scale, those of its last bit."""
        if self.minifloat is None:
            return range(self.lowest, self.highest + 1)
        binades = (1 << self.minifloat.exponent_bits) - 1  # the subnormals share the first
        return range(self.minifloat.lsb_exponent, self.minifloat.lsb_exponent + binades)

    @property
    def poison_code(self) -> int:
        """Stored code of a block that took in a NaN or an infinity."""
        if self.encoding is ScaleEncoding.BIASED:
            return (1 << self.bits) - 1
        return (1 << self.bits - 1) - 1

    @property
    def poison_mask(self) -> int:
        """The bits of a code that say poison: all but the sign of a minifloat, whose NaN has either."""
        return (1 << self.bits - (self.encoding is ScaleEncoding.FLOAT)) - 1

    @property
    def max_significand(self) -> int:
        """Largest integer that a scale multiplies its block by, next to a power of two."""
        return 1 if self.minifloat is None else (2 << self.minifloat.mantissa_bits) - 1

    def encode(self, exponent: int) -> int:
        """Unsigned stored code of an exponent in lowest..highest."""
        return (exponent + self.bias) % (1 << self.bits)

    def decode(self, code: int) -> int:
        """Exponent behind a stored code (the poison code decodes as highest + 1)."""
        if self.encoding is ScaleEncoding.TWOS_COMPLEMENT:
            return code - (code >> self.bits - 1 << self.bits)
        return code - self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFormat:
    """`block` elements that share one scale, in pairs (`subblock`) that may share a microexponent.

    `name` is the canonical catalogue name. Packing, LSB first: elements in order, each with its sign on top, then
    microexponents, then the scale.
    """

    name: str
    element: ElementFormat
    scale: ScaleFormat
    block: int
    subblock: int = 1
    microexponent_bits: int = 0
    tensor_scale: bool = False

    def __post_init__(self) -> None:
        require(1 <= self.block <= 1024, f"block {self.block}: 1..1024")
        require(
            1 <= self.subblock <= self.block and self.block % self.subblock == 0,
            f"subblock {self.subblock}: a divisor of the block {self.block}",
        )
        require(0 <= self.microexponent_bits <= 3, f"microexponent_bits {self.microexponent_bits}: 0..3")
        is_float = self.scale.encoding is ScaleEncoding.FLOAT
        require(
            not is_float or self.microexponent_bits == 0,
            f"microexponent_bits {self.microexponent_bits}: 0 under a float scale",
        )
        require(not is_float or self.element.specials is Specials.NONE, "specials: none under a float scale")
        require(is_float == self.tensor_scale, "tensor_scale: above a float scale, and above no other")

    @property
    def microexponents(self) -> int:
        """How many microexponents a block stores."""
        return self.block // self.subblock if self.microexponent_bits else 0

    @property
    def max_microexponent(self) -> int:
        """Largest microexponent, beta of formats.md 2.3; 0 for formats without."""
        return (1 << self.microexponent_bits) - 1

    @property
    def unit_exponent(self) -> int:
        """Exponent of the unit in which every element of a block is an integer, beside the shared exponent."""
        return self.element.lsb_exponent - self.max_microexponent

    @property
    def max_integer(self) -> int:
        """The largest magnitude of any stored element in that unit, the scale's significand multiplied in."""
        return (self.element.largest_code_integer << self.max_microexponent) * self.scale.max_significand

    @property
    def element_bits(self) -> int:
        """Bits that the elements of one block take."""
        return self.block * self.element.bits

    @property
    def bits(self) -> int:
        """Bits of one packed block."""
        return self.element_bits + self.microexponents * self.microexponent_bits + self.scale.bits

    @property
    def bytes(self) -> int:
        """Bytes of one packed block in memory, padded with zero bits."""
        return (self.bits + 7) // 8

    @property
    def bits_per_element(self) -> float:
        """Storage cost of one element, its share of the scales included."""
        return self.bits / self.block
