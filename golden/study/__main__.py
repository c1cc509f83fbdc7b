"""Studies as commands: `python -m golden.study {wasserstein,landscape,table1,tune,playback} --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from golden.command import (
    INTERRUPTED,
    Parser,
    Statuses,
    add_common,
    command_line,
    run_command,
    silenced,
    tell_of_compiling,
)
from golden.training.threads import pin

pin()  # before NumPy is loaded

from golden.data import DataError  # noqa: E402
from golden.data.registry import DEFAULT_FOLDER  # noqa: E402
from golden.kernels import before_compiling  # noqa: E402
from golden.study import landscape, playback, table1, tune, wasserstein  # noqa: E402
from golden.training.config import ConfigError  # noqa: E402

__all__ = ["main"]

_STUDIES = {
    "wasserstein": wasserstein,
    "landscape": landscape,
    "table1": table1,
    "tune": tune,
    "playback": playback,
}
_STATUSES: Statuses = {ConfigError: 2, DataError: 2, OSError: 2, KeyboardInterrupt: INTERRUPTED}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one study; exit 0 done, 2 usage or configuration, 130 interrupted (start again to go on), 1 unexpected."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = Parser(prog="python -m golden.study", description="Studies of papers on small models and sets.")
    add_common(parser)
    commands = parser.add_subparsers(
        parser_class=Parser, dest="study", required=True, metavar="{" + ",".join(_STUDIES) + "}"
    )
    for name, study in _STUDIES.items():
        lines = (study.__doc__ or "").splitlines()
        command = commands.add_parser(
            name,
            help=lines[0].rstrip("."),
            description=study.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument(
            "--data-dir", type=Path, default=DEFAULT_FOLDER, help="where sets are; default: %(default)s"
        )
        study.add_arguments(command)
    args = parser.parse_args(words)
    args.line = command_line("golden.study", words)
    return run_command(f"golden.study {args.study}", lambda: _run(args), _STATUSES, verbose=args.verbose)


def _run(args: argparse.Namespace) -> None:
    with silenced(args.quiet), before_compiling(tell_of_compiling):
        text = _STUDIES[args.study].run(args)
    print(text)


if __name__ == "__main__":
    sys.exit(main())
