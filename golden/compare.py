"""Every policy on the same nets and data, beside FP32: `python -m golden.compare --set digits`.

Accuracy, bits per value by role, footprint against FP32 without and with Gecko (exact sizes), cost of multiplications.
Start again to go on after an interruption: finished runs are kept, a broken one goes on to the same bits.
"""

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golden.training.threads import pin
from golden.training.usage import Parser

pin()  # before NumPy is loaded

from golden.compare_plan import SETS, Entry, Scenario, find_entries, make_config  # noqa: E402
from golden.compare_plots import draw  # noqa: E402
from golden.compare_rows import row_of, run_facts, stage_starts, table  # noqa: E402
from golden.data import DataError, DataSet, load  # noqa: E402
from golden.data.registry import DEFAULT_FOLDER  # noqa: E402
from golden.provenance import provenance  # noqa: E402
from golden.training.config import ConfigError, RunConfig  # noqa: E402
from golden.training.loop import Trainer  # noqa: E402
from golden.training.run import Interrupted, execute  # noqa: E402

__all__ = ["compare", "main"]

INTERRUPTED = 130


def _steps_per_epoch(scenario: Scenario, data: DataSet) -> int:
    plain = RunConfig(model=scenario.model, data=scenario.data, format="fp32", **scenario.run)
    samples = min(len(data.train), plain.train_samples or len(data.train))
    return samples // min(plain.batch, samples)


def _run(config: RunConfig, data: DataSet, folder: Path, label: str) -> dict[str, Any]:
    """The facts of a run, which is only trained if its folder does not hold its result already."""
    plan, final = folder / "plan.json", folder / "final.json"
    wanted = json.dumps(config.as_dict(), indent=2) + "\n"
    if plan.exists() and plan.read_text(encoding="utf-8") != wanted:
        raise ConfigError(f"--out: {folder} holds a run with other settings; another folder starts anew")
    folder.mkdir(parents=True, exist_ok=True)
    plan.write_text(wanted, encoding="utf-8")
    if not final.exists():
        execute(Trainer(config, data), folder, resume=True, label=label)
    return run_facts(folder)


def compare(
    scenario: Scenario, entries: Sequence[Entry], seeds: int, out: Path, data_folder: Path
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Train every row with every seed; (rows by name, runs by name)."""
    data = load(scenario.data, data_folder)
    steps = _steps_per_epoch(scenario, data)
    runs: dict[str, list[dict[str, Any]]] = {}
    rows: dict[str, Any] = {}
    total = len(entries) * seeds
    for index, entry in enumerate(entries):
        runs[entry.name] = []
        if entry.control_of and entry.control_of not in runs:
            raise ConfigError(f"--rows {entry.name}: needs {entry.control_of} as well")
        schedule = stage_starts(runs[entry.control_of]) if entry.control_of else []
        for seed in range(seeds):
            label = f"[{index * seeds + seed + 1}/{total}] {scenario.name} {entry.name}, seed {seed}: "
            folder = out / scenario.name / entry.name.replace(" ", "-").replace("/", "of") / f"seed-{seed}"
            runs[entry.name].append(_run(make_config(scenario, entry, seed, steps, schedule), data, folder, label))
        rows[entry.name] = row_of(runs[entry.name], runs.get("fp32"))
    return rows, runs


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m golden.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--set", choices=list(SETS), default="digits", help="what is trained; default: %(default)s")
    parser.add_argument("--rows", metavar="NAMES", help="only these, separated by semicolons")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0..N-1 (1..100); default: the set's own")
    parser.add_argument("--out", type=Path, help="folder of all runs; default: runs/compare-SET")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, help="where sets are; default: %(default)s")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")
    return parser


def _all(args: argparse.Namespace, command: str) -> None:
    out = args.out or Path("runs", f"compare-{args.set}")
    if args.seeds is not None and not 1 <= args.seeds <= 100:
        raise ConfigError(f"--seeds {args.seeds}: 1..100")
    report: dict[str, Any] = {}
    for scenario in SETS[args.set]:
        entries = find_entries(args.rows, scenario)
        rows, runs = compare(scenario, entries, args.seeds or scenario.seeds, out, args.data_dir)
        report[scenario.name] = {"epochs": scenario.epochs, "rows": rows}
        text = f"{scenario.model} on {scenario.data}, {scenario.epochs} epochs\n\n{table(rows)}\n"
        (out / scenario.name / "table.md").write_text(text, encoding="utf-8")
        print(text, flush=True)
        for path in draw(out / scenario.name, rows, runs):
            print(path, file=sys.stderr)
        body = {"provenance": provenance(command, None), "scenarios": report}
        (out / "compare.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a set; exit status 0 done, 2 usage or configuration, 130 interrupted (start again to go on)."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words)
    try:
        _all(args, f"python -m golden.compare --set {args.set}")
    except (ConfigError, DataError, OSError) as error:
        if args.verbose:
            traceback.print_exc()
        print(f"python -m golden.compare: {error}", file=sys.stderr)
        return 2
    except (Interrupted, KeyboardInterrupt):
        print("python -m golden.compare: interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
