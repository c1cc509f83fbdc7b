"""Peak learning rate of a model on a set, chosen for FP32 on the validation part; the test part is not looked at.

Prints the mean validation accuracy and loss of each rate; the defaults of `golden.training.config` were found so.
"""

import argparse
import sys

from golden.data import load
from golden.training.config import ConfigError, RunConfig
from golden.training.loop import Trainer, fit
from golden.training.progress import Progress
from golden.training.statistics import spread

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this study."""
    parser.add_argument("--model", default="resnet8", help="default: %(default)s")
    parser.add_argument("--data", default="digits", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.01, 0.02, 0.05, 0.1, 0.2], metavar="LR")
    parser.add_argument(
        "--seeds", type=int, default=3, help="100, 101, ...: not those of the studies; default: %(default)s"
    )


def run(args: argparse.Namespace) -> str:
    """Train every rate with every seed; returns the table."""
    if not 1 <= args.seeds <= 100:
        raise ConfigError(f"--seeds {args.seeds}: 1..100")
    data = load(args.data, args.data_dir)
    lines = ["| lr | validation accuracy | range | validation loss |", "|---|---|---|---|"]
    progress = Progress(len(args.rates) * args.seeds)
    for lr in args.rates:
        found = []
        for seed in range(100, 100 + args.seeds):
            config = RunConfig(model=args.model, data=args.data, format="fp32", epochs=args.epochs, seed=seed, lr=lr)
            trainer = Trainer(config, data)
            fit(trainer)
            found.append(trainer.evaluate(data.validation))
            progress.advance()
            progress.line(f"lr {lr:g} seed {seed}: {found[-1].accuracy:.2%}")
        accuracy, loss = spread([e.accuracy for e in found]), spread([e.loss for e in found])
        lines.append(f"| {lr:g} | {accuracy.mean:.2%} | {accuracy.low:.2%}..{accuracy.high:.2%} | {loss.mean:.4f} |")
    print("", file=sys.stderr)
    return "\n".join(lines)
