"""The README's table of units, from the registry."""

from hdl.registry import UNITS, make_config, make_unit

__all__ = ["unit_table"]


def unit_table() -> str:
    """One row per unit: what it does, its default configuration, latency and throughput."""
    rows = ["| unit | what it does | default | latency, cycles | transfers per cycle |", "|---|---|---|---|---|"]
    for name, unit in UNITS.items():
        config = make_config(name)
        component = make_unit(config)
        rate = component.throughput
        pace = f"{rate['transfers']}" if rate["cycles"] == 1 else f"{rate['transfers']}/{rate['cycles']}"
        rows.append(f"| `{name}` | {unit.summary} | `{config.name}` | {component.latency} | {pace} |")
    return "\n".join(rows)
