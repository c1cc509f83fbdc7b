"""Frozen descriptions of number formats: elements, shared scales and the blocks they form.

One type, `BlockFormat`, covers BFP/HBFP, MSFP, shared microexponents (MX9/6/4), OCP MX, NVFP4 and block minifloat.
It holds primary facts only; every other figure is a property. No arithmetic lives here: the golden model and the
hardware generators both read these facts and each implements them on its own.

The one formula behind all of them: a block with shared exponent E holds elements of value

    (-1)^sign * significand * 2^(E - microexponent),    E = clamp(e_rule(max |x|) - element.emax)

where `e_rule` is the scale rule (floor, ceil, even) and `element.emax` the exponent of the element's largest binade.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "BlockFormat",
    "ElementEncoding",
    "ElementFormat",
    "FloatFormat",
    "Rounding",
    "ScaleEncoding",
    "ScaleFormat",
    "ScaleRule",
    "Specials",
]


class Rounding(StrEnum):
    """How a magnitude is cut to fewer bits; the sign is re-applied afterwards."""

    RNE = "rne"  # to nearest, ties to even
    RNA = "rna"  # to nearest, ties away from zero
    RTZ = "rtz"  # towards zero
    SR = "sr"  # stochastic: floor(|y| + r / 2^R) with a random word r of R bits


class ScaleRule(StrEnum):
    """Which exponent a block's largest magnitude a > 0 asks for (p significand bits, largest element P in [1, 2))."""

    FLOOR = "floor"  # floor(log2 a)
    CEIL = "ceil"  # one more where a would clip: a > P * 2^floor(log2 a)
    EVEN = "even"  # floor(log2 of a rounded RNE to p bits)


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


class ScaleEncoding(StrEnum):
    """How a shared exponent is stored."""

    TWOS_COMPLEMENT = "twos-complement"
    BIASED = "biased"
    FLOAT = "float"  # a minifloat with a significand of its own (NVFP4's E4M3)


def _check(condition: bool, message: str) -> None:
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
        _check(
            low <= self.mantissa_bits <= high,
            f"mantissa_bits {self.mantissa_bits}: {low}..{high} (without the sign) for {self.encoding} elements",
        )
        _check(
            1 <= self.exponent_bits <= 8 if is_float else self.exponent_bits == 0,
            f"exponent_bits {self.exponent_bits}: 1..8 for float elements, 0 for integers",
        )
        _check(
            self.fraction_bits == self.mantissa_bits if is_float else 0 <= self.fraction_bits <= self.mantissa_bits,
            f"fraction_bits {self.fraction_bits}: equal to mantissa_bits for float elements, else up to it",
        )
        _check(is_float or self.specials is Specials.NONE, "specials: integers have none")
        _check(
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
        _check(2 <= self.bits <= 10, f"scale bits {self.bits}: 2..10")
        _check(
            self.encoding is ScaleEncoding.BIASED or self.bias == 0,
            f"bias {self.bias}: 0 for a {self.encoding} scale, whose minifloat has its own",
        )
        _check(
            (self.encoding is ScaleEncoding.FLOAT) == (self.minifloat is not None),
            "minifloat: an element format for a float scale, and for no other",
        )
        _check(
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
        _check(1 <= self.block <= 1024, f"block {self.block}: 1..1024")
        _check(
            1 <= self.subblock <= self.block and self.block % self.subblock == 0,
            f"subblock {self.subblock}: a divisor of the block {self.block}",
        )
        _check(0 <= self.microexponent_bits <= 3, f"microexponent_bits {self.microexponent_bits}: 0..3")
        is_float = self.scale.encoding is ScaleEncoding.FLOAT
        _check(
            not is_float or self.microexponent_bits == 0,
            f"microexponent_bits {self.microexponent_bits}: 0 under a float scale",
        )
        _check(not is_float or self.element.specials is Specials.NONE, "specials: none under a float scale")
        _check(is_float == self.tensor_scale, "tensor_scale: above a float scale, and above no other")

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


def conversion_loss(source: BlockFormat, target: BlockFormat, rule: ScaleRule) -> str:
    """Why some block of `source` has a value that no block of `target` made by `rule` holds; "" if there is none.

    Both have one block length and power-of-two scales. Values only: infinities and NaN, which no conversion keeps, do
    not count. Binades and places are those under the shared exponent 0.
    """
    from_, to = source.element, target.element
    span = from_.largest_code_integer.bit_length()  # from an element's largest binade to its last place
    kept = to.emax - to.lsb_exponent + 1

    def clips(significand: int) -> bool:
        """Whether an element of the source lies above the target's largest in the same binade."""
        return significand << to.max_integer.bit_length() > to.max_integer << significand.bit_length()

    saturates = rule is not ScaleRule.CEIL and clips((1 << from_.precision) - 1)
    bump = rule is ScaleRule.CEIL and clips(from_.largest_code_integer)  # below the top binade it costs none
    # A group under one microexponent of the target lies in one of the source, or else in the whole block.
    shared = source.max_microexponent if source.microexponents > 1 else 0  # how far apart two groups can lie
    inside = target.microexponents > 0 and (not shared or source.subblock % target.subblock == 0)
    wanted = span if inside else span + shared
    if to.is_float and from_.precision > to.precision:
        return f"elements have {from_.precision} significant bits, {target.name} keeps {to.precision}"
    if wanted + bump > kept or span + shared + bump > kept + target.max_microexponent:
        return f"elements reach down {wanted - 1} binades, {target.name} keeps {kept - 1 - bump}"
    if saturates:
        return f"the largest elements saturate in {target.name} under the scale rule {rule.value}"
    lowest, highest = source.scale.lowest + source.unit_exponent, target.scale.lowest + target.unit_exponent
    if lowest < highest:
        return f"values go down to 2^{lowest}, {target.name} to 2^{highest}"
    top = source.scale.highest + from_.lsb_exponent + span - 1 + bump
    if top > target.scale.highest + to.emax:
        return f"values go up to 2^{top}, {target.name} to 2^{target.scale.highest + to.emax}"
    return ""


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
        _check(2 <= self.exponent_bits <= 8, f"exponent_bits {self.exponent_bits}: 2..8")
        _check(1 <= self.fraction_bits <= 23, f"fraction_bits {self.fraction_bits}: 1..23")

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
