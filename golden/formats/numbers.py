"""How one number is stored: the elements of blocks, and scalar floats."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ElementEncoding", "ElementFormat", "FloatFormat", "Specials", "require"]


class ElementEncoding(StrEnum):
    """How one element is stored."""

    SIGN_MAGNITUDE = "sign-magnitude"
    TWOS_COMPLEMENT = "twos-complement"
    FLOAT = "float"


class Specials(StrEnum):
    """Which codes of a minifloat are not numbers."""

    NONE = "none"
    NAN = "nan"  # only all ones below the sign is NaN, no infinity (E4M3)
    IEEE = "ieee"  # the top exponent holds infinity and NaN (E5M2)


def require(condition: bool, message: str) -> None:
    """Raise ValueError with the message, which names the legal range, unless the condition holds."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementFormat:
    """One element of a block: an integer mantissa (`exponent_bits == 0`) or a minifloat.

    `mantissa_bits` counts stored bits without the sign: the magnitude of an integer, the fraction of a minifloat.
    `fraction_bits` says how many of an integer's bits lie below the binary point; for a minifloat all of them do.
    """

    encoding: ElementEncoding
    mantissa_bits: int
    fraction_bits: int
    exponent_bits: int = 0
    bias: int = 0
    specials: Specials = Specials.NONE

    def __post_init__(self) -> None:
        is_float = self.encoding is ElementEncoding.FLOAT
        low, high = (0, 10) if is_float else (1, 15)
        require(
            low <= self.mantissa_bits <= high,
            f"mantissa_bits {self.mantissa_bits}: {low}..{high} (without the sign) for {self.encoding} elements",
        )
        require(
            1 <= self.exponent_bits <= 8 if is_float else self.exponent_bits == 0,
            f"exponent_bits {self.exponent_bits}: 1..8 for float elements, 0 for integers",
        )
        require(
            self.fraction_bits == self.mantissa_bits if is_float else 0 <= self.fraction_bits <= self.mantissa_bits,
            f"fraction_bits {self.fraction_bits}: equal to mantissa_bits for float elements, else up to it",
        )
        require(is_float or self.specials is Specials.NONE, "specials: integers have none")
        require(
            self.specials is Specials.NONE or (self.mantissa_bits >= 1 and self.exponent_bits >= 2),
            f"specials {self.specials}: minifloats of at least 2 exponent bits and 1 mantissa bit only",
        )

    @property
    def bits(self) -> int:
        """Stored width, sign included."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def is_float(self) -> bool:
        """Whether the element has an exponent of its own."""
        return self.encoding is ElementEncoding.FLOAT

    @property
    def precision(self) -> int:
        """p, the significand bits that a largest-binade element carries (the hidden one of a minifloat counted)."""
        return self.mantissa_bits + (1 if self.is_float else 0)

    @property
    def emax(self) -> int:
        """Exponent of the largest binade: what a block's exponent must leave to its largest element."""
        if not self.is_float:
            return self.mantissa_bits - 1 - self.fraction_bits
        return (1 << self.exponent_bits) - 1 - self.bias - (1 if self.specials is Specials.IEEE else 0)

    @property
    def lsb_exponent(self) -> int:
        """Exponent of the smallest positive element: every element is an integer multiple of 2^lsb_exponent."""
        return (1 - self.bias if self.is_float else 0) - self.fraction_bits

    @property
    def max_code(self) -> int:
        """Code of the largest finite magnitude."""
        if not self.is_float:
            return (1 << self.mantissa_bits) - 1
        top = (1 << self.exponent_bits + self.mantissa_bits) - 1
        return {Specials.NONE: top, Specials.NAN: top - 1, Specials.IEEE: top - (1 << self.mantissa_bits)}[
            self.specials
        ]

    @property
    def max_integer(self) -> int:
        """The largest finite magnitude in units of 2^lsb_exponent."""
        if not self.is_float:
            return self.max_code
        exponent, fraction = self.max_code >> self.mantissa_bits, self.max_code & (1 << self.mantissa_bits) - 1
        return fraction if exponent == 0 else (fraction + (1 << self.mantissa_bits)) << (exponent - 1)

    @property
    def largest_code_integer(self) -> int:
        """The largest magnitude that any code decodes to: two's complement has one more below zero, never produced."""
        return self.max_integer + (self.encoding is ElementEncoding.TWOS_COMPLEMENT)

    @property
    def keeps_negative_zero(self) -> bool:
        """Whether a value that rounds to zero keeps its sign; an integer mantissa has one zero."""
        return self.is_float


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """A scalar float as IEEE 754 lays it out, up to FP32's widths.

    `finite`: no infinity, and all ones below the sign the only NaN (OCP E4M3); what would overflow becomes NaN.
    """

    name: str
    exponent_bits: int
    fraction_bits: int
    finite: bool = False

    def __post_init__(self) -> None:
        require(2 <= self.exponent_bits <= 8, f"exponent_bits {self.exponent_bits}: 2..8")
        require(1 <= self.fraction_bits <= 23, f"fraction_bits {self.fraction_bits}: 1..23")

    @property
    def bits(self) -> int:
        """Of a code."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        """Subtracted from a nonzero exponent field; a zero field means exponent 1 - bias and no hidden one."""
        return (1 << self.exponent_bits - 1) - 1

    @property
    def lowest(self) -> int:
        """Exponent of the least subnormal: every number is a multiple of 2^lowest."""
        return 1 - self.bias - self.fraction_bits

    @property
    def sign(self) -> int:
        """The sign's bit."""
        return 1 << self.bits - 1

    @property
    def infinity(self) -> int:
        """Code of positive infinity, or of the NaN that takes its place."""
        return self.nan if self.finite else self.sign - (1 << self.fraction_bits)

    @property
    def nan(self) -> int:
        """Code of the canonical NaN: quiet, positive, no payload."""
        return self.sign - 1 if self.finite else self.infinity | 1 << self.fraction_bits - 1
