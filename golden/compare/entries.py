"""The rows of `python -m golden.compare`: policies with the flags that they are run with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["BITWAVE_ENTRIES", "DROPBACK_ENTRIES", "ENTRIES", "LENGTH_ENTRIES", "PFQ_ENTRIES", "Entry", "Size"]


class Size(NamedTuple):
    """What flags may depend on: the length of a run, the peak learning rate of its weights."""

    epochs: int
    steps: int
    lr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row: a policy, its flags (without dashes), and what else the run changes.

    Flags may be functions of the run's `Size`: constants that papers give for runs of their length are put in
    proportion. `stacks`: needs a model that is a stack of image layers. `control_of` names a PFQ row before this one:
    its stages begin, in all seeds, at the epochs at which that row's began on average.
    """

    name: str
    policy: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    stacks: bool = False
    control_of: str = ""


def _no_momentum(lr: float) -> dict[str, Any]:
    """DropBack's optimiser (policies.md 8)."""
    return {"optimizer": "sgd", "momentum": 0.0, "lr": lr, "weight_decay": 0.0}


_SEARCHED = 480  # steps of the runs in which the lengths' constants were searched
_RATE, _GAMMA, _GAMMA_QE = 20.0, 0.3, 0.1  # docs/policies.md: chosen on the validation part, as the next one
_SGD = _no_momentum(0.2)


def _lengths(prefix: str, rate: float = _RATE, gamma: float = _GAMMA, limit: float = 20, **more: Any) -> dict[str, Any]:
    """Lengths whose learning rate is `rate` in a run of 480 steps, in proportion in others, and not the weights'.

    They travel `limit` bits in a run at most.
    """
    flags = {
        "lr": lambda size: rate / size.lr * _SEARCHED / size.steps,
        "gamma": gamma,
        "max-step": lambda size: min(limit / size.steps, 23.0),
        **more,
    }
    return {f"{prefix}-{name}": value for name, value in flags.items()}


def _tenth(size: Size) -> int:
    """Ten epochs of the paper's 160, at least two, so that it differs from one."""
    return max(2, round(size.epochs / 16))


ENTRIES = [
    *(Entry(name=name, policy=name) for name in ("fp32", "bf16", "fp16")),
    *(Entry(name=name, policy=name) for name in ("hbfp4", "hbfp6", "hbfp8", "mx9", "mx6", "mx4")),
    *(Entry(name=name, policy=name) for name in ("mxfp8", "mxfp6", "mxfp4", "mxint8")),
    Entry(name="qm", policy="qm", flags=_lengths("qm", source="bf16")),
    Entry(name="qe", policy="qe", flags=_lengths("qe", gamma=_GAMMA_QE)),
    Entry(name="qe sym", policy="qe", flags=_lengths("qe", gamma=_GAMMA_QE, window="sym")),
    Entry(name="qm+qe", policy="qm_qe", flags=_lengths("qm-qe", source="bf16")),
    Entry(name="qm+qe, gamma 0.1", policy="qm_qe", flags=_lengths("qm-qe", gamma=_GAMMA_QE, source="bf16")),
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
    Entry(name="dropback 1/5 + qm+qe", policy="dropback+qm_qe", flags=_lengths("qm-qe", source="bf16"), run=_SGD),
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


def _bitwave(name: str, policy: str = "bitwave", epochs: int | None = None, **flags: Any) -> Entry:
    named = {f"{policy}-{flag.replace('_', '-')}": value for flag, value in flags.items()}
    return Entry(name=name, policy=policy, flags=named, run={"epochs": epochs} if epochs else {})


# Why BitWave's rule fails: its constants, the length of the run, the phase in which the loss falls (docs/policies.md).
BITWAVE_ENTRIES = [
    Entry(name="fp32", policy="fp32"),
    *(
        _bitwave(f"bitwave alpha {alpha:g} eps {eps:g}", alpha=alpha, eps=eps)
        for alpha in (1 / 256, 1 / 16, 1 / 4, 1 / 2, 1.0)
        for eps in (0.003, 0.01, 0.1)
    ),
    *(_bitwave(f"{policy}, 300 epochs", policy, 300) for policy in ("bitwave", "bitchop")),
    *(
        _bitwave(f"{policy} from epoch {start}", policy, start=start)
        for policy in ("bitwave", "bitchop")
        for start in (10, 20)
    ),
    *(_bitwave(f"bitwave, floors {m} and {k}", least_m=m, least_k=k) for m, k in ((0, 4), (2, 2), (2, 4))),
]


def _both(name: str, rate: float, gamma: float, limit: float = 20) -> Entry:
    return Entry(name=name, policy="qm_qe", flags=_lengths("qm-qe", rate, gamma, limit, source="bf16"))


# What learned lengths need, and which fixed ones a network survives.
LENGTH_ENTRIES = [
    Entry(name="fp32", policy="fp32"),
    *(
        _both(f"qm+qe rate {rate:g} gamma {gamma:g} slow", rate, gamma)
        for rate, gammas in (
            (0.02, (0.1, 1)),
            (0.2, (0.1, 1)),
            (0.4, (1,)),
            (0.8, (1,)),
            (2, (0.1, 1)),
            (20, (0.01, 0.03, 0.1, 0.3)),
            (100, (0.1,)),
        )
        for gamma in gammas
    ),
    *(
        _both(f"qm+qe rate {rate:g} gamma {gamma:g} free", rate, gamma, limit=1e9)
        for rate in (0.02, 0.2, 2)
        for gamma in (0.1, 1)
    ),
    *(
        Entry(name=f"qe rate 20 gamma {gamma:g}", policy="qe", flags=_lengths("qe", gamma=gamma))
        for gamma in (0.1, 0.3)
    ),
    *(Entry(name=f"qe fixed at {k}", policy="qe", flags={"qe-first-k": k, "qe-lr": 0.0}) for k in (1, 2, 3, 4)),
    *(Entry(name=f"qm fixed at {m}", policy="qm", flags={"qm-first-m": m, "qm-lr": 0.0}) for m in (0, 1, 2)),
]
# The learning rate of DropBack and of the FP32 run that it is compared with.
DROPBACK_ENTRIES = [
    Entry(name=f"{name} lr {lr:g}", policy=policy, run=_no_momentum(lr))
    for name, policy in (("fp32", "fp32"), ("dropback 1/5", "dropback"))
    for lr in (0.1, 0.2, 0.4, 0.8)
]
