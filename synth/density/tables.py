"""The tables beside the density rows as Markdown: other opponents, pipelines, shared microexponents."""

from collections.abc import Mapping, Sequence
from typing import Any

from golden.catalog import get_format
from synth.density.opponents import OPPONENTS
from synth.density.shared import PAPER_COST, PAPER_STEPS, SHARED, STEPS
from synth.density.stages import STAGES, best

__all__ = ["render_opponents", "render_shared", "render_stages"]

Record = Mapping[str, Any]

_COMPARED = (1, 2, 4, 8)  # stages


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """Markdown; the first `names` columns are words."""
    ruler = "|" + "---|" * names + "---:|" * (len(head) - names)
    return "\n".join(["| " + " | ".join(head) + " |", ruler, *("| " + " | ".join(row) + " |" for row in rows)])


def _measured(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["status"] == "ok"]


def render_opponents(records: Sequence[Record]) -> str:
    """Gains, then what an opponent's unit takes per product."""
    names = [name.upper().replace("ONCE", "once").replace("ALIGNED", "aligned") for name in OPPONENTS]
    rows, sizes = [], {}
    for record in _measured(records):
        gains = [f"{record['gain'][name]:.1f}" for name in OPPONENTS]
        rows.append([record["name"], str(record["block"]), f"{record['transistors_per_product']:,.0f}", *gains])
        per_product = record["opponents_per_product"]
        sizes[record["block"]] = [str(record["block"]), *(f"{per_product[name]:,.0f}" for name in OPPONENTS)]
    gains_table = _table(["unit", "products", "T per product", *names], rows)
    return gains_table + "\n\n" + _table(["products", *names], [sizes[n] for n in sorted(sizes)], names=0)


def render_stages(records: Sequence[Record]) -> str:
    """Area times period of the floats over that of each unit, then area and period themselves."""
    known = {(record["name"], record["products"]): record for record in _measured(records)}
    others = ("FP32", "BF16")
    head = ["unit", "products", *(f"{name}, {n} stage{'s' * (n > 1)}" for name in others for n in _COMPARED)]
    rows = []
    for (name, products), record in known.items():
        if name in others:
            continue
        ratios = [
            _cost(known[other, products], n) / _cost(record, n) if (other, products) in known else None
            for other in others
            for n in _COMPARED
        ]
        rows.append([name, str(products), *("-" if ratio is None else f"{ratio:,.0f}" for ratio in ratios)])
    lines = [
        [name, str(products), *(_size(best(record, n)) for n in STAGES)] for (name, products), record in known.items()
    ]
    return _table(head, rows) + "\n\n" + _table(["unit", "products", *map(str, STAGES)], lines)


def _cost(record: Record, stages: int) -> int:
    variant = best(record, stages)
    return variant["transistors"] * variant["period"]


def _size(variant: Record) -> str:
    return f"{variant['transistors'] / 1000:,.1f} @ {variant['period']}"


def render_shared(records: Sequence[Record]) -> str:
    """Units of 64 products against FP8, then the steps of both parameters."""
    parts: list[str] = []
    for record in _measured(records):
        units, fp8 = record["units"], record["fp8"]
        shown = {"FP8": fp8} | {name: units[name.lower()] for name in SHARED}
        head = ["unit", "cores", "to FP32", "unit, T", "over FP8", "transfers", "cost over FP8", "paper"]
        rows = []
        for name, unit in shown.items():
            sizes = [f"{unit['cores']} x {unit['core']:,}", f"{unit['to FP32']:,}", f"{unit['transistors']:,}"]
            area = f"{unit['transistors'] / fp8['transistors']:.2f}"
            paper = "1" if unit is fp8 else PAPER_COST.get(name, "-")
            rows.append([name, *sizes, area, str(unit["transfers"]), f"{unit['cost']:.2f}", paper])
        steps = []
        for name in SHARED:
            cells = [f"{_step(units, name, step, 'transistors')}, {_step(units, name, step, 'cost')}" for step in STEPS]
            steps.append([name, *cells])
        steps.append(["paper", *(PAPER_STEPS[step] for step in STEPS)])
        parts += [_table(head, rows), _table(["around", *(f"{step}: area, cost" for step in STEPS)], steps)]
    return "\n\n".join(parts)


def _step(units: Record, name: str, step: str, key: str) -> str:
    before, after = (units[get_format(SHARED[name][pair]).name][key] for pair in STEPS[step])
    return f"{round(100 * (after / before - 1)):+d} %"
