"""Loss landscape along a filter-normalised random direction, for networks trained in several formats.

A direction d ~ N(0, 1) per weight; each output filter of d is scaled to the norm of the weight's own; biases and norms
stay (formats.md 1.10, method of Li et al. 2018). Plotted is log10 of the loss at w + a d, a in [-1, 1], 51 points, in
the run's own arithmetic. All formats of one seed share the direction, up to its scaling by the trained weights.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from golden.data import load
from golden.files import write
from golden.nn.layer import Layer
from golden.provenance import provenance
from golden.training.config import ConfigError, RunConfig
from golden.training.loop import Trainer, fit
from golden.training.plots import HINT, figure
from golden.training.progress import Progress

__all__ = ["add_arguments", "direction", "landscape", "run"]

_GUARD = 1e-10


def direction(model: Layer, seed: int) -> dict[str, np.ndarray]:
    """A random direction by parameter name, filters as long as the weights' own, zero for biases and norms.

    Filters are slices of the last axis, that of the outputs; arrays with one axis or fewer get zeros. Values come from
    PCG64 of (seed, 0) in the order of the parameters.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    found = {}
    for parameter in model.parameters():
        w = parameter.value
        d = rng.standard_normal(w.shape)
        if w.ndim < 2:
            found[parameter.name] = np.zeros_like(w)
            continue
        axes = tuple(range(w.ndim - 1))
        ratio = np.sqrt((w.astype(np.float64) ** 2).sum(axis=axes)) / (np.sqrt((d**2).sum(axis=axes)) + _GUARD)
        found[parameter.name] = (d * ratio).astype(np.float32)
    return found


def landscape(trainer: Trainer, moves: dict[str, np.ndarray], points: np.ndarray, progress: Progress) -> list[float]:
    """Loss on the validation part at each point of the line; the weights are put back."""
    start = {parameter.name: parameter.value.copy() for parameter in trainer.model.parameters()}
    losses = []
    try:
        for a in points:
            for parameter in trainer.model.parameters():
                parameter.value[...] = start[parameter.name] + np.float32(a) * moves[parameter.name]
            losses.append(trainer.evaluate(trainer.data.validation).loss)
            progress.step(f"a = {a:+.2f}")
    finally:
        for parameter in trainer.model.parameters():
            parameter.value[...] = start[parameter.name]
    return losses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this study."""
    parser.add_argument("--model", default="resnet8", help="default: %(default)s")
    parser.add_argument("--data", default="digits", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=20, help="of training; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the runs and of the direction; default: %(default)s")
    parser.add_argument("--formats", nargs="+", default=["fp32", "hbfp6", "hbfp4"], metavar="FORMAT")
    parser.add_argument("--points", type=int, default=51, help="3..1001; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/landscape"), help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> str:
    """Train each format, walk the line, write JSON and figure; returns a table."""
    if not 3 <= args.points <= 1001:
        raise ConfigError(f"--points {args.points}: 3..1001")
    points = np.linspace(-1, 1, args.points)
    data = load(args.data, args.data_dir)
    configs = [
        RunConfig(model=args.model, data=args.data, format=name, epochs=args.epochs, seed=args.seed)
        for name in args.formats
    ]
    rows: dict[str, Any] = {}
    for config in configs:
        trainer = Trainer(config, data)
        print(f"training {args.model} on {args.data} in {config.format}, {args.epochs} epochs ...", file=sys.stderr)
        fit(trainer)
        progress = Progress(len(points), label=f"landscape of {config.format}: ")
        losses = landscape(trainer, direction(trainer.model, args.seed), points, progress)
        progress.line(f"{len(points)} points")
        rows[config.format] = {
            "loss": losses,
            "val_accuracy": trainer.evaluate(data.validation).accuracy,
            "weights_sha256": trainer.weights_sha256(),
            "config": config.as_dict(),
        }
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"provenance": provenance(args.line, args.seed), "a": points.tolist(), "formats": rows}
    write(args.out / "landscape.json", (json.dumps(report, indent=2) + "\n").encode())
    made = figure(5, 3.6)
    if made is None:
        print(HINT, file=sys.stderr)
    else:
        drawing, (axes,) = made
        for name, row in rows.items():
            axes.plot(points, np.log10(row["loss"]), label=name)
        axes.set(xlabel="a", ylabel="log10 of the validation loss at w + a d")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        drawing.savefig(args.out / "landscape.png", dpi=130)
    return _table(points, rows)


def _table(points: np.ndarray, rows: dict[str, Any]) -> str:
    """log10 loss at the centre, at half the way and at the ends."""
    shown = [0, len(points) // 4, len(points) // 2, -1 - len(points) // 4, -1]
    head = " | ".join(f"a = {points[i]:+.2f}" for i in shown)
    lines = [f"| format | {head} |", "|---" * (len(shown) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{np.log10(row['loss'][i]):+.2f}" for i in shown) + " |")
    return "\n".join(lines)
