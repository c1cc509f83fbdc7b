"""Figures of the comparison, drawn from logs: lengths over time, BitWave's trace, footprints, accuracy against them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golden.compare.grid import draw_grid
from golden.training.plots import figure

__all__ = ["draw"]

_SHOWN, _LOST = 12.0, 2.0  # points below the best: what lies deeper stands at the edge; what is named


def _series(run: Mapping[str, Any], part: str) -> dict[str, list[float]]:
    """Learned lengths by tensor over epochs."""
    series: dict[str, list[float]] = {}
    for entry in run["epochs"]:
        for key, value in entry["policy"].get("lengths", {}).items():
            if key.endswith(f"/{part}"):
                series.setdefault(key.removesuffix(f"/{part}"), []).append(value)
    return series


def _draw_lengths(path: Path, run: Mapping[str, Any]) -> None:
    """A panel per kind of length that is learned; weights dashed."""
    found = {name: series for part, name in (("m", "mantissa"), ("k", "exponent")) if (series := _series(run, part))}
    drawing, panels = figure(2.5 + 4.2 * len(found), 3.4, columns=len(found))
    for axes, (name, series) in zip(panels, found.items(), strict=True):
        for key, values in series.items():
            style = "--" if key.endswith("weight") else "-"
            axes.plot(range(1, len(values) + 1), values, style, linewidth=1.2, label=key)
        axes.set(xlabel="epoch", ylabel=f"{name} bits", ylim=(0, None))
        axes.grid(alpha=0.3)
    panels[-1].legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
    drawing.savefig(path, dpi=130)


def _draw_network(path: Path, runs: Mapping[str, Mapping[str, Any]]) -> None:
    drawing, axes = figure(10, 3.4, columns=2)
    for name, run in runs.items():
        epochs = [entry["epoch"] for entry in run["epochs"]]
        (line,) = axes[0].plot(epochs, [entry["policy"]["m"] for entry in run["epochs"]], label=f"{name}: mantissa")
        axes[0].plot(epochs, [entry["policy"]["k"] for entry in run["epochs"]], "--", color=line.get_color())
        axes[1].plot(epochs, [entry["val_accuracy"] for entry in run["epochs"]], label=name)
    axes[0].set(xlabel="epoch", ylabel="bits at its end (dashed: exponent)", ylim=(0, None))
    axes[1].set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    axes[1].legend(frameon=False, fontsize=7)
    drawing.savefig(path, dpi=130)


def _draw_footprints(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Where the bits go: weights, activations, what Gecko leaves of both; accuracy against the footprint."""
    done = {name: row for name, row in rows.items() if "footprint_ratio" in row}
    drawing, axes = figure(11, 0.22 * len(done) + 1.4, columns=2)
    names = list(done)[::-1]
    weights = [done[name]["share_of_weights"] * done[name]["bits_per_value"]["weight"] for name in names]
    both = [32 / done[name]["footprint_ratio"] for name in names]
    axes[0].barh(names, both, color="tab:orange", alpha=0.6, label="activations")
    axes[0].barh(names, weights, color="tab:blue", label="weights")
    coded = [done[name]["gecko_bits_per_value"] for name in names]
    axes[0].plot(coded, names, "k|", markersize=7, label="both with Gecko")
    axes[0].set(xlabel="bits a value, weights and activations, mean over the run")
    axes[0].tick_params(axis="y", labelsize=7)
    axes[0].legend(frameon=False)
    _draw_trade(axes[1], done)
    drawing.savefig(path, dpi=130)


def _draw_trade(axes: Any, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Accuracy against the footprint: named is what no other row beats in both, and what lost points."""
    points = {name: (row["gecko_ratio"], 100 * row["test_accuracy"]["mean"]) for name, row in rows.items()}
    best = max(y for _, y in points.values())
    for name, (x, y) in points.items():
        beaten = any(u >= x and v >= y and (u, v) != (x, y) for u, v in points.values())
        shown = max(y, best - _SHOWN)
        axes.plot(x, shown, "o" if y == shown else "v", color="tab:red" if not beaten else "0.5", markersize=4)
        if not beaten or y < best - _LOST:
            turn = 0 if y == shown else 60  # so that neighbours at the edge do not cover each other
            axes.annotate(name, (x, shown), fontsize=6, xytext=(3, 3), textcoords="offset points", rotation=turn)
    axes.set(xlabel="footprint with Gecko, times smaller than FP32", ylabel="test accuracy, %")
    axes.set(ylim=(best - _SHOWN - 0.5, best + 0.8), xlim=(0.8, 1.25 * max(x for x, _ in points.values())))
    axes.grid(alpha=0.3)


def draw(
    folder: Path, rows: Mapping[str, Mapping[str, Any]], runs: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Path]:
    """All figures of a scenario, from the first seed of each row; none without matplotlib."""
    if figure(1, 1) is None:
        return []
    made = []
    for name in ("qm", "qe", "qm+qe"):
        if runs.get(name) and runs[name][0]["epochs"]:
            made.append(folder / f"lengths-{name.replace('+', '-')}.png")
            _draw_lengths(made[-1], runs[name][0])
    network = {name: found[0] for name, found in runs.items() if name.startswith("bit") and found[0]["epochs"]}
    if network:
        made.append(folder / "bitwave.png")
        _draw_network(made[-1], network)
    if draw_grid(folder / "pfq.png", rows):
        made.append(folder / "pfq.png")
    made.append(folder / "footprint.png")
    _draw_footprints(made[-1], rows)
    return made
