"""Train a model in a narrow format: `python -m golden.train --model resnet8 --data digits --format hbfp4`."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

from golden.command import INTERRUPTED, Parser, Statuses, add_common, run_command, silenced, tell_of_compiling
from golden.training.threads import pin

pin()  # before NumPy is loaded

from golden.data import DataError, load  # noqa: E402
from golden.data.registry import DEFAULT_FOLDER  # noqa: E402
from golden.files import write  # noqa: E402
from golden.kernels import before_compiling  # noqa: E402
from golden.policies.registry import POLICIES, add_policy_options, policy_names  # noqa: E402
from golden.training.checkpoint import CheckpointError  # noqa: E402
from golden.training.compare import compare, comparison_text  # noqa: E402
from golden.training.config import ConfigError, RunConfig, legal  # noqa: E402
from golden.training.loop import Trainer  # noqa: E402
from golden.training.plots import HINT, draw_runs  # noqa: E402
from golden.training.run import Interrupted, RunFolder, execute  # noqa: E402

__all__ = ["main"]

_PLAN = "plan.json"
_STATUSES: Statuses = {ConfigError: 2, DataError: 2, CheckpointError: 2, OSError: 2, Interrupted: INTERRUPTED}


def _number(item: Field) -> Any:
    """Reader of a flag's text; what it cannot read is answered with the legal range."""
    kind = int if item.type in (int, "int") else float

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            what = "integers" if kind is int else "numbers"
            raise argparse.ArgumentTypeError(f"{text!r}: {what} in {legal(item.metadata)}") from None

    return read


def _parser(policies: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(prog="python -m golden.train", description="Train a model in a narrow format, bit for bit.")
    run = parser.add_argument_group(
        "the run (these flags determine every bit of it)", argument_default=argparse.SUPPRESS
    )
    for item in fields(RunConfig):
        if item.name == "policy_options":
            continue
        facts = item.metadata
        within = ", ".join([*POLICIES, "or a format"]) if item.name == "policy" else legal(facts)
        default = "by model" if item.default is None else item.default
        run.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=_number(item) if "low" in facts else str,
            metavar="N" if "low" in facts else "NAME",
            help=f"{facts['help']}{f' ({within})' if within else ''}; default: {default}".replace("%", "%%"),
        )
    around = parser.add_argument_group("around it")
    around.add_argument("--out", type=Path, help="folder; default: runs/MODEL-DATA-FORMAT-SEED")
    around.add_argument("--resume", action="store_true", help="go on where the folder's run stopped")
    around.add_argument("--baseline", action="store_true", help="train FP32 beside it, same seeds, and compare")
    around.add_argument("--seeds", type=int, metavar="N", default=1, help="train N seeds from --seed on (1..1000)")
    around.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, help="where sets are; default: %(default)s")
    add_common(around)
    add_policy_options(parser, policies)
    return parser


def _policies_asked_for(words: Sequence[str]) -> list[str]:
    """Names in `--policy`, before the flags that they bring are known."""
    probe = Parser(prog="python -m golden.train", add_help=False)
    probe.add_argument("--policy", default="none")
    policy = probe.parse_known_args(words)[0].policy
    return [] if policy == "none" else policy_names(policy)


def _config(words: Sequence[str], args: argparse.Namespace, policies: Sequence[str]) -> RunConfig:
    names = {item.name for item in fields(RunConfig)} - {"policy_options"}
    given = {name: value for name, value in vars(args).items() if name in names}
    own = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    add_policy_options(own, policies)
    for action in own._actions:
        action.default = argparse.SUPPRESS  # only what was said is part of the configuration
    said = vars(own.parse_known_args(words)[0])
    flags = {action.dest: action.option_strings[0].lstrip("-") for action in own._actions}
    options = tuple(sorted((flags[name], str(value)) for name, value in said.items()))
    return RunConfig(**given, policy_options=options)


