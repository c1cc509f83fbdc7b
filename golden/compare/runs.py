"""The runs of a comparison: which, in what order, in how many processes; what was done before is not done again."""

import io
import json
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context
from pathlib import Path
from types import FrameType
from typing import Any

from golden.compare.plan import Entry, Scenario, find_entries, make_config
from golden.compare.rows import run_facts, stage_starts
from golden.data import DataSet, load
from golden.training.config import ConfigError, RunConfig
from golden.training.loop import Trainer
from golden.training.progress import Progress
from golden.training.run import execute

__all__ = ["Job", "plan", "run"]

_data = lru_cache(maxsize=4)(load)
Task = tuple[RunConfig, Path, Path, str]  # run, its folder, the data's, label


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: a row of a scenario with one of its `seeds` seeds."""

    scenario: Scenario
    entry: Entry
    seed: int
    seeds: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.scenario.name} {self.entry.name}, seed {self.seed}"

    def folder(self, out: Path) -> Path:
        """Where the run lies. A control depends on all seeds of its row, so their number is part of its name."""
        name = self.entry.name.replace(" ", "-").replace("/", "of")
        name += f"-of-{self.seeds}-seeds" if self.entry.control_of else ""
        return out / self.scenario.name / name / f"seed-{self.seed}"


def plan(scenarios: Sequence[Scenario], rows: str | None, seeds: int | None) -> list[Job]:
    """All runs, seed by seed over all scenarios, so that a comparison stopped early has whole tables of fewer seeds.

    Controls come last: each needs the row that it controls in all seeds. `rows` and `seeds` as on the command line.
    """
    jobs = []
    for scenario in scenarios:
        entries, count = find_entries(rows, scenario), seeds or scenario.seeds
        names = {entry.name for entry in entries}
        for entry in entries:
            if entry.control_of and entry.control_of not in names:
                raise ConfigError(f"--rows {entry.name}: needs {entry.control_of} as well")
            all_seeds = range(scenario.first_seed, scenario.first_seed + count)
            jobs += [Job(scenario=scenario, entry=entry, seed=seed, seeds=count) for seed in all_seeds]
    return sorted(jobs, key=lambda job: (bool(job.entry.control_of), job.seed - job.scenario.first_seed))


def run(jobs: Sequence[Job], out: Path, data_folder: Path, workers: int, finished: Callable[[Job], None]) -> None:
    """Do the jobs and call `finished` in this process after each; those whose result is there are left as they are.

    Raises ConfigError before any training if a folder holds a run with other settings. An interrupt saves every run
    under way and comes out as KeyboardInterrupt or Interrupted.
    """
    number = {job.label: index for index, job in enumerate(jobs, start=1)}
    done_before = [job for job in jobs if (job.folder(out) / "final.json").exists()]
    progress = Progress(*(round(sum(job.scenario.seconds for job in part)) for part in (jobs, done_before)))
    for controls in (False, True):
        part = [job for job in jobs if bool(job.entry.control_of) is controls]
        configs = [_config(job, jobs, out, data_folder) for job in part]
        for job, config in zip(part, configs, strict=True):
            _claim(config, job.folder(out))
        pairs = [(job, config) for job, config in zip(part, configs, strict=True) if job not in done_before]
        labels = [f"[{number[job.label]}/{len(jobs)}] {job.label}: " for job, _ in pairs]

        def report(index: int, pairs: Any = pairs, labels: Any = labels) -> None:
            job = pairs[index][0]
            accuracy = run_facts(job.folder(out))["final"]["val_accuracy"]
            progress.advance(round(job.scenario.seconds))
            progress.line(f"{labels[index]}validation {accuracy:.2%}; all runs")
            finished(job)

        tasks = [
            (config, job.folder(out), data_folder, label) for (job, config), label in zip(pairs, labels, strict=True)
        ]
        _train_all(tasks, workers, report)


def _config(job: Job, jobs: Sequence[Job], out: Path, data_folder: Path) -> RunConfig:
    """The run of a job; that of a control once the runs that it controls are done."""
    schedule: list[int] = []
    if job.entry.control_of:
        theirs = [j for j in jobs if (j.scenario.name, j.entry.name) == (job.scenario.name, job.entry.control_of)]
        schedule = stage_starts([run_facts(other.folder(out)) for other in theirs])
    steps = _steps_per_epoch(job.scenario, _data(job.scenario.data, data_folder))
    return make_config(job.scenario, job.entry, job.seed, steps, schedule)


def _steps_per_epoch(scenario: Scenario, data: DataSet) -> int:
    plain = RunConfig(model=scenario.model, data=scenario.data, format="fp32", **scenario.run)
    samples = min(len(data.train), plain.train_samples or len(data.train))
    return samples // min(plain.batch, samples)


def _claim(config: RunConfig, folder: Path) -> None:
    """Write down what a folder is for; it may not hold a run with other settings."""
    file, wanted = folder / "plan.json", json.dumps(config.as_dict(), indent=2) + "\n"
    if file.exists() and file.read_text(encoding="utf-8") != wanted:
        raise ConfigError(f"--out: {folder} holds a run with other settings; another folder starts anew")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(wanted, encoding="utf-8")


def _train(config: RunConfig, folder: Path, data_folder: Path, label: str) -> None:
    execute(Trainer(config, _data(config.data, data_folder)), folder, resume=True, label=label)


def _train_quietly(*task: Any) -> None:
    """In a worker, whose progress would run into that of others."""
    with redirect_stderr(io.StringIO()):
        _train(*task)


def _train_all(tasks: Sequence[Task], workers: int, finished: Callable[[int], None]) -> None:
    """All tasks, at most `workers` at a time; `finished` gets the index of each."""
    if workers == 1 or len(tasks) < 2:
        for index, task in enumerate(tasks):
            _train(*task)
            finished(index)
        return
    todo = iter(enumerate(tasks))
    running: dict[Future[None], int] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, _termination_interrupts():
        try:
            while True:
                # No more than can run at once: what an interrupt finds in the pool's queue would still be done.
                while len(running) < workers and (following := next(todo, None)):
                    running[pool.submit(_train_quietly, *following[1])] = following[0]
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index = running.pop(future)
                    future.result()
                    finished(index)
        except BaseException:
            for child in active_children():
                child.terminate()  # a run that is under way saves its state
            raise


@contextmanager
def _termination_interrupts() -> Any:
    """Within, SIGTERM is a KeyboardInterrupt, so that workers do not outlive this process."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
