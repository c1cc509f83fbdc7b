"""What `python -m golden.compare` trains: scenarios (model, data, length) and the policies run on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from golden.training.config import ConfigError, RunConfig

__all__ = ["ENTRIES", "SETS", "Entry", "Scenario", "find_entries", "make_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: a policy, its flags (without dashes), and what else the run changes.

    Flags may be functions of (epochs, steps): constants that papers give for runs of their length are put in
    proportion. `stacks`: needs a model that is a stack of image layers. `control_of` names a PFQ row before this one:
    its stages begin, in all seeds, at the epochs at which that row's began on average.
    """

    name: str
    policy: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    stacks: bool = False
    control_of: str = ""


_SGD = {"optimizer": "sgd", "momentum": 0.0, "lr": 0.4, "weight_decay": 0.0}  # DropBack has no momentum (policies.md 8)


def _learned(prefix: str, **more: Any) -> dict[str, Any]:
    """Lengths that can travel 20 bits in a run, whatever its length; found on digits, docs/policies.md."""
    flags = {"lr": 10.0, "gamma": 1.0, "max-step": lambda epochs, steps: min(20 / steps, 1.0), **more}
    return {f"{prefix}-{name}": value for name, value in flags.items()}


def _tenth(epochs: int, steps: int) -> int:
    """Ten epochs of the paper's 160, at least two, so that it differs from one."""
    return max(2, round(epochs / 16))


ENTRIES = [
    *(Entry(name=name, policy=name) for name in ("fp32", "bf16", "fp16")),
    *(Entry(name=name, policy=name) for name in ("hbfp4", "hbfp6", "hbfp8", "mx9", "mx6", "mx4")),
    *(Entry(name=name, policy=name) for name in ("mxfp8", "mxfp6", "mxfp4", "mxint8")),
    Entry(name="qm", policy="qm", flags=_learned("qm", source="bf16")),
    Entry(name="qe", policy="qe", flags=_learned("qe")),
    Entry(name="qe sym", policy="qe", flags=_learned("qe", window="sym")),
    Entry(name="qm+qe", policy="qm_qe", flags=_learned("qm-qe", source="bf16")),
    Entry(name="bitchop", policy="bitchop"),
    Entry(name="bitwave", policy="bitwave"),
    Entry(name="bitchop, alpha 1/2", policy="bitchop", flags={"bitchop-alpha": 0.5}),
    Entry(name="bitwave, alpha 1/2", policy="bitwave", flags={"bitwave-alpha": 0.5}),
    Entry(name="bitwave, floors 2 and 4", policy="bitwave", flags={"bitwave-least-m": 2, "bitwave-least-k": 4}),
    Entry(name="boosters 1", policy="boosters"),
    Entry(name="boosters 10/160", policy="boosters", flags={"boosters-boost": _tenth}),
    Entry(name="boosters mx", policy="boosters", flags={"boosters-family": "mx"}),
    Entry(name="static 8/8", policy="static"),
    Entry(name="pfq", policy="pfq"),
    Entry(name="pfq control", policy="pfq", control_of="pfq"),
    Entry(name="dfq", policy="dfq", stacks=True),
    Entry(name="fractrain", policy="fractrain", stacks=True),
    Entry(name="cpt", policy="cpt"),
    Entry(name="fast", policy="fast"),
    Entry(name="flexpoint", policy="flexpoint"),
    Entry(name="fp32, no momentum", policy="fp32", run=_SGD),
    *(
        Entry(name=f"dropback 1/{part}", policy="dropback", flags={"dropback-keep": 1 / part}, run=_SGD)
        for part in (5, 10, 25)
    ),
    Entry(name="dropback 1/5, sparse", policy="dropback", flags={"dropback-decay": 0.9}, run=_SGD),
    Entry(name="dropback 1/5 + hbfp6", policy="dropback+hbfp6", run=_SGD),
    Entry(
        name="dropback 1/5 + qm+qe",
        policy="dropback+qm_qe",
        flags=_learned("qm-qe", source="bf16", lr=1.0),
        run=_SGD,
    ),
]
"""Every row, in the order of the table."""


def _pfq(eps: float, alpha: float) -> Entry:
    flags = {"pfq-eps": eps, "pfq-alpha": alpha}
    return Entry(name=f"pfq {eps:g} {alpha:g}", policy="pfq", flags=flags)


