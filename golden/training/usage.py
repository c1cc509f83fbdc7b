"""What the commands of the golden model have in common: errors as one line that names the flag, -q and -v."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, NoReturn

__all__ = ["Parser", "add_common", "silenced", "tell_of_compiling"]


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
