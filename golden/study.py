"""Studies as commands: `python -m golden.study {wasserstein,landscape,table1,tune,playback} --help`."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from golden.training.threads import pin
from golden.training.usage import Parser, add_common, silenced, tell_of_compiling

pin()  # before NumPy is loaded

from golden import study_landscape, study_playback, study_table1, study_tune, study_wasserstein  # noqa: E402
from golden.data import DataError  # noqa: E402
from golden.data.registry import DEFAULT_FOLDER  # noqa: E402
from golden.kernels import before_compiling  # noqa: E402
from golden.training.config import ConfigError  # noqa: E402
from golden.training.run import Interrupted  # noqa: E402

__all__ = ["main"]

_STUDIES = {
    "wasserstein": study_wasserstein,
    "landscape": study_landscape,
    "table1": study_table1,
    "tune": study_tune,
    "playback": study_playback,
}


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
    args.line = " ".join(["python -m golden.study", *words])
    try:
        with silenced(args.quiet), before_compiling(tell_of_compiling):
            text = _STUDIES[args.study].run(args)
        print(text)
    except (ConfigError, DataError, OSError) as error:
        if args.verbose:
            traceback.print_exc()
        print(f"python -m golden.study {args.study}: {error}", file=sys.stderr)
        return 2
    except (Interrupted, KeyboardInterrupt):
        print(f"python -m golden.study {args.study}: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except Exception as error:
        if args.verbose:
            traceback.print_exc()
        print(f"python -m golden.study {args.study}: unexpected: {error!r} (-v for more)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
