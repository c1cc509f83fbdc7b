"""What the command lines of this room share: flags, their checks, exit statuses, tables that documents hold."""

import importlib.util
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

from hdl.cli import Parser, UsageError
from hdl.config import ConfigError
from hdl.yosys import ToolMissing, YosysError
from synth.library import LibraryError

__all__ = [
    "Tell",
    "add_outputs",
    "add_voices",
    "check_names",
    "check_outputs",
    "need_matplotlib",
    "run_command",
    "speaker",
    "table_writer",
]

Tell = Callable[[str], None]

_END = "<!-- end of table -->\n"


def run_command(body: Callable[[], int], *, verbose: bool = False) -> int:
    """The exit status of `body`. What it raises becomes one line on stderr, before it a traceback if `verbose`.

    2 for wrong options and files, 3 for missing or failing tools, 1 for the unexpected.
    """
    try:
        return body()
    except (UsageError, ConfigError, LibraryError) as error:
        status, message = 2, f"{error}"
    except (ToolMissing, YosysError) as error:
        status, message = 3, f"{error}"
    except OSError as error:
        status, message = 2, f"{error.filename}: {error.strerror}"
    except Exception as error:
        status, message = 1, f"unexpected {type(error).__name__}: {error} (-v shows where)"
    if verbose:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return status


def add_outputs(parser: Parser) -> None:
    """The flags of whatever measures many units: --json, --docs, --plot, --timeout, -q and -v."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="renew the tables in this Markdown file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures as SVG")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds per synthesis (default 600)")
    add_voices(parser)


def add_voices(parser: Parser) -> None:
    """-q and -v, which every command has."""
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on stderr but errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="tracebacks on errors")


def check_outputs(options: Namespace) -> None:
    """Raises UsageError, ToolMissing for what `add_outputs` reads: known now, not after minutes of synthesis."""
    if not 0 < options.timeout < float("inf"):
        raise UsageError(f"--timeout {options.timeout:g}: seconds, above 0")
    for flag in ("json", "docs", "plot"):
        path = getattr(options, flag)
        if path and not path.parent.is_dir():
            raise UsageError(f"--{flag} {path}: a file in an existing folder")
    if options.plot:
        need_matplotlib()


def need_matplotlib() -> None:
    """Raises ToolMissing, with the hint, where nothing can be drawn."""
    if not importlib.util.find_spec("matplotlib"):
        raise ToolMissing("matplotlib is not installed; install it with: pip install 'matplotlib>=3.9'")


def check_names(flag: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raises UsageError for a name that is not known."""
    known = list(known)
    for name in given:
        if name not in known:
            raise UsageError(f"{flag} {name}: one of {', '.join(known)}")


def speaker(quiet: bool) -> Tell:
    """Prints lines of progress to stderr, the seconds since now before them; or nothing."""
    start = time.monotonic()

    def tell(text: str) -> None:
        if not quiet:
            print(f"{time.monotonic() - start:6.1f} s  {text}", file=sys.stderr, flush=True)

    return tell


def table_writer(path: Path, command: str) -> Callable[[str], None]:
    """Puts a table between the marks of a Markdown file; the first mark names `command`, which writes the table.

    Raises UsageError for a file without the marks: known before anything is measured.
    """
    begin = f"<!-- table: {command} -->\n"
    head, begun, rest = path.read_text().partition(begin)
    _, ended, tail = rest.partition(_END)
    if not (begun and ended):
        raise UsageError(f"--docs {path}: no table between {begin.strip()} and {_END.strip()}")

    def write(table: str) -> None:
        path.write_text(head + begin + table + "\n" + _END + tail)

    return write
