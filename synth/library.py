"""Any cell library: a Liberty file read for its cells' areas and functions, its adders and its unit of time.

Cells are known by what they compute, not by name: a full adder is a cell whose outputs are the exclusive-or and the
majority of its three inputs, either of them inverted or not.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

__all__ = ["AdderCell", "Cell", "Library", "LibraryError", "read_library", "truth_table"]

_MAX_INPUTS = 8  # of a cell whose function is looked at: 256 rows


class LibraryError(ValueError):
    """A file that is no usable library; the message is one line that names the file."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`area` in the library's unit; the truth table of each output over `inputs`, the first of them fastest."""

    area: float
    inputs: tuple[str, ...]
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AdderCell:
    """A cell for a + b (+ c): its name, input pins, and the pins of sum and carry, each with whether it is inverted."""

    name: str
    inputs: tuple[str, ...]
    sum: tuple[str, bool]
    carry: tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Library:
    """`text` is the file's; `time_unit` as it says it ("1ns"); `cells` are the combinational ones."""

    name: str
    text: str
    time_unit: str
    cells: Mapping[str, Cell]

    @property
    def sha256(self) -> str:
        """Of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def has_timing(self) -> bool:
        """Whether cells have delay tables."""
        return re.search(r"\btiming\s*\(", self.text) is not None

    def adder(self, inputs: int) -> AdderCell | None:
        """The smallest full adder (three inputs) or half adder (two), if there is one. All inputs are alike."""
        variables = _variables(inputs)
        wanted = {
            "sum": variables[0] ^ variables[1] ^ (variables[2] if inputs == 3 else 0),
            "carry": _majority(variables) if inputs == 3 else variables[0] & variables[1],
        }
        full = (1 << (1 << inputs)) - 1
        found: dict[str, AdderCell] = {}
        for name, cell in self.cells.items():
            if len(cell.inputs) != inputs or len(cell.outputs) != 2:
                continue
            pins = {
                role: (pin, table != function)
                for role, function in wanted.items()
                for pin, table in cell.outputs.items()
                if table in (function, full ^ function)
            }
            if len(pins) == 2:
                found[name] = AdderCell(name, cell.inputs, pins["sum"], pins["carry"])
        return min(found.values(), key=lambda adder: (self.cells[adder.name].area, adder.name), default=None)

    def least_area(self, *functions: str) -> float | None:
        """Of the cells that compute one of these functions of pins A, B, ...; None if there is none."""
        tables = set()
        for function in functions:
            pins = sorted(set(re.findall(r"[A-Z]", function)))
            for order in permutations(pins):
                tables.add((len(pins), truth_table(function, order)))
        areas = [
            cell.area
            for cell in self.cells.values()
            if len(cell.outputs) == 1 and (len(cell.inputs), *cell.outputs.values()) in tables
        ]
        return min(areas, default=None)


def _variables(count: int) -> list[int]:
    """Truth tables of the inputs themselves."""
    rows = range(1 << count)
    return [sum((row >> k & 1) << row for row in rows) for k in range(count)]


def _majority(v: list[int]) -> int:
    return v[0] & v[1] | v[0] & v[2] | v[1] & v[2]


def truth_table(function: str, inputs: tuple[str, ...]) -> int:
    """Of a Liberty function; bit r is its value where input k is bit k of r. Raises ValueError if it is none."""
    tokens = re.findall(r"[A-Za-z_]\w*(?:\[\d+\])?|[01]|[!'^&*+|()]", function)
    if "".join(tokens) != re.sub(r"\s", "", function):
        raise ValueError(f"function {function!r}")
    full = (1 << (1 << len(inputs))) - 1
    values = dict(zip(inputs, _variables(len(inputs)), strict=True)) | {"0": 0, "1": full}

    def ahead() -> str:
        return tokens[0] if tokens else ""

    def either() -> int:
        value = both()
        while ahead() in ("+", "|"):
            tokens.pop(0)
            value |= both()
        return value

    def both() -> int:
        value = differ()
        while ahead() not in ("", ")", "+", "|"):  # blanks stand for "and"
            if ahead() in ("&", "*"):
                tokens.pop(0)
            value &= differ()
        return value

    def differ() -> int:
        value = one()
        while ahead() == "^":
            tokens.pop(0)
            value ^= one()
        return value

    def one() -> int:
        token = tokens.pop(0) if tokens else ""
        if token == "!":
            return full ^ one()
        if token == "(":
            value = either()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError(f"function {function!r}")
        elif token in values:
            value = values[token]
        else:
            raise ValueError(f"function {function!r}")
        while ahead() == "'":
            tokens.pop(0)
            value ^= full
        return value

    value = either()
    if tokens:
        raise ValueError(f"function {function!r}")
    return value


@dataclass(slots=True)
class _Group:
    """`kind (name) { attributes and groups }`."""

    kind: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["_Group"] = field(default_factory=list)

    def all(self, kind: str) -> Iterator["_Group"]:
        return (group for group in self.groups if group.kind == kind)


_PIECE = re.compile(
    r"""\s+ | /\*.*?\*/ | //[^\n]* | \\\n
      | (?P<group>\w+) \s* \( \s* "?(?P<name>[^"(){};]*?)"? \s* \) \s* \{
      | (?P<key>\w+) \s* : \s* (?: "(?P<quoted>[^"]*)" | (?P<bare>[^;{}\n]*?) ) \s* (?:;|\n|(?=\}))
      | (?P<list>\w+) \s* \( [^(){};]* \) \s* ;?
      | (?P<end>\}) \s* ;?""",
    re.VERBOSE | re.DOTALL,
)


def _parse(text: str) -> _Group:
    """The file's groups. Raises ValueError where it is no Liberty text."""
    top = _Group("", "")
    stack, at = [top], 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None or (piece["end"] and len(stack) == 1):
            raise ValueError(f"line {text.count(chr(10), 0, at) + 1} is no Liberty text")
        if piece["group"]:
            inner = _Group(piece["group"], piece["name"])
            stack[-1].groups.append(inner)
            stack.append(inner)
        elif piece["key"]:
            quoted = piece["quoted"]
            stack[-1].attributes[piece["key"]] = quoted if quoted is not None else piece["bare"].strip()
        elif piece["end"]:
            stack.pop()
        at = piece.end()
    if len(stack) > 1:
        raise ValueError(f"{stack[-1].kind}({stack[-1].name}) is never closed")
    return top


