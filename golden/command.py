"""What the commands of the golden model have in common: errors as one line that names the flag, exit status, -q, -v."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, NoReturn

__all__ = [
    "INTERRUPTED",
    "Parser",
    "Statuses",
    "add_common",
    "command_line",
    "run_command",
    "silenced",
    "tell_of_compiling",
]

Statuses = Mapping[type[BaseException], int]

INTERRUPTED = 130
"""Exit status of a command that was interrupted and may be gone on with."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage text; flags are spelt out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False} | options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message."""
        self.exit(2, f"{self.prog}: {message}\n")


def add_common(parser: Any) -> None:
    """-q and -v, for a parser or a group of its flags."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")


@contextmanager
def silenced(quiet: bool) -> Iterator[None]:
    """Within, what goes to standard error is dropped if `quiet`; errors are printed outside."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        yield


def tell_of_compiling() -> None:
    """For `golden.kernels.before_compiling`."""
    print("compiling the fast kernels, once: ten to twenty seconds ...", file=sys.stderr, flush=True)


def run_command(name: str, body: Callable[[], object], statuses: Statuses, *, verbose: bool = False) -> int:
    """The exit status of `python -m NAME`, whose work is `body`: 0, or what `statuses` has for what it raises, else 1.

    An error is one line on standard error, before it the traceback if `verbose`. A more special class stands before a
    more general one in `statuses`.
    """
    try:
        body()
    except BaseException as error:
        status = next((status for kind, status in statuses.items() if isinstance(error, kind)), None)
        if status is None and not isinstance(error, Exception):
            raise
        if verbose:
            traceback.print_exc()
        what = f"unexpected: {error!r} (-v for more)" if status is None else _line(error)
        print(f"python -m {name}: {what}", file=sys.stderr)
        return 1 if status is None else status
    return 0


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or "interrupted; the same command goes on"


_FOLDERS = ("--out", "--data-dir")


def command_line(name: str, words: Sequence[str]) -> str:
    """`python -m NAME WORDS` as a report shows it: without its folders, files by their last name.

    So equal work has equal reports, wherever it was done.
    """
    shown, folder = [], False
    for word in words:
        if not folder and not word.startswith(tuple(f"{flag}=" for flag in _FOLDERS)) and word not in _FOLDERS:
            shown.append(Path(word).name)
        folder = word in _FOLDERS
    return " ".join([f"python -m {name}", *shown])
