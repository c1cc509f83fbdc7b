"""`python -m tb`: the regression of generated units against the golden model.

Without arguments every configuration of the list `foundation` (--set names another, see tb/configurations.py) is
emitted, built (once per content) and simulated under three initial-value seeds, and real tensors pass through chained
units (`tb.digits`). With --manifest and --verilog one file is checked instead, whatever made it.
"""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from hdl.cli import Parser
from hdl.config import UnitConfig
from hdl.registry import UNITS
from tb import report
from tb.command import add_number, add_record, command_parser, run_command, speaker, spelt
from tb.configurations import SETS, configurations, find, shape
from tb.digits import FORMATS, describe, digits_outcome
from tb.manifest import ManifestError
from tb.regression import INITIAL_SEEDS, Outcome, Settings, run_configuration, run_unit

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if all passed, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return run_command(_command, arguments)


def _command(words: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(words)
    if options.verilog and not options.manifest:
        parser.error("--verilog needs --manifest, which says what the Verilog should do")
    for path in (options.manifest, options.verilog):
        if path and not path.is_file():
            parser.error(f"{path}: no such file")
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
    if options.manifest:
        return _run(options, settings, words, 1, iter([_file(options, settings)]), ())
    real = FORMATS if chosen == list(configurations()) else ()
    return _run(options, settings, words, len(chosen), _all(chosen, settings, options.jobs), real)


def _parser() -> Parser:
    parser = command_parser("tb", __doc__)
    parser.add_argument("--list", action="store_true", help="list the configurations and stop")
    parser.add_argument("--set", choices=list(SETS), default="foundation", help="which list (default foundation)")
    parser.add_argument("--unit", choices=list(UNITS), help="only configurations of this unit")
    parser.add_argument("--mantissa", type=int, metavar="M", help="only with this mantissa (sign included)")
    parser.add_argument("--block", type=int, metavar="N", help="only with this block")
    parser.add_argument("--only", metavar="NAME", help="only the configuration of this name, of either list")
    parser.add_argument("--manifest", type=Path, metavar="M.json", help="check one unit by its manifest instead")
    parser.add_argument("--verilog", type=Path, metavar="V.v", help="its Verilog (default: M.v beside M.json)")
    add_number(parser, "--seed", about="of all random data", default=1, metavar="S")
    add_number(parser, "--initial-seed", about="only this seed of power-up values (default 1 2 3)", low=1, metavar="K")
    add_number(parser, "--vectors", about="per idle x stall pattern", default=100, low=1)
    parser.add_argument("--waves", type=Path, metavar="DIR", help="write a VCD of each simulation there")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    add_number(parser, "-j", "--jobs", about="configurations at a time", default=1, low=1, metavar="J")
    add_record(parser)
    return parser


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
    say = speaker(options.quiet)
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
        record = {"schema": "narrowgauge-tb-1", **report.provenance(spelt("tb", words))}
        record |= {"seed": settings.seed, "initial_seeds": list(settings.initial_seeds)}
        record |= {"configurations": [outcome.record() for outcome in outcomes]}
        report.write_json(options.json, record | ({"digits": digits} if digits else {}))
    print(report.summary(outcomes, time.perf_counter() - start, settings.seed))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
