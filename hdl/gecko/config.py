"""What the Gecko units have in common: geometry, options, and the layouts of tensors, rows and metadata words."""

from dataclasses import dataclass

from amaranth.lib import data

from hdl.config import MAX_PIPELINE, UnitConfig, integer, named
from hdl.layouts import FloatLayout, float_layout

__all__ = [
    "BEATS",
    "COUNT",
    "DELTA",
    "FIXED",
    "LANES",
    "METADATA",
    "RAW",
    "ROWS",
    "ContainerConfig",
    "GeckoConfig",
    "RowConfig",
    "row_layout",
    "tensor_layout",
    "value_row",
]

LANES = 8  # columns of a group
ROWS = 8
RAW, DELTA, FIXED = range(3)  # `mode`, as in the tensor descriptor

COUNT = range(LANES + 1)  # values of a row
LENGTH = 48  # bits of a tensor's length in values
# 2^45 rows of at most one word a lane, and 2^42 masks of 8 bits: below 2^46 beats.
BEATS = 46
METADATA = data.StructLayout({"word": 3 * ROWS})  # field r at bits 3r+2..3r


@dataclass(frozen=True, slots=True, kw_only=True)
class GeckoConfig(UnitConfig):
    """Options of every Gecko unit."""

    zero_mask: str = named(
        "off", ("off", "on"), "hardware for zero masks, which a tensor may then have", token="masked"
    )

    @property
    def masked(self) -> bool:
        """Whether tensors may have zero masks."""
        return self.zero_mask == "on"

    def _describe(self, what: str) -> str:
        masks = "zero masks" if self.masked else "no zero masks"
        return f"{what}; 8 lanes, {masks}, {self.pipeline} pipeline stage(s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowConfig(GeckoConfig):
    """Options of the coder of bare exponents."""

    pipeline: int = integer(2, range(MAX_PIPELINE + 1), "register stages inside", token="p{}")
    tail: int = integer(0, range(25), "bits that travel beside each exponent, unchanged", token="t{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig(GeckoConfig):
    """Options of packer and unpacker."""

    pipeline: int = integer(3, range(MAX_PIPELINE + 1), "register stages inside", token="p{}")
    source: str = named("fp32", ("fp32", "bf16"), "type of the values; a lane's word in a beat is as wide")

    @property
    def value_layout(self) -> FloatLayout:
        """Layout of one value."""
        return float_layout(self.source)

    @property
    def word_bits(self) -> int:
        """Bits that a lane has in a beat."""
        return self.value_layout.size


def tensor_layout(
    config: GeckoConfig, *, length: bool = False, beats: bool = False, container: bool = False
) -> data.StructLayout:
    """What a unit must know of a tensor, encoded and ordered as in the tensor descriptor (gecko.md 4)."""
    members: dict[str, int] = {}
    if length:
        members["length"] = LENGTH
    if beats:
        members["beats"] = BEATS
    members["ne_minus_1"] = 3
    if container:
        members["mantissa_bits"] = 5
    members["mode"] = 2
    if container:
        members["sign_elided"] = 1
    if config.masked:
        members["zero_mask"] = 1
    members["bias"] = 8
    if container:
        members["offset"] = 8
    return data.StructLayout(members)


def value_row(value: FloatLayout, **more: object) -> data.StructLayout:
    """A row of values, and where its tensor ends."""
    members: dict[str, object] = {"value": data.ArrayLayout(value, LANES), "count": COUNT, "last": 1}
    return data.StructLayout(members | more)


def row_layout(tail: int, **more: object) -> data.StructLayout:
    """A row of exponent codes, with `tail` bits beside each, and where its tensor ends."""
    members: dict[str, object] = {"exponent": data.ArrayLayout(8, LANES)}
    if tail:
        members["tail"] = data.ArrayLayout(tail, LANES)
    return data.StructLayout(members | {"count": COUNT, "last": 1} | more)
