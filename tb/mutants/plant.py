"""Planting a bug: one substitution in one module of the Verilog, and many variants of a unit in one model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tb.manifest import Manifest
from tb.ports import Port

__all__ = ["SELECT", "SELECT_BITS", "Mutant", "PlantError", "plant", "selectable"]

SELECT = "mutsel"  # the extra input of a model with variants: 0 is the unit itself
SELECT_BITS = 16


class PlantError(ValueError):
    """A pattern that does not match exactly once: the generator has changed, and the bug has to be written anew."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A named bug: in the module `top` + `module` of a unit, the text `old` becomes `new`.

    @1 to @9 in `old` stand for any one identifier, and for that same one in `new`: Yosys numbers what has no name.
    """

    name: str
    story: str
    unit: dict[str, Any] = field(hash=False)
    module: str
    old: str
    new: str


def plant(mutant: Mutant, verilog: str, top: str) -> str:
    """The Verilog with this bug in it; PlantError unless the pattern matches exactly once in its module."""
    header = rf"^module \\?{re.escape(top + mutant.module)}(?:\$\d+)?\s*\("
    modules = list(re.finditer(rf"{header}.*?^endmodule", verilog, re.MULTILINE | re.DOTALL))
    if len(modules) != 1:
        raise PlantError(f"{mutant.name}: {len(modules)} modules {top}{mutant.module}")
    found = list(_pattern(mutant.old).finditer(modules[0][0]))
    if len(found) != 1:
        raise PlantError(f"{mutant.name}: {len(found)} places in {top}{mutant.module} match {mutant.old!r}")
    new = re.sub(r"@(\d)", lambda mark: found[0][f"t{mark[1]}"], mutant.new)
    start = modules[0].start()
    return verilog[: start + found[0].start()] + new + verilog[start + found[0].end() :]


def _pattern(old: str) -> re.Pattern[str]:
    """Literal text; an identifier is a word, or an escaped one with the blank that ends it."""
    seen: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        number = match[1]
        if number in seen:
            return f"(?P=t{number})"
        seen.add(number)
        return rf"(?P<t{number}>\\\S+ |\w+)"

    return re.compile(re.sub(r"@(\d)", mark, re.escape(old)))


def selectable(verilogs: Sequence[str], manifest: Manifest) -> tuple[str, Manifest]:
    """One unit that is any of several, as its input `mutsel` says: one build for all of them."""
    top = manifest.top
    renamed = [re.sub(rf"\b{re.escape(top)}(?=\b|_)", f"v{k}_{top}", text) for k, text in enumerate(verilogs)]
    select = Port(SELECT, "input", SELECT_BITS, "data")
    ports = (*manifest.ports, select)
    body = [f"module {top}({', '.join(port.name for port in ports)});"]
    body += [f"  {port.direction} {_range(port.width)}{port.name};" for port in ports]
    outputs = [port for port in manifest.ports if port.direction == "output"]
    for k in range(len(verilogs)):
        body += [f"  wire {_range(port.width)}v{k}_{port.name};" for port in outputs]
        links = [f".{p.name}({f'v{k}_' if p.direction == 'output' else ''}{p.name})" for p in manifest.ports]
        body.append(f"  v{k}_{top} v{k} ({', '.join(links)});")
    for port in outputs:
        choice = "".join(f"{SELECT} == {k} ? v{k}_{port.name} : " for k in range(1, len(verilogs)))
        body.append(f"  assign {port.name} = {choice}v0_{port.name};")
    return "\n".join([*renamed, *body, "endmodule", ""]), replace(manifest, ports=ports)


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""
