"""Wasserstein distance between a trained network's tensors and their narrow copies, per layer, format and block size.

W1 of a tensor and its copy is mean |sort(x) - sort(q)| (formats.md 1.9). A model is trained in FP32; its weights are
then converted as the forward product reads them, in the order channel its activations of a validation batch as well.
Accuracy Boosters states that HBFP4 is more than 3.5 times as far as HBFP6 at every block size.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.data import DataSet, load
from golden.files import write
from golden.kernels.fake import Draws
from golden.nn.backend import NumpyBackend
from golden.nn.layer import Layer
from golden.nn.precision import Operand, Order, Product
from golden.nn.products_pass import Pass
from golden.nn.unfold import Grid
from golden.provenance import provenance
from golden.training.config import ORDERS, ConfigError, RunConfig
from golden.training.loop import Trainer, fit, inputs
from golden.training.plots import HINT, figure

__all__ = ["add_arguments", "converted_weight", "distance", "run", "weight_distances"]

Array = NDArray[np.float32]
_BATCH = 250
_CLAIM = 3.5  # HBFP4 over HBFP6, Accuracy Boosters


def distance(x: NDArray[Any], q: NDArray[Any]) -> float:
    """W1 of two samples of one size: the mean distance of their sorted values."""
    if x.size != q.size:
        raise ValueError(f"{x.size} and {q.size} values: as many of each")
    return float(np.abs(np.sort(x, axis=None).astype(np.float64) - np.sort(q, axis=None)).mean())


def converted_weight(weight: Array, operand: Operand, order: Order) -> Array:
    """A weight (in, out) or (kh, kw, in, out) as the forward product of `order` reads it; its shape may differ."""
    backend = NumpyBackend()
    if order in (Order.CHANNEL, Order.EMULATOR):
        return backend.convert(weight, weight.ndim - 2, operand, Draws("")).values
    if weight.ndim == 4:  # rows (channel, kh, kw), as unfolded
        weight = weight.transpose(2, 0, 1, 3).reshape(-1, weight.shape[3])
    if order is Order.IM2COL:
        return backend.convert(weight, 0, operand, Draws("")).values
    tiler = Pass(Product(operand, operand), backend, lambda op, which: Draws(""))
    rows, columns = weight.shape
    tiles = tiler.tiled(1, Grid.of(weight[np.newaxis])).values  # (1, down, tile, across, tile), edges filled up
    return tiles.reshape(tiles.shape[1] * tiles.shape[2], -1)[:rows, :columns]


def weight_distances(model: Layer, operands: Mapping[str, Operand], order: Order) -> dict[str, dict[str, float]]:
    """W1 by layer and name of the operand, of all weights but depthwise ones."""
    weights = {layer.name: layer.own_parameters().get("weight") for layer in model.matmul_layers()}
    return {
        layer: {
            name: distance(weight.value, converted_weight(weight.value, operand, order))
            for name, operand in operands.items()
        }
        for layer, weight in weights.items()
        if weight is not None and weight.value.ndim != 3
    }


def activation_distances(model: Layer, data: DataSet, operands: Mapping[str, Operand]) -> dict[str, dict[str, float]]:
    """W1 by layer and name of the operand, of the inputs of all layers with weights, on one validation batch."""
    copy = deepcopy(model)
    copy.forward(inputs(data.validation.x[:_BATCH], data), training=True)
    backend, found = NumpyBackend(), {}
    for layer in copy.matmul_layers():
        if "weight" in layer.own_parameters():
            x = layer.saved["x"]
            found[layer.name] = {
                name: distance(x, backend.convert(x, x.ndim - 1, operand, Draws("")).values)
                for name, operand in operands.items()
            }
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this study."""
    parser.add_argument("--model", default="resnet8", help="default: %(default)s")
    parser.add_argument("--data", default="digits", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=20, help="of FP32 training; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--formats", nargs="+", default=["hbfp8", "hbfp6", "hbfp5", "hbfp4"], metavar="FORMAT")
    parser.add_argument("--blocks", nargs="+", type=int, default=[16, 64, 256, 576], metavar="N")
    parser.add_argument("--order", choices=ORDERS, default="channel", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/wasserstein"), help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> str:
    """Train, measure, write JSON and figure; returns the table."""
    try:
        operands = {f"{f}x{n}": Operand.named(f"{f}x{n}") for f in args.formats for n in args.blocks}
    except ValueError as error:
        raise ConfigError(f"--formats, --blocks: {error}") from None
    order = Order(args.order)
    config = RunConfig(model=args.model, data=args.data, format="fp32", epochs=args.epochs, seed=args.seed)
    trainer = Trainer(config, load(args.data, args.data_dir))
    print(f"training {args.model} on {args.data} in FP32, {args.epochs} epochs ...", file=sys.stderr)
    fit(trainer)
    measured = {"weights": weight_distances(trainer.model, operands, order)}
    if order is Order.CHANNEL:
        measured["activations"] = activation_distances(trainer.model, trainer.data, operands)
    report: dict[str, Any] = {
        "provenance": provenance(args.line, args.seed),
        "order": str(order),
        "config": config.as_dict(),
        "weights_sha256": trainer.weights_sha256(),
        "val_accuracy": trainer.evaluate(trainer.data.validation).accuracy,
        "distances": measured,
        "mean": {role: _means(layers) for role, layers in measured.items()},
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "wasserstein.json", (json.dumps(report, indent=2) + "\n").encode())
    if not _draw(args, measured):
        print(HINT, file=sys.stderr)
    return _table(args, report)


def _means(layers: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Over all layers, by operand."""
    names = next(iter(layers.values()))
    return {name: float(np.mean([row[name] for row in layers.values()])) for name in names}


def _table(args: argparse.Namespace, report: Mapping[str, Any]) -> str:
    lines = [
        f"W1 of {args.model} on {args.data}, FP32, {args.epochs} epochs, mean over layers, x 1000; order {args.order}",
        "",
        "| tensors | block | " + " | ".join(args.formats) + " | HBFP4 over HBFP6 |",
        "|---" * (len(args.formats) + 3) + "|",
    ]
    for role, means in report["mean"].items():
        for block in args.blocks:
            row = {name: means[f"{name}x{block}"] for name in args.formats}
            ratio = f"{row['hbfp4'] / row['hbfp6']:.2f}" if {"hbfp4", "hbfp6"} <= row.keys() else ""
            lines.append(
                f"| {role} | {block} | " + " | ".join(f"{1000 * w:.3f}" for w in row.values()) + f" | {ratio} |"
            )
    return "\n".join([*lines, "", f"Accuracy Boosters: HBFP4 is more than {_CLAIM} times as far as HBFP6."])


def _short(layer: str) -> str:
    """The ends of a dotted name."""
    parts = layer.split(".")
    return parts[0] if len(parts) == 1 else f"{parts[0]}.{parts[-1]}"


def _draw(args: argparse.Namespace, measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bool:
    """Layers across, one line per format, a band over its block sizes."""
    made = figure(5 * len(measured), 3.6, columns=len(measured))
    if made is None:
        return False
    drawing, panels = made
    for axes, (role, layers) in zip(panels, measured.items(), strict=True):
        places = np.arange(len(layers))
        for name in args.formats:
            values = np.array([[row[f"{name}x{block}"] for block in args.blocks] for row in layers.values()])
            values[values == 0] = np.nan  # what a format holds exactly has no place on a logarithmic axis
            (line,) = axes.plot(places, np.median(values, axis=1), "o-", markersize=3, label=name)
            axes.fill_between(places, values.min(axis=1), values.max(axis=1), color=line.get_color(), alpha=0.2)
        axes.set(title=role, ylabel="W1", yscale="log")
        axes.set_xticks(places, [_short(layer) for layer in layers], rotation=60, ha="right", fontsize=7)
        axes.grid(alpha=0.3)
    title = f"blocks {min(args.blocks)}..{max(args.blocks)}"
    panels[-1].legend(frameon=False, title=title, loc="upper left", bbox_to_anchor=(1, 1))
    drawing.savefig(args.out / "wasserstein.png", dpi=130)
    return True
