"""What `python -m golden.compare` trains: scenarios (model, data, length, seeds) and the rows of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from golden.compare.entries import (
    BITWAVE_ENTRIES,
    DROPBACK_ENTRIES,
    ENTRIES,
    LENGTH_ENTRIES,
    PFQ_ENTRIES,
    Entry,
    Size,
)
from golden.training.config import ConfigError, RunConfig

__all__ = ["SETS", "Scenario", "find_entries", "make_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One model on one data set. `run` holds fields of RunConfig that differ from the model's recipe.

    `without` names rows that are left out. `seconds`: what a run takes on one idle core, mean over the rows. `search`:
    for choosing constants, so its table says what the validation part says, with seeds that no comparison uses.
    """

    model: str
    data: str
    epochs: int
    seeds: int
    seconds: float
    run: Mapping[str, Any] = field(default_factory=dict)
    entries: Sequence[Entry] = field(default_factory=lambda: ENTRIES)
    without: Sequence[str] = ()
    search: bool = False

    @property
    def name(self) -> str:
        """Folder and heading."""
        return f"{self.model}-{self.data}"

    @property
    def first_seed(self) -> int:
        """Seeds count up from here."""
        return 100 if self.search else 0


# Rows about constants, which the two smaller nets answer.
_VARIANTS = ["bitchop, alpha 1/2", "bitwave, alpha 1/2", "boosters 10/160", "dropback 1/5, sparse"]
_QUICK = {"train_samples": 256, "batch": 32}
_LENET5: dict[str, Any] = {"model": "lenet5", "data": "digits", "epochs": 30}
_SEARCH: dict[str, Any] = {**_LENET5, "seeds": 2, "search": True}
SETS: dict[str, list[Scenario]] = {
    "quick": [Scenario(model="mlp", data="digits", epochs=3, seeds=1, seconds=0.5, run=_QUICK)],
    "digits": [Scenario(**_LENET5, seeds=3, seconds=4)],
    "pfq": [Scenario(**_LENET5, seeds=3, seconds=3, entries=PFQ_ENTRIES)],
    "bitwave": [Scenario(**_SEARCH, seconds=4, entries=BITWAVE_ENTRIES)],
    "lengths": [Scenario(**_SEARCH, seconds=6, entries=LENGTH_ENTRIES)],
    "dropback": [Scenario(**_SEARCH, seconds=4, entries=DROPBACK_ENTRIES)],
    "full": [
        Scenario(**_LENET5, seeds=10, seconds=4),
        Scenario(model="lenet300", data="mnist", epochs=20, seeds=3, seconds=12),
        Scenario(
            model="resnet8",
            data="mnist",
            epochs=12,
            seeds=3,
            seconds=23,
            run={"train_samples": 960, "batch": 32, "width": 8},
            without=["fp16", *_VARIANTS],
        ),
        Scenario(
            model="transformer_lm",
            data="topics",
            epochs=10,
            seeds=3,
            seconds=28,
            run={"train_samples": 512, "batch": 16, "lr": 0.01, "width": 64, "depth": 2},
            without=["fp16", "qe sym", "pfq control", *_VARIANTS],
        ),
    ],
}
"""The sets of `--set`, each with the seeds that it runs unless told otherwise."""


def make_config(
    scenario: Scenario, entry: Entry, seed: int, steps_per_epoch: int, schedule: Sequence[int] = ()
) -> RunConfig:
    """The run of one row with one seed; `schedule` is for a control."""
    run: dict[str, Any] = {"epochs": scenario.epochs, **scenario.run, **entry.run}
    facts: dict[str, Any] = {"model": scenario.model, "data": scenario.data, "format": "fp32", **run}
    plain = RunConfig(**facts)
    size = Size(plain.epochs, plain.epochs * steps_per_epoch, plain.lr)
    flags = {name: value(size) if callable(value) else value for name, value in entry.flags.items()}
    if schedule:
        flags["pfq-schedule"] = ",".join(map(str, schedule))
    options = tuple(sorted((name, str(value)) for name, value in flags.items()))
    return RunConfig(**facts, seed=seed, policy=entry.policy, policy_options=options)


def find_entries(names: str | None, scenario: Scenario) -> list[Entry]:
    """The rows asked for, "qm; bitwave; ...", or all that a scenario has. Raises ConfigError for unknown names.

    A Transformer has no stack of image layers, and AdamW, so that rows which set the optimiser are not for it.
    """
    sequence = scenario.model.startswith("transformer")
    able = [
        entry
        for entry in scenario.entries
        if entry.name not in scenario.without and not (sequence and (entry.stacks or "optimizer" in entry.run))
    ]
    if names is None:
        return able
    known = {entry.name for entry in scenario.entries}
    wanted = [name.strip() for name in names.split(";")]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"--rows {name}: of {'; '.join(entry.name for entry in scenario.entries)}")
    return [entry for entry in able if entry.name in wanted]
