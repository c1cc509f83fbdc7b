"""The ports of a unit: which bits of a port are which field, and what turns arrays of values into those bits and back.

Values travel as *batches*: a dict from base field name to stored, unsigned codes, `"a.mantissa"` -> (n, lanes) for a
field listed as `a.mantissa[0]`, `a.mantissa[1]`, ..., `"a.exponent"` -> (n,) for one without an index. The dtype is the
smallest unsigned one that holds the code (`lanes.code_dtype`). A port turns batches into rows of packed bits and back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tb import lanes

__all__ = ["Batch", "Field", "Group", "ManifestError", "Port", "decode"]

ROLES = ("clock", "reset", "payload", "valid", "ready", "data")
ENCODINGS = ("unsigned", "twos-complement", "sign-magnitude", "float")
_FLOATS = {"fp32": 32, "bf16": 16, "fp16": 16}

Batch = dict[str, np.ndarray]


class ManifestError(ValueError):
    """The file is not a manifest this bench understands; the message names the file, the key and what is legal."""


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a port: `width` bits from bit `lsb` up."""

    name: str
    lsb: int
    width: int
    encoding: str
    format: str | None = None  # which float, for encoding "float"


@dataclass(frozen=True, slots=True)
class Group:
    """All elements of one base name: `lanes` codes of `width` bits, contiguous from `lsb`; `array` if indexed."""

    base: str
    lsb: int
    width: int
    lanes: int
    array: bool
    encoding: str
    format: str | None

    def text(self, codes: int | Sequence[int]) -> str:
        """Readable values: `[-3 0 +7]` for an array, `-12` for a scalar."""
        values = codes if isinstance(codes, Sequence) else [codes]
        shown = " ".join(decode(int(c), self.width, self.encoding, self.format) for c in values)
        return f"[{shown}]" if self.array else shown


