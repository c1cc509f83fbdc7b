"""How far a run is: lines on standard error with the time left. Nothing here enters a result."""

import sys
import time
from typing import TextIO

__all__ = ["Progress", "clock"]

_REDRAWN_SECONDS, _SILENT_SECONDS = 0.2, 30.0


def clock(seconds: float) -> str:
    """1:05 or 2:03:04."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class Progress:
    """Counts units of work, of which `total` are to be done and `done` were done before this process began.

    On a terminal the line is redrawn within an epoch; elsewhere a line is written at least every half minute.
    """

    def __init__(self, total: int, done: int = 0, *, label: str = "", stream: TextIO | None = None) -> None:
        self.total, self.label = total, label
        self._stream = sys.stderr if stream is None else stream
        self._start = time.monotonic()
        self._before = self.done = done
        self._drawn = self._start

    @property
    def left(self) -> float | None:
        """Seconds to go at the pace so far; None before anything is known."""
        here = self.done - self._before
        return (time.monotonic() - self._start) / here * (self.total - self.done) if here else None

    def advance(self, units: int = 1) -> None:
        """So much more is done."""
        self.done += units

    def step(self, text: str) -> None:
        """One unit more is done; redraw on a terminal."""
        self.advance()
        now = time.monotonic()
        if now - self._drawn <= (_REDRAWN_SECONDS if self._stream.isatty() else _SILENT_SECONDS):
            return
        self._drawn = now
        if self._stream.isatty():
            print(f"\r\x1b[K{self._text(text)}", end="", file=self._stream, flush=True)
        else:
            self.line(text)

    def line(self, text: str) -> None:
        """A line that stays."""
        self._drawn = time.monotonic()
        start = "\r\x1b[K" if self._stream.isatty() else ""
        print(start + self._text(text), file=self._stream, flush=True)

    def _text(self, text: str) -> str:
        left = self.left
        ending = "" if left is None or self.done >= self.total else f"  left {clock(left)}"
        return f"{self.label}{text}{ending}"
