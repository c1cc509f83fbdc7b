"""Small runs for the tests of training."""

import json
from pathlib import Path

from golden.data import DataSet, load
from golden.training.config import RunConfig
from golden.training.loop import Trainer
from golden.training.run import execute

QUICK = {"model": "mlp", "data": "digits", "epochs": 2, "train_samples": 320, "batch": 64}


def quick(**facts) -> RunConfig:
    """A run of ten steps."""
    return RunConfig(**QUICK | facts)


def run(config: RunConfig, folder: Path, data: DataSet | None = None, **how) -> dict:
    """Train it; what final.json holds."""
    execute(Trainer(config, data or load(config.data)), folder, **how)
    return json.loads((folder / "final.json").read_text())