@dataclass(frozen=True)
class Port:
    """One Verilog port. `role` is clock, reset, payload, valid, ready or data; `stream` names the stream it serves."""

    name: str
    direction: str
    width: int
    role: str
    stream: str | None = None
    fields: tuple[Field, ...] = dataclasses.field(default=(), repr=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Port:
        """Build from a manifest's entry; `ManifestError` for an unknown role or encoding, or fields out of place."""
        fields = tuple(Field(f["name"], f["lsb"], f["width"], f["encoding"], f.get("format")) for f in data["fields"])
        port = cls(data["name"], data["direction"], data["width"], data["role"], data.get("stream"), fields)
        if port.role not in ROLES:
            raise ManifestError(f"port {port.name!r}: role {port.role!r}, known roles are {', '.join(ROLES)}")
        for field in fields:
            if field.encoding not in ENCODINGS:
                raise ManifestError(
                    f"field {field.name!r}: encoding {field.encoding!r}, known are {', '.join(ENCODINGS)}"
                )
            if field.encoding == "float" and _FLOATS.get(str(field.format), field.width) != field.width:
                raise ManifestError(f"field {field.name!r}: {field.format} is not {field.width} bits wide")
        _ = port.groups
        return port

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Fields by base name, in port order; a port without fields is one unsigned field named like the port."""
        if not self.fields:
            return {self.name: Group(self.name, 0, self.width, 1, False, "unsigned", None)}
        members: dict[str, list[Field]] = {}
        for field in self.fields:
            members.setdefault(re.sub(r"\[\d+\]$", "", field.name), []).append(field)
        return {base: _group(self, base, fields) for base, fields in members.items()}

    def pack(self, batch: Mapping[str, Any]) -> np.ndarray:
        """(n, ceil(width / 8)) uint8 rows. `batch` holds exactly this port's base names, equal n, codes in range."""
        if batch.keys() != self.groups.keys():
            raise ValueError(
                f"port {self.name}: batch holds {sorted(batch)}, the port's fields are {list(self.groups)}"
            )
        codes = {base: self._codes(group, np.asarray(batch[base])) for base, group in self.groups.items()}
        counts = {base: len(c) for base, c in codes.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(f"port {self.name}: fields differ in number of vectors: {counts}")
        rows = np.zeros((next(iter(counts.values())), lanes.row_bytes(self.width)), np.uint8)
        for base, group in self.groups.items():
            lanes.insert(rows, codes[base], group.lsb, group.width)
        return rows

    def unpack(self, rows: np.ndarray) -> Batch:
        """The batch packed in `rows`."""
        batch = {g.base: lanes.extract(rows, g.lanes, g.lsb, g.width) for g in self.groups.values()}
        return {base: c if self.groups[base].array else c[:, 0] for base, c in batch.items()}

    def to_int(self, values: Mapping[str, Any]) -> int:
        """One payload as a Python integer; `values` is one vector of a batch (an integer or a sequence per base)."""
        return int.from_bytes(
            self.pack({base: np.array(v, object)[None] for base, v in values.items()}).tobytes(), "little"
        )

    def from_int(self, word: int) -> dict[str, Any]:
        """Inverse of `to_int`: codes as Python integers, a list for an array."""
        pick = {
            g.base: [word >> (g.lsb + k * g.width) & ((1 << g.width) - 1) for k in range(g.lanes)]
            for g in self.groups.values()
        }
        return {base: c if self.groups[base].array else c[0] for base, c in pick.items()}

    def ints(self, batch: Mapping[str, Any]) -> list[int]:
        """`pack`, one Python integer per vector: what cocotb drives."""
        return [int.from_bytes(row.tobytes(), "little") for row in self.pack(batch)]

    def text(self, word: int) -> str:
        """One payload for an error message: decoded fields, then nothing else, e.g. `value=1.5 (0x3fc00000)`."""
        return " ".join(f"{base}={self.groups[base].text(codes)}" for base, codes in self.from_int(word).items())

    def _codes(self, group: Group, codes: np.ndarray) -> np.ndarray:
        """Checked codes as (n, lanes) of the group's dtype."""
        shape = f"(n, {group.lanes})" if group.array else "(n,)"
        if codes.ndim != 1 + group.array or (group.array and codes.shape[1] != group.lanes):
            raise ValueError(f"{self.name}.{group.base}: shape {codes.shape}, expected {shape}")
        if codes.dtype == bool:
            codes = codes.view(np.uint8)
        integers = codes.dtype.kind in "ui" or all(isinstance(c, int | np.integer) for c in codes.flat)
        if not integers:
            raise ValueError(f"{self.name}.{group.base}: dtype {codes.dtype}, expected unsigned integer codes")
        if codes.size and not 0 <= codes.min() <= codes.max() < 1 << group.width:
            raise ValueError(
                f"{self.name}.{group.base}: codes {codes.min()}..{codes.max()}, legal 0..{(1 << group.width) - 1}"
            )
        return codes.reshape(len(codes), group.lanes).astype(lanes.code_dtype(group.width), copy=False)


def decode(code: int, width: int, encoding: str, fmt: str | None = None) -> str:
    """One stored code as text: integers in decimal (negative zero as `-0`), floats in decimal and hexadecimal."""
    if encoding == "twos-complement":
        return str(code - (code >> (width - 1) << width))
    if encoding == "sign-magnitude":
        return ("-" if code >> (width - 1) else "") + str(code & ((1 << (width - 1)) - 1))
    if encoding == "float":
        hexadecimal = f"0x{code:0{-(-width // 4)}x}"
        if fmt not in _FLOATS:
            return hexadecimal
        if fmt == "fp16":
            value = np.array(code, np.uint16).view(np.float16)
        else:  # bfloat16 is the upper half of an FP32 word
            value = np.array(code << (32 - width), np.uint32).view(np.float32)
        return f"{value} ({hexadecimal})"
    return str(code)


def _group(port: Port, base: str, fields: list[Field]) -> Group:
    """Check that array elements are uniform, in order and contiguous, and that they lie inside the port."""
    first = fields[0]
    array = first.name != base
    for k, field in enumerate(fields):
        expected = Field(
            f"{base}[{k}]" if array else base, first.lsb + k * first.width, first.width, first.encoding, first.format
        )
        if field != expected:
            raise ManifestError(f"port {port.name!r}: {field} breaks the array {base!r}, expected {expected}")
    if first.width < 1 or first.lsb < 0 or first.lsb + len(fields) * first.width > port.width:
        raise ManifestError(f"port {port.name!r}: field {base!r} lies outside its {port.width} bits")
    return Group(base, first.lsb, first.width, len(fields), array, first.encoding, first.format)
