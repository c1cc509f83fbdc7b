"""What the command lines of this room share: flags, exit codes, and one line instead of a traceback."""

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from hdl.cli import Parser, UsageError, whole
from hdl.config import ConfigError
from hdl.yosys import ToolMissing, YosysError
from tb.manifest import ManifestError
from tb.toolchain import ToolError

__all__ = ["MOST", "add_number", "add_record", "command_parser", "run_command", "speaker", "spelt"]

MOST = 2**31 - 1  # of seeds and counts


def command_parser(module: str, text: str | None) -> Parser:
    """Parser of `python -m MODULE`, described by the first line of its docstring `text`."""
    return Parser(prog=f"python -m {module}", description=(text or "").partition("\n")[0])


def add_number(
    parser: Parser, *flags: str, about: str, default: int | None = None, low: int = 0, metavar: str = "N"
) -> None:
    """A flag that takes a whole number in low..MOST; the last of `flags` is its long name."""
    suffix = "" if default is None else f" (default {default})"
    parser.add_argument(
        *flags, type=whole(flags[-1], range(low, MOST + 1)), default=default, metavar=metavar, help=about + suffix
    )


def add_record(parser: Parser) -> None:
    """The flags of whatever runs for long: --json, -q and -v."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a JSON record")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only failures")
    parser.add_argument("-v", "--verbose", action="store_true", help="a traceback with errors of the bench itself")


def speaker(quiet: bool) -> Callable[[str], None]:
    """Prints lines of progress to stderr, or nothing."""

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    return say


def spelt(module: str, words: Sequence[str]) -> str:
    """The command line for a record, which holds no absolute path."""
    return " ".join([f"python -m {module}", *(Path(word).name if Path(word).is_absolute() else word for word in words)])


def run_command(body: Callable[[list[str]], int], arguments: Sequence[str] | None) -> int:
    """Exit code of `body` called with `arguments` (None: the process's).

    What it raises becomes one line on stderr (-v: a traceback too) and 2 for wrong flags and bad files, 3 for missing
    or failing tools, 1 for the unexpected.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return body(words)
    except BrokenPipeError:
        return 0  # whoever read a list has seen enough
    except Exception as error:
        if "-v" in words or "--verbose" in words:
            traceback.print_exc()
        code, text = _told(error)
        print(f"error: {text}", file=sys.stderr)
        return code


def _told(error: Exception) -> tuple[int, str]:
    """Exit code of an error, and its one line."""
    if isinstance(error, UsageError | ConfigError | ManifestError):
        return 2, str(error)
    if isinstance(error, ToolError | ToolMissing | YosysError):
        return 3, str(error)
    if isinstance(error, OSError):
        return 2, f"{error.filename}: {error.strerror}"
    return 1, f"unexpected {type(error).__name__}: {error} (-v shows where)"
