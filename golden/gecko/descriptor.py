"""What a Gecko container says about its tensor: source, geometry, mode and widths, packed into 256 bits (gecko.md 4).

Frozen facts and their legality only; no codec lives here. The scalar reference, the NumPy definition, the file reader
and the benches of the hardware all start from a `Descriptor`.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

__all__ = ["GROUP", "LANES", "ROWS", "Descriptor", "GeckoError", "Mode", "Source"]

LANES = 8  # columns of a group; value i of a group sits at row i >> 3, column i & 7
ROWS = 8
GROUP = LANES * ROWS


class GeckoError(ValueError):
    """A container, a descriptor or a tensor that the format cannot hold; the message says which rule it breaks."""


class Source(IntEnum):
    """The float format that the values came from; the number is the descriptor's `src` field."""

    BF16 = 0
    FP32 = 1

    @property
    def bits(self) -> int:
        """Bits of a value, and of the word that a lane contributes to a beat (gecko.md 4)."""
        return 16 << self

    @property
    def mantissa_bits(self) -> int:
        """M, the stored fraction bits: 7 or 23 (both sources have 8 exponent bits)."""
        return self.bits - 9


class Mode(IntEnum):
    """How the exponents are coded; the number is the descriptor's `mode` field. The order is the order of ties."""

    RAW = 0  # stored unchanged, no metadata
    DELTA = 1  # row 0 is the base of its columns, rows 1..7 hold differences to it
    FIXED = 2  # every row holds the difference to one constant


# Field of the descriptor -> (lowest bit, width, amount subtracted before storing). All other bits are zero.
_LAYOUT = {
    "data_address": (0, 64, 0),
    "meta_address": (64, 64, 0),
    "length": (128, 48, 0),
    "source": (176, 2, 0),
    "exponent_bits": (178, 3, 1),
    "mantissa_bits": (181, 5, 0),
    "mode": (186, 2, 0),
    "sign_elided": (188, 1, 0),
    "zero_mask": (189, 1, 0),
    "bias": (192, 8, 0),
    "offset": (200, 8, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One tensor's container parameters; an illegal combination raises `GeckoError` with the legal range.

    `length` counts values (0..2^48-1). `exponent_bits` is ne (1..8), `mantissa_bits` is wm (0..7 or 0..23), `bias`
    the code b that `fixed` rows and masked bases refer to (0..2^ne-1), `offset` what was subtracted from the exponent
    field to make a code (0 at ne = 8). Addresses are bytes and free for the user of the descriptor.
    """

    source: Source
    length: int
    mode: Mode = Mode.RAW
    exponent_bits: int = 8
    mantissa_bits: int
    bias: int = 0
    offset: int = 0
    sign_elided: bool = False
    zero_mask: bool = False
    data_address: int = 0
    meta_address: int = 0

    def __post_init__(self) -> None:
        # A field read from a file arrives as a plain number: 2 and 3 are no source, 3 is no mode.
        _range("source", self.source, 0, 1, "(0 BF16, 1 FP32)")
        _range("mode", self.mode, 0, 2, "(0 raw, 1 delta, 2 fixed)")
        object.__setattr__(self, "source", Source(self.source))
        object.__setattr__(self, "mode", Mode(self.mode))
        _range("length", self.length, 0, (1 << 48) - 1, "values")
        _range("exponent_bits", self.exponent_bits, 1, 8)
        _range("mantissa_bits", self.mantissa_bits, 0, self.source.mantissa_bits, f"for {self.source.name}")
        _range("bias", self.bias, 0, (1 << self.exponent_bits) - 1, f"at {self.exponent_bits} exponent bits")
        _range("offset", self.offset, 0, 255 if self.exponent_bits < 8 else 0, f"at {self.exponent_bits} exponent bits")
        _range("data_address", self.data_address, 0, (1 << 64) - 1)
        _range("meta_address", self.meta_address, 0, (1 << 64) - 1)
        if self.exponent_bits == 1 and self.mode is not Mode.RAW:
            raise GeckoError(f"mode {self.mode.name.lower()}: 1 exponent bit can only be stored raw")
        if self.zero_mask and self.mode is Mode.RAW:
            raise GeckoError("zero_mask: raw mode has none")

    @property
    def rows(self) -> int:
        """Rows that exist: a short last group has only as many as its values fill."""
        return -(-self.length // LANES)

    @property
    def groups(self) -> int:
        """Groups, the last one possibly short."""
        return -(-self.length // GROUP)

    @property
    def tail_bits(self) -> int:
        """Bits of a value field below the exponent code: mantissa and sign."""
        return self.mantissa_bits + (not self.sign_elided)

    @property
    def metadata_bytes(self) -> int:
        """Three bytes of widths a group, none in raw mode."""
        return 0 if self.mode is Mode.RAW else 3 * self.groups

    @property
    def beat_bytes(self) -> int:
        """Bytes of one data beat: a word from each lane."""
        return LANES * self.source.bits // 8

    def to_bytes(self) -> bytes:
        """The 256-bit descriptor, little-endian."""
        word = 0
        for name, (lsb, _, below) in _LAYOUT.items():
            word |= int(getattr(self, name)) - below << lsb
        return word.to_bytes(32, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Descriptor":
        """Read a descriptor; anything illegal, a reserved bit that is set included, raises `GeckoError`."""
        if len(data) != 32:
            raise GeckoError(f"descriptor of {len(data)} bytes: 32")
        word = int.from_bytes(data, "little")
        facts = {}
        for name, (lsb, width, below) in _LAYOUT.items():
            facts[name] = (word >> lsb & (1 << width) - 1) + below
            word &= ~((1 << width) - 1 << lsb)
        if word:
            raise GeckoError(f"descriptor: reserved bit {word.bit_length() - 1} is set")
        flags = {f.name: bool(facts[f.name]) for f in fields(cls) if f.type is bool}
        return cls(**facts | flags)  # type: ignore[arg-type]


def _range(name: str, value: int, low: int, high: int, where: str = "") -> None:
    if not low <= value <= high:
        raise GeckoError(f"{name} {value}: {low}..{high} {where}".rstrip())
