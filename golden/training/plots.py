"""Figures of runs, drawn from their logs: loss, accuracy, bits a value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.training.log import read_log

__all__ = ["HINT", "draw_runs", "figure"]

_LEGEND = 12  # runs
HINT = 'no figures: matplotlib is missing, pip install "matplotlib>=3.9"'


def figure(width: float, height: float, columns: int = 1, rows: int = 1) -> Any:
    """(figure, its rows * columns axes) drawn without a screen; None where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made, made.subplots(rows, columns, squeeze=False).ravel()


def draw_runs(path: Path, logs: Mapping[str, Path]) -> bool:
    """Loss by step, accuracy and bits by epoch of several runs (label -> log); False without matplotlib."""
    made = figure(11, 3.2, columns=3)
    if made is None:
        return False
    drawing, (loss, accuracy, bits) = made
    for label, log in logs.items():
        entries = read_log(log)
        epochs = [entry for entry in entries if "epoch" in entry]
        steps = [entry for entry in entries if "loss" in entry and "lr" in entry]
        (line,) = loss.plot([e["step"] for e in steps], [e["loss"] for e in steps], alpha=0.35, linewidth=0.8)
        loss.plot([e["step"] for e in epochs], [e["train_loss"] for e in epochs], color=line.get_color(), label=label)
        loss.plot([e["step"] for e in epochs], [e["val_loss"] for e in epochs], "--", color=line.get_color())
        accuracy.plot(
            [e["epoch"] for e in epochs], [e["val_accuracy"] for e in epochs], "o-", markersize=3, label=label
        )
        bits.plot([e["epoch"] for e in epochs], [e["bits_per_value"] for e in epochs], "o-", markersize=3)
    loss.set(xlabel="step", ylabel="loss (solid: training, dashed: validation)", yscale="log")
    accuracy.set(xlabel="epoch", ylabel="validation accuracy")
    bits.set(xlabel="epoch", ylabel="bits a value, weights and activations", ylim=(0, None))
    if len(logs) <= _LEGEND:
        accuracy.legend(frameon=False)
    for axes in (loss, accuracy, bits):
        axes.grid(alpha=0.3)
    drawing.savefig(path, dpi=130)
    return True
