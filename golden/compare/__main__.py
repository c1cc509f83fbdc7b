"""Every policy on the same nets and data, beside FP32: `python -m golden.compare --set digits`.

Accuracy, bits per value by role, footprint against FP32 without and with Gecko (exact sizes), cost of multiplications.
Start again to go on after an interruption: finished runs are kept, a broken one goes on to the same bits. Runs go seed
by seed, and tables are written whenever all rows have a seed more.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golden.command import INTERRUPTED, Parser, Statuses, add_common, run_command, silenced, tell_of_compiling
from golden.training.threads import pin

pin()  # before NumPy is loaded

from golden.compare.plan import SETS, Scenario  # noqa: E402
from golden.compare.plots import draw  # noqa: E402
from golden.compare.rows import row_of, run_facts, table  # noqa: E402
from golden.compare.runs import Job, plan, run  # noqa: E402
from golden.compare.summary import draw_summary, summary  # noqa: E402
from golden.data import DataError  # noqa: E402
from golden.data.registry import DEFAULT_FOLDER  # noqa: E402
from golden.files import write  # noqa: E402
from golden.kernels import before_compiling  # noqa: E402
from golden.provenance import provenance  # noqa: E402
from golden.training.config import ConfigError  # noqa: E402
from golden.training.run import Interrupted  # noqa: E402

__all__ = ["estimate", "main"]

_STATUSES: Statuses = {ConfigError: 2, DataError: 2, OSError: 2, KeyboardInterrupt: INTERRUPTED}


def estimate(jobs: Sequence[Job]) -> str:
    """How long jobs take by scenario, on idle cores as they were measured."""
    lines = []
    for scenario in {job.scenario.name: job.scenario for job in jobs}.values():
        mine = [job for job in jobs if job.scenario is scenario]
        what = f"{scenario.name}, {scenario.epochs} epochs, {mine[0].seeds} seeds"
        lines.append(f"{what}: {len(mine)} runs, {len(mine) * scenario.seconds / 60:.0f} core-minutes")
    total = sum(job.scenario.seconds for job in jobs) / 60
    return "\n".join([*lines, f"all: {len(jobs)} runs, about {total:.0f} core-minutes"])


class Tables:
    """The results of a set in its folder, in as many seeds as all rows have; controls once they have all seeds."""

    def __init__(self, jobs: Sequence[Job], out: Path, command: str) -> None:
        self._jobs, self._out, self._command = jobs, out, command
        self._report: dict[str, Any] = {}

    def rows(self, scenario: Scenario) -> dict[str, list[Job]]:
        """Finished runs by row, in the order of the table."""
        mine = [job for job in self._jobs if job.scenario is scenario]
        missing = [job for job in mine if not (job.folder(self._out) / "final.json").exists()]
        partial = {job.seed for job in missing if not job.entry.control_of}
        controlled = not any(job.entry.control_of for job in missing)
        found: dict[str, list[Job]] = {entry.name: [] for entry in scenario.entries}
        for job in mine:
            if job.seed not in partial and (controlled or not job.entry.control_of):
                found[job.entry.name].append(job)
        return {name: jobs for name, jobs in found.items() if jobs}

    def finished(self, job: Job) -> None:
        """A run is done: if it was the last one of its seed, or of the controls, the table is written anew."""
        peers = self.rows(job.scenario).get(job.entry.name, [])
        if any(peer.seed == job.seed for peer in peers):
            self.write(job.scenario)

    def write(self, scenario: Scenario, *, figures: bool = False) -> str:
        """Text and JSON, and figures if asked for; the text is returned."""
        part = "val" if scenario.search else "test"
        runs = {name: [run_facts(job.folder(self._out)) for job in jobs] for name, jobs in self.rows(scenario).items()}
        if not runs:
            return ""
        rows = {name: row_of(found, runs.get("fp32"), part) for name, found in runs.items()}
        folder, text = self._out / scenario.name, scenario.model.startswith("transformer")
        seeds = ", ".join(str(seed) for seed in next(iter(rows.values()))["seeds"])
        head = f"{scenario.model} on {scenario.data}, {scenario.epochs} epochs, seeds {seeds}"
        written = f"{head}\n\n{table(rows, part, perplexity=text)}\n"
        write(folder / "table.md", written.encode())
        self._report[scenario.name] = {"epochs": scenario.epochs, "rows": rows}
        body = {"provenance": provenance(self._command, None), "scenarios": self._report}
        write(self._out / "compare.json", (json.dumps(body, indent=2, allow_nan=False) + "\n").encode())
        for path in draw(folder, rows, runs) if figures else []:
            print(path, file=sys.stderr)
        return written

    def write_summary(self) -> str:
        """All scenarios side by side, as text and figure; empty where there is one, or validation parts are shown."""
        searches = {job.scenario.name for job in self._jobs if job.scenario.search}
        tested = {name: part["rows"] for name, part in self._report.items() if name not in searches}
        if len(tested) < 2:
            return ""
        text = f"{summary(tested)}\n"
        write(self._out / "summary.md", text.encode())
        draw_summary(self._out / "summary.png", tested)
        return text


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m golden.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--set", choices=list(SETS), default="digits", help="what is trained; default: %(default)s")
    parser.add_argument("--rows", metavar="NAMES", help="only these, separated by semicolons")
    parser.add_argument("--seeds", type=int, metavar="N", help="so many (1..100); default: the set's own")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="J", help="runs at once; default: %(default)s")
    parser.add_argument("--estimate", action="store_true", help="say how long it takes and train nothing")
    parser.add_argument("--out", type=Path, help="folder of all runs; default: runs/compare-SET")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, help="where sets are; default: %(default)s")
    add_common(parser)
    return parser


def _all(args: argparse.Namespace, command: str) -> None:
    out = args.out or Path("runs", f"compare-{args.set}")
    if args.seeds is not None and not 1 <= args.seeds <= 100:
        raise ConfigError(f"--seeds {args.seeds}: 1..100")
    if not 1 <= args.jobs <= 256:
        raise ConfigError(f"--jobs {args.jobs}: 1..256")
    jobs = plan(SETS[args.set], args.rows, args.seeds)
    if args.estimate:
        print(estimate(jobs))
        return
    print(estimate(jobs), file=sys.stderr)
    tables = Tables(jobs, out, command)
    run(jobs, out, args.data_dir, args.jobs, tables.finished)
    for scenario in SETS[args.set]:
        print(tables.write(scenario, figures=not scenario.search), flush=True)
    if text := tables.write_summary():
        print(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a set; exit status 0 done, 2 usage or configuration, 130 interrupted (start again to go on), 1 unexpected."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words)
    return run_command("golden.compare", lambda: _run(args), _STATUSES, verbose=args.verbose)


def _run(args: argparse.Namespace) -> None:
    try:
        with silenced(args.quiet), before_compiling(tell_of_compiling):
            _all(args, f"python -m golden.compare --set {args.set}")
    except Interrupted:  # its run tells of --resume, which is not a flag of this command
        raise KeyboardInterrupt from None


if __name__ == "__main__":
    sys.exit(main())
