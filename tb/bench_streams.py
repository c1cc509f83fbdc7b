"""The bench around a unit with any number of streams: `tb.bench` is the one for a unit with one in and one out.

All streams play at once. Inputs and outputs are dicts of stream name -> batch; each output has its own scoreboard.
"""

import random
from collections.abc import Mapping
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.batches import length
from tb.bench_unit import PATIENCE, Mismatch, UnitBench
from tb.manifest import Stream
from tb.models import expected
from tb.plan import count_hits
from tb.stream import PATTERNS, Driver, Monitor, Pattern

__all__ = ["StreamsBench"]


class _Board:
    """Expected words of one output stream against the unit's."""

    def __init__(self, stream: Stream, batch: Mapping[str, Any], story: str) -> None:
        self.words, self.done = stream.payload.ints(batch), 0
        self._stream, self._story = stream, story

    def take(self, word: int) -> None:
        """Compare the next transfer."""
        port, place = self._stream.payload, f"stream {self._stream.name}, transfer {self.done}"
        if self.done >= len(self.words):
            raise Mismatch(f"{place} is one too many: {port.text(word)}\n{self._story}")
        wanted = self.words[self.done]
        if word != wanted:
            texts = f"expected {port.text(wanted)}\n  got      {port.text(word)}"
            raise Mismatch(f"{place} differs\n  {texts}\n{self._story}")
        self.done += 1


def _of(patterns: Pattern | Mapping[str, Pattern], stream: str) -> Pattern:
    """A stream's pattern: its own, or the one for all."""
    return patterns[stream] if isinstance(patterns, Mapping) else patterns


class StreamsBench(UnitBench):
    """A unit of any streams."""

    async def play(
        self,
        name: str,
        inputs: Mapping[str, Mapping[str, Any]],
        rng: random.Random,
        *,
        idle: Pattern | Mapping[str, Pattern] = PATTERNS["never"],
        backpressure: Pattern | Mapping[str, Pattern] = PATTERNS["never"],
        cycles: int | None = None,
    ) -> dict[str, list[int]]:
        """Send batches to the unit, which was just reset, and demand exactly the golden outputs.

        Returns the cycle of each input transfer, and the one in which each output appeared. With `cycles` it stops
        after so many and leaves the unit in the middle of its work.
        """
        golden = expected(self.manifest.config, inputs)
        story = f"{self.manifest.top}, {name}\n{self.origin}"
        boards = {s.name: _Board(s, golden[s.name], story) for s in self.manifest.outputs}
        drivers = {s.name: Driver(self.dut, self.clock, s) for s in self.manifest.inputs}
        monitors = {s.name: Monitor(self.dut, self.clock, s, boards[s.name].take) for s in self.manifest.outputs}
        tasks = [cocotb.start_soon(m.run(_of(backpressure, name), rng)) for name, m in monitors.items()]
        for stream in self.manifest.inputs:
            words = stream.payload.ints(inputs[stream.name])
            tasks.append(cocotb.start_soon(drivers[stream.name].send(words, _of(idle, stream.name), rng)))
        counts = {s.name: length(inputs[s.name]) for s in self.manifest.inputs}
        try:
            await self._until_done(boards, drivers, counts, tasks[: len(monitors)], story, cycles)
        finally:
            for task in tasks:
                task.cancel()
        self.tally.cycles += next(iter(monitors.values())).now
        if cycles is None:
            self.tally.vectors += max(counts.values())
            self.tally.hits += count_hits(self.manifest.config, inputs, golden)
        sent = {name: driver.cycles for name, driver in drivers.items()}
        return sent | {name: monitor.shown for name, monitor in monitors.items()}

    async def _until_done(
        self,
        boards: dict[str, _Board],
        drivers: dict[str, Driver],
        counts: dict[str, int],
        watching: list[Any],
        story: str,
        cycles: int | None,
    ) -> None:
        """All queues drained, then long enough for anything surplus to show up."""
        progress, quiet, now, drain = -1, 0, 0, 2 * self.manifest.latency + 8
        while now != cycles:
            await RisingEdge(self.clock)
            now += 1
            for task in watching:
                if task.done():
                    task.result()  # raises what the monitor or the scoreboard found
            at = {name: (len(driver.cycles), counts[name]) for name, driver in drivers.items()}
            at |= {name: (board.done, len(board.words)) for name, board in boards.items()}
            total = sum(done for done, _ in at.values())
            quiet = 0 if total != progress else quiet + 1
            progress = total
            if all(done == count for done, count in at.values()):
                if quiet >= drain:
                    return
            elif quiet >= PATIENCE:
                places = ", ".join(f"{name} {done} of {count}" for name, (done, count) in at.items())
                raise Mismatch(f"no transfer for {PATIENCE} cycles: {places}\n{story}")
