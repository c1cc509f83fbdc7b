"""The log of a run: one JSON object a line, in order, without times, so that equal runs leave equal bytes."""

import json
from pathlib import Path
from typing import Any

__all__ = ["Log", "read_log"]


class Log:
    """Appends to `path`; what lies beyond byte `keep` is dropped first (a resumed run writes it anew)."""

    def __init__(self, path: Path, keep: int = 0) -> None:
        self._file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 - held open for the run
        self._file.truncate(keep)
        self._file.seek(keep)

    def write(self, **entry: Any) -> None:
        """One line; NaN and infinities are spelt as JSON strings."""
        self._file.write((json.dumps({key: _plain(value) for key, value in entry.items()}) + "\n").encode())

    def flush(self) -> int:
        """Bring all lines to the file; returns its length in bytes."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """No more lines."""
        self._file.close()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


def read_log(path: Path) -> list[dict[str, Any]]:
    """All entries of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]