def _plan(config: RunConfig, seeds: int, baseline: bool) -> list[tuple[str, RunConfig]]:
    """Every run by its folder under --out; "" is --out itself."""
    runs = []
    for seed in range(config.seed, config.seed + seeds):
        at = f"seed-{seed}" if seeds > 1 else ""
        runs.append((at, replace(config, seed=seed)))
        if baseline:
            plain = replace(config, seed=seed, format="fp32", storage="fp32", policy="none", policy_options=())
            runs.append((f"fp32-seed-{seed}" if seeds > 1 else "fp32", plain))
    return runs


def _prepare(args: argparse.Namespace, config: RunConfig) -> tuple[Path, RunConfig, int, bool]:
    """The folder, and what is to be done in it: as the flags say, or as the plan found there says."""
    out = args.out or Path("runs", f"{config.model}-{config.data}-{config.format}-{config.seed}".replace("/", "-"))
    plan = out / _PLAN
    if args.resume:
        if not plan.is_file():
            raise ConfigError(f"--resume: no run in {out}, nothing to go on with")
        known = json.loads(plan.read_text())
        found = RunConfig.from_dict(known["config"])
        if args.given and config != found:
            theirs, ours = found.as_dict(), config.as_dict()
            name = next(name for name in theirs if theirs[name] != ours[name])
            raise ConfigError(
                f"--{name.replace('_', '-')} {ours[name]}: the run in {out} has {theirs[name]}; --resume alone goes on"
            )
        return out, found, known["seeds"], known["baseline"]
    if plan.exists():
        raise ConfigError(f"--out {out}: holds a run; --resume goes on with it, another folder starts anew")
    if not 1 <= args.seeds <= 1000:
        raise ConfigError(f"--seeds {args.seeds}: 1..1000")
    return out, config, args.seeds, args.baseline


def _run(args: argparse.Namespace, config: RunConfig) -> str:
    out, config, seeds, baseline = _prepare(args, config)
    print(f"loading {config.data} ...", file=sys.stderr)
    try:
        data = load(config.data, args.data_dir, context=config.context)
    except DataError as error:
        raise ConfigError(f"--data {error}") from None
    runs = _plan(config, seeds, baseline)
    plan = json.dumps({"config": config.as_dict(), "seeds": seeds, "baseline": baseline}, indent=2) + "\n"
    results: list[tuple[RunConfig, dict[str, Any]]] = []
    for number, (at, each) in enumerate(runs, start=1):
        label = "" if len(runs) == 1 else f"[{number}/{len(runs)} {each.format} seed {each.seed}] "
        files = RunFolder(out / at)
        if args.resume and files.final.is_file():
            results.append((each, json.loads(files.final.read_text())))
            continue
        trainer = Trainer(each, data)  # before anything is written: what is wrong with a configuration shows here
        out.mkdir(parents=True, exist_ok=True)
        write(out / _PLAN, plan.encode())
        results.append((each, execute(trainer, out / at, resume=args.resume, label=label)))
    logs = {f"{each.format} {each.seed}": RunFolder(out / at).log for at, each in runs}
    if not draw_runs(out / "loss.png", logs):
        print(HINT, file=sys.stderr)
    summary = compare(results)
    if len(runs) > 1:
        write(out / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return f"{comparison_text(summary)}\n{out / ('summary.json' if len(runs) > 1 else 'final.json')}"


def main(argv: Sequence[str] | None = None) -> int:
    """Train; exit status 0 done, 2 usage or configuration, 130 interrupted (resumable), 1 unexpected."""
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in words or "--verbose" in words
    return run_command("golden.train", lambda: _main(words), _STATUSES, verbose=verbose)


def _main(words: list[str]) -> None:
    try:
        policies = _policies_asked_for(words)
        args = _parser(policies).parse_args(words)
        config = _config(words, args, policies)
        args.given = any(item.name in vars(args) for item in fields(RunConfig))
        with silenced(args.quiet), before_compiling(tell_of_compiling):
            text = _run(args, config)
    except ValueError as error:
        if str(error).startswith("--"):  # of a policy, which knows its flags and not this command's errors
            raise ConfigError(str(error)) from error
        raise
    print(text)


if __name__ == "__main__":
    sys.exit(main())
