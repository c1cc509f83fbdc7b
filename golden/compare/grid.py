"""The ablation of PFQ's two constants as a picture: accuracy and cost over epsilon and alpha."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.training.plots import figure

__all__ = ["draw_grid"]

Row = Mapping[str, Any]


def draw_grid(path: Path, rows: Mapping[str, Row]) -> bool:
    """Rows named "pfq EPSILON ALPHA", beside "static 8/8"; False if these are not what `rows` has."""
    cells = {}
    for name, row in rows.items():
        if (found := re.fullmatch(r"pfq ([\d.]+) ([\d.]+)", name)) and "multiply_cost" in row:
            cells[float(found[1]), float(found[2])] = row
    if not cells or "multiply_cost" not in rows.get("static 8/8", {}):
        return False
    static = rows["static 8/8"]["multiply_cost"]
    panels = {
        "test accuracy, points to FP32": lambda row: 100 * row["difference_to_fp32"]["mean"],
        "cost of multiplications, % to static 8/8": lambda row: 100 * (row["multiply_cost"] / static - 1),
    }
    made = figure(4.4 * len(panels), 3.2, columns=len(panels))
    if made is None:
        return False
    drawing, axes = made
    for axis, (title, value) in zip(axes, panels.items(), strict=True):
        _draw_panel(axis, title, {at: value(row) for at, row in cells.items()})
    drawing.savefig(path, dpi=130)
    return True


def _draw_panel(axes: Any, title: str, values: Mapping[tuple[float, float], float]) -> None:
    """A coloured cell with its number per pair of constants."""
    epsilons, alphas = (sorted({at[part] for at in values}) for part in (0, 1))
    grid = [[values.get((epsilon, alpha), float("nan")) for alpha in alphas] for epsilon in epsilons]
    axes.imshow(grid, cmap="viridis", aspect="auto", alpha=0.6)
    for (epsilon, alpha), value in values.items():
        axes.text(alphas.index(alpha), epsilons.index(epsilon), f"{value:+.1f}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    axes.set_yticks(range(len(epsilons)), [f"{epsilon:g}" for epsilon in epsilons])
    axes.set(xlabel="alpha", ylabel="epsilon", title=title)
