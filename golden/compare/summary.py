"""All scenarios of a comparison side by side: a table of differences and footprints, and a forest plot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.training.plots import figure

__all__ = ["draw_summary", "summary"]

_WORST = -12.0  # points; what lost more stands at the edge

Rows = Mapping[str, Mapping[str, Any]]


def summary(scenarios: Mapping[str, Rows]) -> str:
    """Markdown: a row per policy, a column per scenario (its table's rows by name).

    A cell says the difference to FP32 in points, its verdict where there is one, and the footprint with Gecko; FP32's
    own cell says its accuracy.
    """
    lines = [f"| policy | {' | '.join(scenarios)} |", "|---" * (len(scenarios) + 1) + "|"]
    for name in _names(scenarios):
        cells = [_cell(name, rows.get(name)) for rows in scenarios.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(scenarios: Mapping[str, Rows]) -> list[str]:
    """Every row once, in the order of the longest table."""
    return list(dict.fromkeys(name for rows in sorted(scenarios.values(), key=len, reverse=True) for name in rows))


def _cell(name: str, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if "footprint_ratio" not in row:
        return "diverged"
    if name == "fp32":
        return f"{100 * row['test_accuracy']['mean']:.2f} %"
    difference = row["difference_to_fp32"]
    verdict = f" {difference['verdict']}" if "low" in difference else ""
    return f"{100 * difference['mean']:+.2f}{verdict}, {row['gecko_ratio']:.2f}x"


def draw_summary(path: Path, scenarios: Mapping[str, Rows]) -> bool:
    """Differences to FP32 with their 95 % intervals, one panel per scenario; False without matplotlib."""
    names = _names(scenarios)
    made = figure(3 + 2.2 * len(scenarios), 0.2 * len(names) + 1.2, columns=len(scenarios))
    if made is None:
        return False
    drawing, panels = made
    for axes, (scenario, rows) in zip(panels, scenarios.items(), strict=True):
        for height, name in enumerate(names):
            row = rows.get(name, {})
            if "difference_to_fp32" in row and name != "fp32":
                _draw_difference(axes, -height, row["difference_to_fp32"])
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.axvline(-1, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlim=(_WORST - 1, 3), ylim=(-len(names), 1), xlabel="points to FP32")
        axes.set_title(scenario, fontsize=8)
        axes.set_yticks([-height for height in range(len(names))], names if axes is panels[0] else [], fontsize=7)
        axes.grid(axis="y", alpha=0.2)
    drawing.savefig(path, dpi=130)
    return True


_COLOURS = {"same": "tab:green", "worse": "tab:red", "undecided": "0.4"}


def _draw_difference(axes: Any, y: float, difference: Mapping[str, Any]) -> None:
    """A dot at the mean and a line over the interval; an arrow head at the edge for what lies beyond."""
    mean, colour = 100 * difference["mean"], _COLOURS[difference["verdict"]]
    if mean < _WORST:
        axes.plot(_WORST, y, "<", color=colour, markersize=4)
        return
    if "low" in difference:
        axes.plot([max(100 * difference["low"], _WORST), 100 * difference["high"]], [y, y], color=colour, linewidth=1)
    axes.plot(mean, y, "o", color=colour, markersize=3)
