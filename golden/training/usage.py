"""What the commands of the golden model have in common: errors as one line that names the flag, exit status 2."""

import argparse
from typing import Any, NoReturn

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage text; flags are spelt out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False} | options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message."""
        self.exit(2, f"{self.prog}: {message}\n")