# The ablation that reviewers of FracTrain asked for (policies.md 5): both constants, and stages fixed in advance.
PFQ_ENTRIES = [
    Entry(name="fp32", policy="fp32"),
    Entry(name="static 8/8", policy="static"),
    *(_pfq(eps, alpha) for eps in (0.02, 0.05, 0.1, 0.15, 0.3) for alpha in (0.1, 0.3, 0.5, 0.7, 1.0)),
    Entry(name="control of 0.05 0.3", policy="pfq", control_of="pfq 0.05 0.3"),
    Entry(name="control of 0.15 0.5", policy="pfq", control_of="pfq 0.15 0.5"),
]


# Why BitWave's rule fails at some constants, and what the speed of learned lengths does (docs/policies.md).
BITWAVE_ENTRIES = [
    Entry(
        name=f"bitwave alpha {alpha:g} eps {eps:g}",
        policy="bitwave",
        flags={"bitwave-alpha": alpha, "bitwave-eps": eps},
    )
    for alpha in (1 / 256, 1 / 16, 1 / 4, 1 / 2, 1.0)
    for eps in (0.003, 0.01, 0.1)
]
LENGTH_ENTRIES = [
    Entry(
        name=f"qm+qe lr {lr:g} gamma {gamma:g} step {limit}",
        policy="qm_qe",
        flags={
            "qm-qe-source": "bf16",
            "qm-qe-lr": lr,
            "qm-qe-gamma": gamma,
            "qm-qe-max-step": (lambda epochs, steps: 20 / steps) if limit == "slow" else 1.0,
        },
    )
    for limit in ("slow", "free")
    for lr in (1.0, 10.0, 100.0)
    for gamma in (0.1, 1.0)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One model on one data set. `run` holds fields of RunConfig that differ from the model's recipe."""

    model: str
    data: str
    epochs: int
    seeds: int
    run: Mapping[str, Any] = field(default_factory=dict)
    entries: Sequence[Entry] = field(default_factory=lambda: ENTRIES)

    @property
    def name(self) -> str:
        """Folder and heading."""
        return f"{self.model}-{self.data}"


_QUICK = {"train_samples": 256, "batch": 32}
SETS: dict[str, list[Scenario]] = {
    "quick": [Scenario(model="mlp", data="digits", epochs=3, seeds=1, run=_QUICK)],
    "digits": [Scenario(model="lenet5", data="digits", epochs=30, seeds=3)],
    "pfq": [Scenario(model="lenet5", data="digits", epochs=30, seeds=3, entries=PFQ_ENTRIES)],
    "bitwave": [Scenario(model="lenet5", data="digits", epochs=30, seeds=1, entries=BITWAVE_ENTRIES)],
    "lengths": [Scenario(model="lenet5", data="digits", epochs=30, seeds=1, entries=LENGTH_ENTRIES)],
    "full": [
        Scenario(model="lenet5", data="digits", epochs=30, seeds=3),
        Scenario(model="lenet300", data="mnist", epochs=20, seeds=3),
        Scenario(model="resnet8", data="mnist", epochs=6, seeds=1),
        Scenario(model="transformer_lm", data="topics", epochs=3, seeds=1),
    ],
}
"""The sets of `--set`, each with the seeds that it runs unless told otherwise."""


def make_config(
    scenario: Scenario, entry: Entry, seed: int, steps_per_epoch: int, schedule: Sequence[int] = ()
) -> RunConfig:
    """The run of one row with one seed; `schedule` is for a control."""
    steps = scenario.epochs * steps_per_epoch
    flags = {name: value(scenario.epochs, steps) if callable(value) else value for name, value in entry.flags.items()}
    if schedule:
        flags["pfq-schedule"] = ",".join(map(str, schedule))
    options = tuple(sorted((name, str(value)) for name, value in flags.items()))
    run = {**scenario.run, **(entry.run if scenario.model != "transformer_lm" else {})}
    return RunConfig(
        model=scenario.model,
        data=scenario.data,
        format="fp32",
        epochs=scenario.epochs,
        seed=seed,
        policy=entry.policy,
        policy_options=options,
        **run,
    )


def find_entries(names: str | None, scenario: Scenario) -> list[Entry]:
    """The rows asked for, "qm; bitwave; ...", or all that a model can run. Raises ConfigError for unknown names."""
    able = [entry for entry in scenario.entries if not (entry.stacks and scenario.model.startswith("transformer"))]
    if names is None:
        return able
    known = {entry.name for entry in scenario.entries}
    wanted = [name.strip() for name in names.split(";")]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"--rows {name}: of {'; '.join(entry.name for entry in scenario.entries)}")
    return [entry for entry in able if entry.name in wanted]
