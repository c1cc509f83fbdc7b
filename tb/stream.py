"""Stream driver and monitor for cocotb: valid/ready as the manifest describes it, with idle and stall patterns.

Everything is driven right after the rising edge and sampled at the falling one, so a cycle is seen as the next rising
edge will see it. Both record the cycle of every transfer.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any

from cocotb.triggers import FallingEdge, RisingEdge

from tb.manifest import Stream

__all__ = ["PATTERNS", "Driver", "Monitor", "ProtocolError", "spaced"]

Pattern = Callable[[random.Random], Iterator[bool]]  # True: go in this cycle


class ProtocolError(AssertionError):
    """The unit broke a rule of valid/ready streams."""


def _always(rng: random.Random) -> Iterator[bool]:
    return repeat(True)


def _coin(rng: random.Random) -> Iterator[bool]:
    return (rng.random() < 0.5 for _ in repeat(None))


def _bursts(rng: random.Random) -> Iterator[bool]:
    # Runs of either kind, long enough to fill and to empty every buffer.
    return chain.from_iterable(repeat(k % 2 == 0, rng.randint(1, 12)) for k, _ in enumerate(repeat(None)))


PATTERNS: dict[str, Pattern] = {"never": _always, "coin": _coin, "bursts": _bursts}  # by when they pause


def spaced(gap: int) -> Pattern:
    """One go, then `gap` pauses."""
    return lambda rng: (k % (gap + 1) == 0 for k, _ in enumerate(repeat(None)))


class Driver:
    """Sends payload words into an input stream; `cycles` holds the cycle of each transfer.

    Between transfers, and before `valid`, the payload is noise: a unit must not look at it.
    """

    def __init__(self, dut: Any, clock: Any, stream: Stream) -> None:
        self._clock = clock
        self._valid, self._ready, self._payload = (
            getattr(dut, port.name) for port in (stream.valid, stream.ready, stream.payload)
        )
        self._width = stream.payload.width
        self.cycles: list[int] = []
        self.now = 0
        self._valid.value = 0

    async def send(self, words: Sequence[int], pattern: Pattern, rng: random.Random) -> None:
        """Transfer all words, waiting as the pattern says before each; returns after the last transfer's cycle."""
        noise = [rng.getrandbits(self._width) for _ in range(16)]
        goes = pattern(rng)
        for word in words:
            for _ in _pauses(goes):
                self._drive(0, noise[self.now % 16])
                await self._cycle()
            self._drive(1, word)
            while not await self._cycle():
                pass
            self.cycles.append(self.now - 1)
        self._drive(0, noise[0])

    def _drive(self, valid: int, word: int) -> None:
        self._valid.value = valid
        self._payload.value = word

    async def _cycle(self) -> bool:
        """Let one cycle pass; whether `ready` was given in it."""
        await FallingEdge(self._clock)
        ready = bool(self._ready.value)
        self.now = await _tick(self._clock, self.now)
        return ready


class Monitor:
    """Takes an output stream's transfers and hands each word to `take`; checks the stream rules in every cycle.

    A payload that was offered stays, unchanged and valid, until it is taken. `shown` holds the cycle in which each word
    appeared first, `cycles` the one in which it was taken.
    """

    def __init__(self, dut: Any, clock: Any, stream: Stream, take: Callable[[int], None]) -> None:
        self._clock, self._stream, self._take = clock, stream, take
        self._valid, self._ready, self._payload = (
            getattr(dut, port.name) for port in (stream.valid, stream.ready, stream.payload)
        )
        self.cycles: list[int] = []
        self.shown: list[int] = []
        self.now = 0
        self._ready.value = 0

    async def run(self, pattern: Pattern, rng: random.Random) -> None:
        """Watch for ever; `ready` follows the pattern."""
        offered: int | None = None
        for go in pattern(rng):
            self._ready.value = int(go)
            await FallingEdge(self._clock)
            word = int(self._payload.value) if int(self._valid.value) else None
            if offered is not None and word != offered:
                self._complain(offered, word)
            if word is not None and offered is None:
                self.shown.append(self.now)
            if word is not None and go:
                self.cycles.append(self.now)
                self._take(word)
            offered = None if go else word
            self.now = await _tick(self._clock, self.now)

    def _complain(self, offered: int, word: int | None) -> None:
        what = "withdrew valid" if word is None else f"changed its payload to {self._stream.payload.text(word)}"
        raise ProtocolError(
            f"stream {self._stream.name} {what} in cycle {self.now} before it was taken; "
            f"offered was {self._stream.payload.text(offered)}"
        )


def _pauses(goes: Iterator[bool]) -> Iterator[None]:
    """One item for each pause before the next go."""
    while not next(goes):
        yield None


async def _tick(clock: Any, now: int) -> int:
    await RisingEdge(clock)
    return now + 1
