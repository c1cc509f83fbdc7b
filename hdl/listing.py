"""What `--list` prints, from the registry: units, options with ranges and defaults, latency."""

import json
import textwrap
from pathlib import Path

from hdl.config import flag_of, options
from hdl.registry import UNITS, Unit, make_config, make_unit

__all__ = ["render_list"]


def render_list() -> str:
    """Text of the list."""
    return "\n\n".join(_unit_lines(unit) for unit in UNITS.values())


def _unit_lines(unit: Unit) -> str:
    config = make_config(unit.name)
    component = make_unit(config)
    rate = component.throughput
    pace = f"{rate['transfers']} transfer(s) in {rate['cycles']} cycle(s)"
    lines = [
        f"{unit.name}: {unit.summary}",
        f"  default {config.name}: latency {component.latency} cycles, {pace}",
    ]
    for item in options(unit.config):
        facts = item.metadata
        legal = facts.get("legal")
        values = f"{legal[0]}..{legal[-1]}" if legal else ", ".join(facts.get("choices", ("a format name",)))
        default = config.default_of(item.name)
        lines.append(f"  {flag_of(item.name):<14} {values:<26} default {default!s:<10} {facts['help']}")
    return "\n".join([*lines, *_verified_lines(unit.name)])


def _verified_lines(unit: str) -> list[str]:
    """Which formats the benches list; the record says what their lists cover, not that every run has finished."""
    record = json.loads((Path(__file__).parent / "verified.json").read_text())["units"].get(unit)
    if record is None:
        return []
    text = f"  in the bench lists: {', '.join(record['formats'])}; every other format is unverified"
    return textwrap.wrap(text, 118, subsequent_indent="    ", break_on_hyphens=False)
