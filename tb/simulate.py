"""`python -m tb.simulate`: any one unit, by the flags of hdl.generate, against the golden model under Verilator.

What `python -m tb` does for each configuration of its list: corners and random vectors under idle and backpressure
patterns, reset in mid-stream, three seeds of power-up values, every named corner that is within reach counted.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hdl.cli import Parser, UsageError, add_unit_options, read_config
from hdl.config import ConfigError
from hdl.registry import make_unit
from hdl.yosys import ToolMissing, YosysError
from tb import report
from tb.regression import INITIAL_SEEDS, Settings, emitted, run_unit
from tb.toolchain import ToolError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if it passed, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog="python -m tb.simulate", description=(__doc__ or "").partition("\n")[0])
    try:
        add_unit_options(parser, words)
        parser.add_argument("--data-seed", type=int, default=1, metavar="S", help="of all random data (default 1)")
        parser.add_argument("--initial-seed", type=int, metavar="K", help="of power-up values (default 1, 2 and 3)")
        parser.add_argument("--vectors", type=int, default=100, metavar="N", help="per idle x stall pattern")
        parser.add_argument("--waves", type=Path, metavar="DIR", help="write a VCD of each simulation there")
        options = parser.parse_args(words)
        config = read_config(options)
        if not make_unit(config).clocked:
            raise UsageError(
                f"--unit {config.unit}: no clock and no streams here; python -m hdl.generate names its bench"
            )
        print(f"{config.name}: {config.describe()}", file=sys.stderr)
        print("building and simulating ...", file=sys.stderr, flush=True)
        initial = (options.initial_seed,) if options.initial_seed else INITIAL_SEEDS
        settings = Settings(seed=options.data_seed, initial_seeds=initial, vectors=options.vectors, waves=options.waves)
        rerun = config.command().replace("hdl.generate", "tb.simulate")
        outcome = run_unit(*emitted(config), settings, rerun, seed_flag="--data-seed")
    except (UsageError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ToolError, ToolMissing, YosysError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    print(report.progress_line(1, 1, outcome))
    if not outcome.passed:
        print(report.failure_text(outcome), file=sys.stderr)
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
