"""What a run leaves as its result, with what made it: everything that determines the bits, nothing that does not."""

import math
from typing import Any

import numpy as np

from golden import provenance
from golden.training.config import RunConfig
from golden.training.loop import Trainer

__all__ = ["final_report", "to_json"]


def _finite(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(report: dict[str, Any], config: RunConfig) -> str:
    """A run's report with its provenance; the command is the one that makes the run anew, without its folder."""
    return provenance.to_json(_finite(report), config.command(), config.seed)


def final_report(trainer: Trainer, diverged: int | None) -> dict[str, Any]:
    """The contents of `final.json`; here, and only here, the test part is looked at."""
    config, data = trainer.config, trainer.data
    with np.errstate(over="ignore", invalid="ignore"):
        validated, tested = trainer.evaluate(data.validation), trainer.evaluate(data.test)
    return {
        "weights_sha256": trainer.weights_sha256(),
        "test_accuracy": tested.accuracy,
        "test_loss": tested.loss,
        "n_test": trainer.positions(data.test),
        "val_accuracy": validated.accuracy,
        "val_loss": validated.loss,
        "n_val": trainer.positions(data.validation),
        "footprint_ratio": trainer.footprint.ratio(),
        "footprint": trainer.footprint.summary(),
        "blocks": trainer.footprint.blocks,
        "diverged_at_step": diverged,
        "steps": trainer.step,
        "parameters": int(sum(parameter.value.size for parameter in trainer.model.parameters())),
        **({"policy": report} if (report := trainer.session.report()) else {}),
        "config": config.as_dict(),
    }
