"""`python -m tb`: the regression of generated units against the golden model.

Without arguments every configuration of the list `foundation` (--set names another, see tb/configurations.py) is
emitted, built (once per content) and simulated under three initial-value seeds, and real tensors pass through chained
units (`tb.digits`). With --manifest and --verilog one file is checked instead, whatever made it.
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from hdl.config import UnitConfig
from hdl.registry import UNITS
from tb import report
from tb.command import run_command
from tb.configurations import SETS, configurations, find, shape
from tb.digits import FORMATS, describe, digits_outcome
from tb.manifest import ManifestError
from tb.regression import INITIAL_SEEDS, Outcome, Settings, run_configuration, run_unit

__all__ = ["main"]

_MAX_SEED = 2**31 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if all passed, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    parser = _parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words)
    _check(parser, options)
    settings = Settings(
        seed=options.seed,
        initial_seeds=(options.initial_seed,) if options.initial_seed else INITIAL_SEEDS,
        vectors=options.vectors,
        waves=options.waves,
    )
    chosen = _chosen(options)
    if not (chosen or options.manifest):
        parser.error("no configuration matches; see --list")
    if options.list:
        _print_list(chosen)
        return 0

    def body() -> int:
        if options.manifest:
            return _run(options, settings, words, 1, iter([_file(options, settings)]), ())
        real = FORMATS if chosen == list(configurations()) else ()
        return _run(options, settings, words, len(chosen), _all(chosen, settings, options.jobs), real)

    return run_command(body, options.verbose)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tb", description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--list", action="store_true", help="list the configurations and stop")
    parser.add_argument("--set", choices=list(SETS), default="foundation", help="which list (default foundation)")
    parser.add_argument("--unit", choices=list(UNITS), help="only configurations of this unit")
    parser.add_argument("--mantissa", type=int, metavar="M", help="only with this mantissa (sign included)")
    parser.add_argument("--block", type=int, metavar="N", help="only with this block")
    parser.add_argument("--only", metavar="NAME", help="only the configuration of this name, of either list")
    parser.add_argument("--manifest", type=Path, metavar="M.json", help="check one unit by its manifest instead")
    parser.add_argument("--verilog", type=Path, metavar="V.v", help="its Verilog (default: M.v beside M.json)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of all random data (default 1)")
    parser.add_argument(
        "--initial-seed", type=int, metavar="K", help="only this seed of power-up values (default 1 2 3)"
    )
    parser.add_argument("--vectors", type=int, default=100, metavar="N", help="per idle x stall pattern (default 100)")
    parser.add_argument("--waves", type=Path, metavar="DIR", help="write a VCD of each simulation there")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a JSON record")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="J", help="configurations at a time (default 1)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only failures")
    parser.add_argument("-v", "--verbose", action="store_true", help="a traceback with errors of the bench itself")
    return parser


def _check(parser: ArgumentParser, options: Namespace) -> None:
    for flag, value, low in (
        ("--seed", options.seed, 0),
        ("--initial-seed", options.initial_seed, 1),
        ("--vectors", options.vectors, 1),
        ("--jobs", options.jobs, 1),
    ):
        if value is not None and not low <= value <= _MAX_SEED:
            parser.error(f"{flag} {value}: {low}..{_MAX_SEED}")
    if options.verilog and not options.manifest:
        parser.error("--verilog needs --manifest, which says what the Verilog should do")
    for path in (options.manifest, options.verilog):
        if path and not path.is_file():
            parser.error(f"{path}: no such file")


def _chosen(options: Namespace) -> list[UnitConfig]:
    return [
        config
        for config in (find(options.only) if options.only else configurations(options.set))
        if options.unit in (None, config.unit)
        and options.mantissa in (None, shape(config)[0])
        and options.block in (None, shape(config)[1])
    ]


def _print_list(chosen: Sequence[UnitConfig]) -> None:
    width = max((len(config.name) for config in chosen), default=0)
    for config in chosen:
        print(f"{config.name:{width}}  {config.command().removeprefix('python -m hdl.generate ')}")
    shapes = {shape(config) for config in chosen} - {(None, None)}
    print(f"{len(chosen)} configurations, {len(shapes)} of element width x block", file=sys.stderr)


def _file(options: Namespace, settings: Settings) -> Outcome:
    """One Verilog file under a given manifest."""
    path = options.verilog or options.manifest.with_suffix(".v")
    try:
        verilog = path.read_text(encoding="utf-8")
        manifest = json.loads(options.manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}, {options.manifest}: {error}") from None
    return run_unit(verilog, manifest, settings, f"python -m tb --manifest {options.manifest} --verilog {path}")


def _all(chosen: Sequence[UnitConfig], settings: Settings, jobs: int) -> Iterator[Outcome]:
    """Outcomes as they come; several jobs are processes, as elaboration is Python."""
    if jobs == 1:
        yield from (run_configuration(config, settings) for config in chosen)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_configuration, config, settings) for config in chosen]):
            yield done.result()


def _run(
    options: Namespace,
    settings: Settings,
    words: Sequence[str],
    total: int,
    results: Iterator[Outcome],
    real: Sequence[str],
) -> int:
    """Print, write and judge outcomes as they come, then those of the real tensors in the formats `real`."""
    say: Callable[[str], None] = (lambda _: None) if options.quiet else _to_stderr
    start = time.perf_counter()
    outcomes: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        say(report.progress_line(len(outcomes), total + len(real), outcome))
        if not outcome.passed:
            print(report.failure_text(outcome), file=sys.stderr)

    for outcome in results:
        add(outcome)
    digits = []
    for name in real:
        outcome, result = digits_outcome(name)
        add(outcome)
        if result:
            digits.append(result)
            say(describe(result))
    outcomes.sort(key=lambda outcome: outcome.name)
    if options.junit:
        report.write_text(options.junit, report.junit(outcomes))
    if options.json:
        record = {"schema": "narrowgauge-tb-1", **report.provenance(" ".join(["python -m tb", *words]))}
        record |= {"seed": settings.seed, "initial_seeds": list(settings.initial_seeds)}
        record |= {"configurations": [outcome.record() for outcome in outcomes]}
        report.write_json(options.json, record | ({"digits": digits} if digits else {}))
    print(report.summary(outcomes, time.perf_counter() - start, settings.seed))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
