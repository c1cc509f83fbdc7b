"""A run with its folder: log, checkpoint, result. Interrupted anywhere it goes on to the very same bytes.

The folder holds `log.jsonl` (a line per step and per epoch), `checkpoint.npz`, `final.json` and `footprint.json`.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from golden.files import write
from golden.training.checkpoint import load_state, save_state
from golden.training.log import Log
from golden.training.loop import Trainer, fit
from golden.training.progress import Progress
from golden.training.report import final_report, to_json

__all__ = ["Interrupted", "RunFolder", "execute"]


class Interrupted(Exception):
    """The run was stopped from outside; its checkpoint is saved."""


class RunFolder:
    """Names of a run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log, self.checkpoint = path / "log.jsonl", path / "checkpoint.npz"
        self.final, self.footprint = path / "final.json", path / "footprint.json"


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Within, SIGINT and SIGTERM only raise a flag, which the loop reads between steps."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, ask) for number in signals]
    except ValueError:  # not the main thread: nobody can interrupt
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def execute(
    trainer: Trainer,
    folder: Path,
    *,
    resume: bool = False,
    label: str = "",
    stop: Callable[[int], bool] = lambda step: False,
) -> dict[str, Any]:
    """Train, test once at the end, write the folder; returns what `final.json` holds.

    `resume` goes on from the folder's checkpoint if there is one. `stop(step)` true asks to stop after that step, as an
    interrupt does: the checkpoint is saved and Interrupted raised.
    """
    files = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = 0
    if resume and files.checkpoint.exists():
        state = load_state(files.checkpoint)
        trainer.load(state)
        kept = int(state["log_bytes"])
    log = Log(files.log, keep=kept)
    try:
        with _stop_requests() as asked, np.errstate(over="ignore", invalid="ignore"):
            diverged = _train(trainer, log, files, label, lambda step: asked() or stop(step))
    finally:
        log.close()
    final = final_report(trainer, diverged)
    write(files.final, to_json(final, trainer.config).encode())
    write(files.footprint, to_json(trainer.footprint.report(), trainer.config).encode())
    return final


def _train(trainer: Trainer, log: Log, files: RunFolder, label: str, stop: Callable[[int], bool]) -> int | None:
    """To the end, or to the step (from 1) whose loss is not finite, which is returned."""
    progress = Progress(trainer.total_steps, trainer.step, label=label)
    epochs = trainer.config.epochs

    def save() -> None:
        save_state(files.checkpoint, trainer.state() | {"log_bytes": log.flush()})

    def after_step(loss: float, lr: float) -> None:
        log.write(step=trainer.step, loss=loss, lr=lr)
        progress.step(f"epoch {trainer.epoch + 1}/{epochs}  loss {loss:.4f}")
        if stop(trainer.step) and trainer.step < trainer.total_steps:
            save()
            raise Interrupted(f"stopped after step {trainer.step} of {trainer.total_steps}; --resume goes on")

    def close_epoch() -> None:
        validated, bits = trainer.evaluate(trainer.data.validation), trainer.footprint.bits_per_value()
        report = trainer.session.report()
        loss = trainer.end_epoch()
        entry: dict[str, Any] = {"epoch": trainer.epoch, "step": trainer.step, "train_loss": loss}
        entry |= {"val_loss": validated.loss, "val_accuracy": validated.accuracy, "bits_per_value": bits}
        log.write(**entry, **({"policy": report} if report else {}))
        accuracy = f"validation {validated.accuracy:.2%}"
        progress.line(f"epoch {trainer.epoch}/{epochs}  loss {loss:.4f}  {accuracy}  {bits:.2f} bits a value")
        save()

    diverged = fit(trainer, after_step=after_step, close_epoch=close_epoch)
    if diverged:
        save()
        log.write(event="diverged", step=diverged)
        progress.line(f"diverged: the loss of step {diverged} is not finite; the run ends here")
    return diverged
