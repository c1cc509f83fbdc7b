"""`python -m tb.simulate`: any one unit, by the flags of hdl.generate, against the golden model under Verilator.

What `python -m tb` does for each configuration of its list: corners and random vectors under idle and backpressure
patterns, reset in mid-stream, three seeds of power-up values, every named corner that is within reach counted.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hdl.cli import UsageError, add_unit_options, read_config
from hdl.registry import make_unit
from tb import report
from tb.command import add_number, add_record, command_parser, run_command, speaker, spelt
from tb.regression import INITIAL_SEEDS, Settings, emitted, run_unit

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if it passed, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    parser = command_parser("tb.simulate", __doc__)
    add_unit_options(parser, words)
    add_number(parser, "--data-seed", about="of all random data", default=1, metavar="S")
    add_number(parser, "--initial-seed", about="of power-up values (default 1, 2 and 3)", low=1, metavar="K")
    add_number(parser, "--vectors", about="per idle x stall pattern", default=100, low=1)
    parser.add_argument("--waves", type=Path, metavar="DIR", help="write a VCD of each simulation there")
    add_record(parser)
    options = parser.parse_args(words)
    say, config = speaker(options.quiet), read_config(options)
    if not make_unit(config).clocked:
        raise UsageError(f"--unit {config.unit}: no clock and no streams here; python -m hdl.generate names its bench")
    say(f"{config.name}: {config.describe()}")
    say("building and simulating ...")
    initial = (options.initial_seed,) if options.initial_seed else INITIAL_SEEDS
    settings = Settings(seed=options.data_seed, initial_seeds=initial, vectors=options.vectors, waves=options.waves)
    rerun = config.command().replace("hdl.generate", "tb.simulate")
    outcome = run_unit(*emitted(config), settings, rerun, seed_flag="--data-seed")
    if options.json:
        head = {"schema": "narrowgauge-tb-1", **report.provenance(spelt("tb.simulate", words))}
        head |= {"seed": settings.seed, "initial_seeds": list(settings.initial_seeds)}
        report.write_json(options.json, head | {"configurations": [outcome.record()]})
    print(report.progress_line(1, 1, outcome))
    if not outcome.passed:
        print(report.failure_text(outcome), file=sys.stderr)
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