def read_library(path: Path) -> Library:
    """The library in a Liberty file. Raises LibraryError with one line that says what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        library = next(_parse(text).all("library"), None)
        if library is None:
            raise ValueError("no library in it")
        cells = dict(filter(None, map(_cell, library.all("cell"))))
        if not cells:
            raise ValueError("no combinational cell with an area and a function")
    except OSError as error:
        raise LibraryError(f"--liberty {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LibraryError(f"--liberty {path}: not a Liberty file: no text") from None
    except ValueError as error:
        raise LibraryError(f"--liberty {path}: not a usable Liberty file: {error}") from None
    return Library(library.name, text, library.attributes.get("time_unit", "1ns"), cells)


def _cell(group: _Group) -> tuple[str, Cell] | None:
    """A combinational cell; None for those with state, without area, or with too many inputs to tell what they do."""
    if group.attributes.get("dont_use") == "true" or any(g.kind in ("ff", "latch", "statetable") for g in group.groups):
        return None
    pins = {pin.name: pin.attributes for pin in group.all("pin")}
    inputs = tuple(name for name, facts in pins.items() if facts.get("direction") == "input")
    outputs = {name: facts for name, facts in pins.items() if facts.get("direction") == "output"}
    if not 0 < len(inputs) <= _MAX_INPUTS or "area" not in group.attributes or not outputs:
        return None
    if any("function" not in facts or "three_state" in facts for facts in outputs.values()):
        return None
    tables = {name: truth_table(facts["function"], inputs) for name, facts in outputs.items()}
    return group.name, Cell(float(group.attributes["area"]), inputs, tables)
