"""`python -m tb.volume`: the millions of vectors that cocotb cannot drive, and small spaces in full.

Every job names a configuration and cuts its vectors into chunks; each chunk runs from reset on a Verilated library of
the emitted Verilog and is compared, bit by bit, with the golden model. Odd chunks run with stalls on both sides.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

from tb.batches import length
from tb.build import build_bulk
from tb.bulk import Bulk, BulkError
from tb.bulk_check import first_mismatch
from tb.command import add_number, add_record, command_parser, run_command, speaker, spelt
from tb.manifest import Manifest
from tb.models import by_stream, expected
from tb.regression import emitted
from tb.report import provenance, write_json
from tb.spaces import SETS, Job

__all__ = ["JobRecord", "main", "run_job"]

_STALL = 0.3
_PROGRESS_SECONDS = 3.0


@dataclass
class JobRecord:
    """What a job has run. `simulation_seconds` is time inside the model, summed over threads; `failure` "" if equal."""

    name: str
    unit: str
    config: dict[str, Any]
    unit_sha256: str
    seed: int
    vectors: int = 0
    cycles: int = 0
    build_seconds: float = 0.0
    simulation_seconds: float = 0.0
    seconds: float = 0.0
    failure: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self) -> dict[str, Any]:
        """JSON entry; rates are vectors a second, inside the model and with stimulus, packing and golden model."""
        entry = {key: value for key, value in vars(self).items() if key != "lock"}
        entry = {key: round(value, 3) if isinstance(value, float) else value for key, value in entry.items()}
        rates = {"simulated_per_second": self.simulation_seconds, "checked_per_second": self.seconds}
        return entry | {k: round(self.vectors / s) if s else 0 for k, s in rates.items()} | {"passed": not self.failure}


def run_job(job: Job, seed: int, threads: int, say: Callable[[str], None] = lambda _: None) -> JobRecord:
    """All chunks of a job, on as many threads with a model each; stops at the first chunk with a wrong bit."""
    verilog, data = emitted(job.config)
    manifest = Manifest.from_dict(data)
    model = build_bulk(verilog, manifest)
    record = JobRecord(
        job.name, manifest.top, dict(manifest.config), manifest.sha256, seed, build_seconds=model.seconds
    )
    local = threading.local()
    units: list[Bulk] = []

    def chunk(number: int) -> None:
        if record.failure:
            return
        if not hasattr(local, "unit"):
            with record.lock:
                local.unit = Bulk(model, initial_seed=len(units) + 1)
                units.append(local.unit)
        _run_chunk(local.unit, job, number, record)

    start = shown = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for done in as_completed([pool.submit(chunk, number) for number in range(job.chunks)]):
            done.result()
            if time.perf_counter() - shown > _PROGRESS_SECONDS:
                shown = time.perf_counter()
                say(f"{job.name}: {record.vectors:,} of {job.vectors:,}")
    for unit in units:
        unit.close()
    record.seconds = time.perf_counter() - start
    return record


def _run_chunk(unit: Bulk, job: Job, number: int, record: JobRecord) -> None:
    manifest, stall = unit.manifest, _STALL * (number % 2)
    batch = job.batch(number, record.seed)
    inputs = by_stream([stream.name for stream in manifest.inputs], batch)
    golden = by_stream([stream.name for stream in manifest.outputs], expected(manifest.config, batch))
    counts = {name: length(part) for name, part in golden.items()}
    unit.reset()
    start = time.perf_counter()
    failure, cycles = "", 0
    try:
        run = unit.run(inputs, counts, stall=stall, seed=record.seed + number)
        cycles = run.cycles
    except BulkError as error:
        failure = str(error)
    seconds = time.perf_counter() - start
    failure = failure or first_mismatch(manifest, inputs, golden, run.outputs)
    with record.lock:
        record.vectors += max(map(length, inputs.values()))
        record.cycles += cycles
        record.simulation_seconds += seconds
        if failure and not record.failure:
            record.failure = (
                f"chunk {number}, stall {stall:g}: {failure}\n"
                f"to repeat it: python -m tb.volume --only {job.name} --seed {record.seed}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    every = [job for listed in SETS.values() for job in listed]
    names = [job.name for job in every]
    parser = command_parser("tb.volume", __doc__)
    parser.add_argument("--list", action="store_true", help="list the jobs and stop")
    parser.add_argument("--set", choices=list(SETS), default="foundation", help="which jobs (default foundation)")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="JOB", help="only this job, of either set; may be repeated"
    )
    add_number(parser, "--seed", about="of random data and stalls", default=1, metavar="S")
    add_number(parser, "-j", "--jobs", about="threads, each with a model", default=1, low=1, metavar="J")
    add_record(parser)
    options = parser.parse_args(words)
    chosen = [job for job in every if job.name in options.only] if options.only else list(SETS[options.set])
    if options.list:
        for job in chosen:
            print(f"{job.name:{max(map(len, names))}}  {job.vectors:>12,}  {job.text}")
        return 0
    say = speaker(options.quiet)
    records = []
    for job in chosen:
        records.append(run_job(job, options.seed, options.jobs, say))
        entry = records[-1].record()
        rates = f"{entry['simulated_per_second']:,} a second simulated, {entry['checked_per_second']:,} checked"
        say(f"{job.name}: {'FAIL' if records[-1].failure else 'pass'}, {records[-1].vectors:,} vectors, {rates}")
        if records[-1].failure:
            print(records[-1].failure, file=sys.stderr)
    if options.json:
        head = {"schema": "narrowgauge-volume-1", **provenance(spelt("tb.volume", words))}
        write_json(options.json, head | {"seed": options.seed, "jobs": [r.record() for r in records]})
    failed = sum(bool(r.failure) for r in records)
    print(f"{len(records) - failed} passed, {failed} failed; {sum(r.vectors for r in records):,} vectors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
