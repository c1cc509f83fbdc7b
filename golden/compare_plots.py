"""Figures of the comparison, drawn from logs: lengths over time, BitWave's trace, footprints, accuracy against them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golden.training.plots import figure

__all__ = ["draw"]


def _series(run: Mapping[str, Any], part: str) -> dict[str, list[float]]:
    """Learned lengths by tensor over epochs."""
    series: dict[str, list[float]] = {}
    for entry in run["epochs"]:
        for key, value in entry["policy"].get("lengths", {}).items():
            if key.endswith(f"/{part}"):
                series.setdefault(key.removesuffix(f"/{part}"), []).append(value)
    return series


def _draw_lengths(path: Path, run: Mapping[str, Any]) -> None:
    drawing, axes = figure(10, 3.4, columns=2)
    for axis, part, name in zip(axes, "mk", ("mantissa", "exponent"), strict=True):
        for key, values in _series(run, part).items():
            style = "--" if key.endswith("weight") else "-"
            axis.plot(range(1, len(values) + 1), values, style, linewidth=1.2, label=key)
        axis.set(xlabel="epoch", ylabel=f"{name} bits", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[1].legend(frameon=False, fontsize=6, ncols=2)
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
    done = {name: row for name, row in rows.items() if "footprint_ratio" in row}
    drawing, axes = figure(11, 0.22 * len(done) + 1.4, columns=2)
    names = list(done)[::-1]
    without = [32 / done[name]["footprint_ratio"] for name in names]
    axes[0].barh(names, without, color="0.8", label="without Gecko")
    axes[0].barh(names, [done[name]["gecko_bits_per_value"] for name in names], height=0.45, label="with Gecko")
    axes[0].set(xlabel="bits a value, weights and activations, mean over the run")
    axes[0].tick_params(axis="y", labelsize=7)
    axes[0].legend(frameon=False)
    for name, row in done.items():
        x, y = row["gecko_ratio"], 100 * row["test_accuracy"]["mean"]
        axes[1].plot(x, y, "o", markersize=3)
        axes[1].annotate(name, (x, y), fontsize=5, xytext=(2, 2), textcoords="offset points")
    axes[1].set(xlabel="footprint, times smaller than FP32", ylabel="test accuracy, %")
    axes[1].grid(alpha=0.3)
    drawing.savefig(path, dpi=130)


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
    made.append(folder / "footprint.png")
    _draw_footprints(made[-1], rows)
    return made
