"""What a policy would do by itself, played back over a finished run: cause and effect told apart.

A policy led by the loss (bitwave, bitchop) hears the losses of a run whose values it does not cut, so that the loss
does not answer; its table says by epoch how many batches lie below and above the band and which lengths are left. The
lengths of a run that learns them (qm, qe, qm_qe) are put beside what the footprint's pull alone would have made of
them, with no gradient of the loss. Nothing is trained.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from golden.data import load
from golden.files import write
from golden.policies.bitwave import BitWave
from golden.policies.registry import make_policy
from golden.policies.session import Session
from golden.provenance import provenance
from golden.training.config import ConfigError, RunConfig
from golden.training.log import read_log
from golden.training.loop import Trainer

__all__ = ["add_arguments", "pull_alone", "run", "under_losses"]

_LED = ("bitwave", "bitchop")
_LEARNED = ("qm", "qe", "qm_qe")


def under_losses(policy: BitWave, losses: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """What `policy` does on the losses of each epoch's steps, by epoch.

    `below` and `above`: shares of batches outside the band, where a bit is taken or given; `m`, `k`: lengths then.
    """
    found = []
    for epoch in losses:
        sides = []
        for loss in epoch:
            sides.append(policy.side(loss))
            policy.on_step(loss)
        policy.on_epoch(sum(epoch) / len(epoch))
        shares = {name: sides.count(side) / len(sides) for name, side in (("below", -1), ("above", 1))}
        found.append({**shares, "m": policy.m, "k": policy.k})
    return found


def pull_alone(trainer: Trainer) -> list[dict[str, float]]:
    """Lengths by epoch of an untrained run's policy that hears no gradient of the loss: "layer/role/part" -> bits."""
    assert isinstance(trainer.session, Session)
    policy, found = trainer.session.policy, []
    for epoch in range(trainer.config.epochs):
        for step in range(trainer.steps_per_epoch):
            policy.update(trainer.schedule(epoch * trainer.steps_per_epoch + step))
            policy.on_step(0.0)
        found.append(dict(policy.report()["lengths"]))
        policy.on_epoch(0.0)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this study."""
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="of a finished golden.train run")
    parser.add_argument("--policy", choices=_LED, default="bitwave", help="that hears its losses; default: %(default)s")
    parser.add_argument("--out", type=Path, help="JSON file")


def run(args: argparse.Namespace) -> str:
    """Play back and return the table."""
    try:
        config = RunConfig.from_dict(json.loads((args.run / "final.json").read_text(encoding="utf-8"))["config"])
        log = read_log(args.run / "log.jsonl")
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"--run {args.run}: no finished run of golden.train ({error})") from None
    epochs = [entry for entry in log if "epoch" in entry]
    if config.policy in _LEARNED:
        heard = [entry["policy"]["lengths"] for entry in epochs]
        alone = pull_alone(Trainer(config, load(config.data, args.data_dir)))
        rows = [_apart(*pair) for pair in zip(heard, alone, strict=False)]  # fewer if the run diverged
        columns = {"run": "lengths, mean", "alone": "pull alone, mean", "apart": "apart, mean", "most": "apart, most"}
    else:
        policy = make_policy(args.policy)
        assert isinstance(policy, BitWave)
        rows = under_losses(policy, _by_epoch(log, epochs))
        columns = {"below": "below the band", "above": "above it", "m": "mantissa bits", "k": "exponent bits"}
    if args.out:
        report = {"provenance": provenance(args.line, config.seed), "config": config.as_dict(), "epochs": rows}
        write(args.out, (json.dumps(report, indent=2) + "\n").encode())
    lines = [f"| epoch | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
    for number, row in enumerate(rows, start=1):
        cells = (f"{row[name]:.0%}" if name in ("below", "above") else f"{row[name]:.3g}" for name in columns)
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _by_epoch(log: Sequence[Mapping[str, Any]], epochs: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    losses = [entry["loss"] for entry in log if "loss" in entry and "lr" in entry]
    starts = [0, *(entry["step"] for entry in epochs)]
    return [losses[start:end] for start, end in pairwise(starts)]


def _apart(heard: Mapping[str, float], alone: Mapping[str, float]) -> dict[str, float]:
    """Mean lengths of the run and of the pull alone; how far single lengths are apart, in bits."""
    apart = [abs(heard[key] - alone[key]) for key in alone]
    mean = {name: sum(lengths.values()) / len(alone) for name, lengths in (("run", heard), ("alone", alone))}
    return {**mean, "apart": sum(apart) / len(apart), "most": max(apart)}
