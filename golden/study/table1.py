"""Table I of Accuracy Boosters in miniature: test accuracy by format and block size, against FP32 with equal seeds.

Every model is trained on every set in FP32 and in HBFP8, 6, 5 and 4 over block sizes 16 to 576, in all the sizes of the
paper for the two formats that its table varies, HBFP6 and HBFP4: convolutional models in the orders im2col and tile2d
(whose blocks may grow beyond the channel count), linear ones along features. One JSON per
run lies in the folder; runs that are there are not trained again, so the study may be stopped and gone on with at will.
Hyperparameters are the model's own, tuned for FP32 on the validation part; the test part is looked at once, at the end.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from golden.data import load
from golden.files import write
from golden.nn.precision import Operand, Order
from golden.study.report import table1_figures, table1_report
from golden.study.wasserstein import weight_distances
from golden.training.config import ConfigError, RunConfig
from golden.training.loop import Trainer, fit
from golden.training.progress import Progress
from golden.training.report import final_report, to_json
from golden.training.threads import pin

__all__ = ["BLOCKS", "FORMATS", "add_arguments", "cells", "run", "run_name", "train_one"]

BLOCKS = (16, 25, 36, 49, 64, 256, 576)
FORMATS = ("hbfp8", "hbfp6", "hbfp5", "hbfp4")
_FEWER_BLOCKS = {"hbfp8": (16, 64, 576), "hbfp5": (16, 64, 576)}  # the paper's table has none of HBFP5, one of HBFP8
_ORDERS = {"mlp": ("channel",), "lenet300": ("channel",)}
_CONVOLUTIONAL = ("im2col", "tile2d")
_MANY_SEEDS, _FEW_SEEDS = 10, 3  # many where a run takes seconds: on digits, and of linear models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this study."""
    parser.add_argument("--models", nargs="+", default=["resnet8", "mlp"], metavar="MODEL", help="default: resnet8 mlp")
    parser.add_argument(
        "--data", nargs="+", default=["digits", "mnist1d"], metavar="SET", help="default: digits mnist1d"
    )
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), metavar="FORMAT", help=_default(FORMATS))
    parser.add_argument(
        "--blocks", nargs="+", type=int, metavar="N", help=f"{_default(BLOCKS)}; of hbfp8 and hbfp5: 16 64 576"
    )
    parser.add_argument("--orders", nargs="+", metavar="ORDER", help="default: im2col tile2d; linear models: channel")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="default: 10 on digits and of linear models, 3 elsewhere"
    )
    parser.add_argument("--epochs", type=int, default=20, help="of every run; default: %(default)s")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="runs at once; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/table1"), help="folder; default: %(default)s")
    parser.add_argument("--report-only", action="store_true", help="train nothing, report the runs that are there")


def _default(values: Sequence[object]) -> str:
    return f"default: {' '.join(map(str, values))}"


def cells(args: argparse.Namespace) -> Iterator[RunConfig]:
    """Every run of the study, seed by seed, so that one stopped early has whole columns of fewer seeds."""
    most = max(_seeds(args, model, data) for model in args.models for data in args.data)
    for seed in range(most):
        for model in args.models:
            for data in args.data:
                if seed < _seeds(args, model, data):
                    yield from _column(args, model, data, seed)


def _seeds(args: argparse.Namespace, model: str, data: str) -> int:
    if args.seeds is not None:
        return int(args.seeds)
    return _MANY_SEEDS if data == "digits" or model in _ORDERS else _FEW_SEEDS


def _column(args: argparse.Namespace, model: str, data: str, seed: int) -> Iterator[RunConfig]:
    plain = RunConfig(model=model, data=data, format="fp32", storage="fp32", epochs=args.epochs, seed=seed)
    yield plain
    for order in args.orders or _ORDERS.get(model, _CONVOLUTIONAL):
        for name in args.formats:
            for block in args.blocks or _FEWER_BLOCKS.get(name, BLOCKS):
                yield replace(plain, format=f"{name}x{block}", storage="wide", order=order)


def run_name(config: RunConfig) -> str:
    """Name of a run's file."""
    parts = [config.model, config.data, config.format, config.order, f"e{config.epochs}", f"s{config.seed}"]
    return "-".join(parts).replace("/", "_").replace(":", "_") + ".json"


def train_one(config: RunConfig, data_dir: Path, out: Path) -> str:
    """One run from start to end; its result as a file, whole or not at all. Returns a line about it."""
    pin()
    trainer = Trainer(config, load(config.data, data_dir, context=config.context))
    diverged = fit(trainer)
    final = final_report(trainer, diverged)
    if config.format == "fp32":
        final["wasserstein"] = _distances(trainer)
    write(out / run_name(config), to_json(final, config).encode())
    return f"{run_name(config)}  test {final['test_accuracy']:.2%}"


def _distances(trainer: Trainer) -> dict[str, dict[str, float]]:
    """W1 of the trained weights, mean over layers, by order and format: what accuracy is plotted against."""
    operands = {f"{name}x{block}": Operand.named(f"{name}x{block}") for name in FORMATS for block in BLOCKS}
    found = {}
    for order in (Order.CHANNEL, Order.IM2COL, Order.TILE2D):
        layers = weight_distances(trainer.model, operands, order).values()
        found[str(order)] = {name: float(np.mean([layer[name] for layer in layers])) for name in operands}
    return found


def run(args: argparse.Namespace) -> str:
    """The study; returns the path of its report."""
    if args.jobs < 1:
        raise ConfigError(f"--jobs {args.jobs}: 1..{os.cpu_count()}")
    if args.seeds is not None and not 1 <= args.seeds <= 100:
        raise ConfigError(f"--seeds {args.seeds}: 1..100")
    for block in args.blocks or ():
        if not 1 <= block <= 1024:
            raise ConfigError(f"--blocks {block}: 1..1024")
    plan = list(cells(args))
    for name in args.data:
        load(name, args.data_dir)  # a missing set shows before anything is trained
    args.out.mkdir(parents=True, exist_ok=True)
    todo = [config for config in plan if not (args.out / run_name(config)).exists()]
    print(f"{len(plan)} runs, {len(plan) - len(todo)} of them done before", file=sys.stderr)
    if not args.report_only:
        _train(todo, len(plan), args)
    finals = [json.loads(path.read_text()) for c in plan if (path := args.out / run_name(c)).exists()]
    report, markdown = table1_report(finals, args)
    write(args.out / "table1.json", (json.dumps(report, indent=2) + "\n").encode())
    write(args.out / "table1.md", markdown.encode())
    table1_figures(report, args.out)
    return markdown


def _train(todo: Sequence[RunConfig], total: int, args: argparse.Namespace) -> None:
    """All that is missing, with the time left; workers are fresh processes, each with one BLAS thread."""
    progress = Progress(total, total - len(todo))
    if args.jobs == 1:
        for config in todo:
            text = train_one(config, args.data_dir, args.out)
            progress.advance()
            progress.line(f"[{progress.done}/{total}] {text}")
        return
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(train_one, config, args.data_dir, args.out) for config in todo]
        try:
            for future in as_completed(futures):
                text = future.result()
                progress.advance()
                progress.line(f"[{progress.done}/{total}] {text}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
