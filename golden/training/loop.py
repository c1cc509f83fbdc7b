"""The training loop: one object that knows how to take a step, to measure, and to say and take back its whole state."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.data.sets import IGNORED, DataSet, Split
from golden.nn.layer import Layer
from golden.nn.loss import CrossEntropy
from golden.nn.precision import Order
from golden.training.build import build_model, build_optimiser, build_schedule, build_session, stored_formats
from golden.training.checkpoint import CheckpointError
from golden.training.config import RunConfig
from golden.training.footprint import Footprint
from golden.training.tensors import stashed_tensors

__all__ = ["Evaluation", "Trainer", "fit", "inputs"]

_EVALUATION_BATCH = 250
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Mean loss in nats and share of right answers, per labelled position."""

    loss: float
    accuracy: float


def inputs(x: Array, data: DataSet) -> Any:
    """A batch as the model takes it: pairs are cut into source and target, padding that no sentence needs dropped."""
    if data.kind != "pairs":
        return x
    source, target = x[:, : data.source_length], x[:, data.source_length :]
    return source[:, : _longest(source)], target[:, : _longest(target)]


def _longest(tokens: Array) -> int:
    """Length of the longest sentence; token 0 is padding and stands at the end only."""
    return int(np.flatnonzero(tokens.any(axis=0))[-1]) + 1


class Trainer:
    """One run in memory. `epoch` and `at` (steps into that epoch) say where it is; `step` counts optimiser steps.

    Data order is a permutation by PCG64 of (seed, epoch), so it needs no state. An epoch has n // batch steps; what is
    left over after the permutation sits out that epoch.
    """

    def __init__(self, config: RunConfig, data: DataSet) -> None:
        self.config, self.data = config, data
        self.train = data.train if config.train_samples is None else data.train.head(config.train_samples)
        self.batch = min(config.batch, len(self.train))
        self.steps_per_epoch = len(self.train) // self.batch
        self.epoch = self.at = self.step = 0
        self.losses: list[float] = []  # of this epoch's steps
        self.model: Layer = build_model(config, data)
        tensors = stashed_tensors(self.model, self._example(), Order(config.order))
        self.session = build_session(config, self.model, self._example(), self.steps_per_epoch)
        self.footprint = Footprint(tensors, *stored_formats(config, self.session))
        self.optimiser = build_optimiser(config, self.model, self.session)
        self.schedule, self.jumps = build_schedule(config, self.steps_per_epoch)
        self.loss = CrossEntropy(config.smoothing, ignore=IGNORED)

    def _example(self) -> Any:
        return inputs(self.train.x[: self.batch], self.data)

    @property
    def total_steps(self) -> int:
        """Of the whole run."""
        return self.steps_per_epoch * self.config.epochs

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return self.schedule(self.step)

    def batches(self) -> Iterator[tuple[Array, Array]]:
        """What is left of this epoch."""
        rng = np.random.Generator(np.random.PCG64([self.config.seed, self.epoch]))
        order = rng.permutation(len(self.train))
        for at in range(self.at, self.steps_per_epoch):
            chosen = order[at * self.batch : (at + 1) * self.batch]
            yield self.train.x[chosen], self.train.y[chosen]

    def train_step(self, x: Array, y: Array) -> float:
        """Forward, backward, update; the loss before the update.

        A loss that is not finite leaves all as it was: weights, running statistics, the session.
        """
        if self.step in self.jumps:
            self.session.lr_changed()
        lr = self.lr
        statistics = self.model.statistics()
        before = {name: value.copy() for name, value in statistics.items()}
        self.session.begin_step()
        logits = self.model.forward(inputs(x, self.data), training=True)
        loss = self.loss.forward(logits, y[:, : logits.shape[1]] if y.ndim > 1 else y)
        if not np.isfinite(loss):
            for name, value in before.items():
                statistics[name][...] = value
            self.session.drop_step()
            return loss
        self.model.backward(self.loss.backward())
        self.session.before_update(lr)
        self.optimiser.step(lr)
        self.session.after_update()
        self.footprint.count()  # before the policy may change its mind
        self.session.end_step(loss)
        self.step += 1
        self.at += 1
        self.losses.append(loss)
        return loss

    def end_epoch(self) -> float:
        """Mean loss of the epoch's steps; moves on to the next epoch. To be called after validation."""
        mean = float(np.mean(self.losses))
        self.session.end_epoch(mean)
        self.epoch, self.at, self.losses = self.epoch + 1, 0, []
        return mean

    def evaluate(self, split: Split) -> Evaluation:
        """Loss without smoothing and accuracy on a part, in the precision in force; statistics are not touched."""
        plain = CrossEntropy(ignore=IGNORED)
        loss = right = counted = 0.0
        for start in range(0, len(split), _EVALUATION_BATCH):
            x, y = split.x[start : start + _EVALUATION_BATCH], split.y[start : start + _EVALUATION_BATCH]
            logits = self.model.forward(inputs(x, self.data), training=False)
            labels = y[:, : logits.shape[1]] if y.ndim > 1 else y
            positions = int((labels != IGNORED).sum())
            loss += plain.forward(logits, labels) * positions
            right += int(((logits.argmax(axis=-1) == labels) & (labels != IGNORED)).sum())
            counted += positions
        return Evaluation(loss / counted, right / counted)

    def positions(self, split: Split) -> int:
        """Labelled positions of a part: images, or tokens."""
        return int((split.y != IGNORED).sum())

    def weights_sha256(self) -> str:
        """Hash of all parameters and buffers: name, shape, dtype, bytes in order."""
        digest = hashlib.sha256()
        for name, value in self.model.state().items():
            digest.update(f"{name} {value.shape} {value.dtype.str}\n".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """All that changes during a run."""
        return {
            "config": self.config.as_dict(),
            "place": {"epoch": self.epoch, "at": self.at, "step": self.step},
            "losses": self.losses,
            "model": self.model.state(),
            "optimiser": self.optimiser.state(),
            "session": self.session.state_dict(),
            "footprint": self.footprint.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a `state`, bit for bit. Raises CheckpointError if it is another run's."""
        if state["config"] != self.config.as_dict():
            raise CheckpointError("the checkpoint is of a run with another configuration")
        self.epoch, self.at, self.step = (int(state["place"][key]) for key in ("epoch", "at", "step"))
        self.losses = list(state["losses"])
        self.model.load(state["model"])
        self.optimiser.load(state["optimiser"])
        self.session.load_state(state["session"])
        self.footprint.load(state["footprint"])


def fit(
    trainer: Trainer,
    *,
    after_step: Callable[[float, float], None] = lambda loss, lr: None,
    close_epoch: Callable[[], object] | None = None,
) -> int | None:
    """Train to the end; returns the step (from 1) whose loss is not finite and ends the run early, else None.

    `after_step(loss, lr)` may raise to stop. `close_epoch` has to call `end_epoch`, which is what it does by default.
    """
    close = close_epoch or trainer.end_epoch
    with np.errstate(over="ignore", invalid="ignore"):
        while trainer.epoch < trainer.config.epochs:
            for x, y in trainer.batches():
                lr = trainer.lr
                loss = trainer.train_step(x, y)
                if not np.isfinite(loss):
                    return trainer.step + 1
                after_step(loss, lr)
            close()
    return None
