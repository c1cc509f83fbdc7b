"""The bench around a unit with one stream in and one out: streams, scoreboard, end of test, all from the manifest.

A `Bench` plays a batch from reset on and compares each output transfer with the golden model as it comes. The first
mismatch ends the test with all that is needed to understand it and the command that repeats it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.batches import Batch, length, rows
from tb.bench_unit import PATIENCE, Mismatch, Tally, UnitBench
from tb.manifest import Manifest
from tb.models import completing, expected
from tb.plan import count_hits
from tb.ports import Port
from tb.stream import PATTERNS, Driver, Monitor, Pattern

__all__ = ["Bench", "Playback", "Scoreboard"]


@dataclass(frozen=True)
class Playback:
    """Cycles of a finished batch: of each input transfer, and in which each output appeared and was taken."""

    sent: list[int]
    shown: list[int]
    taken: list[int]


class Scoreboard:
    """Expected output words against the unit's, in order."""

    def __init__(self, bench: "Bench", inputs: Batch, name: str) -> None:
        self._bench, self._inputs, self._name = bench, inputs, name
        self.outputs = expected(bench.manifest.config, inputs)
        self.words = bench.o.payload.ints(self.outputs)
        self.done = 0

    def take(self, word: int) -> None:
        """Compare the next output transfer."""
        port = self._bench.o.payload
        if self.done >= len(self.words):
            raise Mismatch(self._story(f"output transfer {self.done} is one too many: {port.text(word)}"))
        wanted = self.words[self.done]
        if word != wanted:
            raise Mismatch(self._story(_difference(port, self.done, wanted, word)))
        self.done += 1

    def missing(self, sent: int) -> Mismatch:
        """Complaint of a batch that does not come to its end."""
        return Mismatch(
            self._story(
                f"no transfer for {PATIENCE} cycles: stream {self._bench.o.name} gave {self.done} of "
                f"{len(self.words)} transfers, stream {self._bench.i.name} took {sent} of {length(self._inputs)}"
            )
        )

    def _story(self, what: str) -> str:
        completes = completing(self._bench.manifest.config, self._inputs)
        lines = [f"{self._bench.manifest.top}, {self._name}: {what}"]
        if self.done < len(completes):
            last = int(completes[self.done])
            lines.append(f"input transfer {last}, which completes it:")
            word = self._bench.i.payload.to_int(rows(self._inputs, last))
            lines += [f"  {part}" for part in _fields(self._bench.i.payload, word)]
            begins = int(completes[self.done - 1]) + 1 if self.done else 0
            if begins < last:
                lines.append(f"  (results may depend on input transfers {begins}..{last} and on sums before them)")
        return "\n".join([*lines, self._bench.origin])


class Bench(UnitBench):
    """A unit of one stream in and one out."""

    def __init__(self, dut: Any, manifest: Manifest, tally: Tally, *, seeds: str, rerun: str) -> None:
        (self.i,), (self.o,) = manifest.inputs, manifest.outputs
        super().__init__(dut, manifest, tally, seeds=seeds, rerun=rerun)

    async def play(
        self,
        name: str,
        inputs: Mapping[str, Any],
        rng: random.Random,
        *,
        idle: Pattern = PATTERNS["never"],
        backpressure: Pattern = PATTERNS["never"],
    ) -> Playback:
        """Send a batch to the unit, which was just reset, and demand exactly the golden outputs."""
        board = Scoreboard(self, inputs, name)
        driver, monitor = Driver(self.dut, self.clock, self.i), Monitor(self.dut, self.clock, self.o, board.take)
        sending = cocotb.start_soon(driver.send(self.i.payload.ints(inputs), idle, rng))
        watching = cocotb.start_soon(monitor.run(backpressure, rng))
        try:
            await self._until_done(board, driver, monitor, watching)
        finally:
            sending.cancel()
            watching.cancel()
        self.tally.vectors += length(inputs)
        self.tally.cycles += monitor.now
        self.tally.hits += count_hits(self.manifest.config, inputs, board.outputs)
        return Playback(driver.cycles, monitor.shown, monitor.cycles)

    async def interrupt(self, inputs: Mapping[str, Any], cycles: int, rng: random.Random) -> None:
        """Play the beginning of a batch, with stalls on both sides, and leave the unit in the middle of it."""
        board = Scoreboard(self, inputs, "before a reset in mid-stream")
        driver, monitor = Driver(self.dut, self.clock, self.i), Monitor(self.dut, self.clock, self.o, board.take)
        sending = cocotb.start_soon(driver.send(self.i.payload.ints(inputs), PATTERNS["bursts"], rng))
        watching = cocotb.start_soon(monitor.run(PATTERNS["bursts"], rng))
        for _ in range(cycles):
            await RisingEdge(self.clock)
        if watching.done():
            watching.result()
        sending.cancel()
        watching.cancel()
        self.tally.cycles += cycles

    async def _until_done(self, board: Scoreboard, driver: Driver, monitor: Monitor, watching: Any) -> None:
        """Both queues drained, then long enough for anything surplus to show up."""
        progress, quiet, drain = (-1, -1), 0, 2 * self.manifest.latency + 8
        while True:
            await RisingEdge(self.clock)
            if watching.done():
                watching.result()  # raises what the monitor or the scoreboard found
            now = (len(driver.cycles), board.done)
            quiet = 0 if now != progress else quiet + 1
            progress = now
            if board.done == len(board.words) and len(driver.cycles) == length(board._inputs):
                if quiet >= drain:
                    return
            elif quiet >= PATIENCE:
                raise board.missing(len(driver.cycles))


def _difference(port: Port, number: int, wanted: int, word: int) -> str:
    good, bad = port.from_int(wanted), port.from_int(word)
    lines = [f"output transfer {number} differs"]
    for base, group in port.groups.items():
        if good[base] == bad[base]:
            continue
        where = ""
        if isinstance(good[base], list):
            places = [k for k, pair in enumerate(zip(good[base], bad[base], strict=True)) if pair[0] != pair[1]]
            where = f" (elements {', '.join(map(str, places[:8]))}{', ...' if len(places) > 8 else ''})"
        lines += [f"  {base}{where}", f"    expected {group.text(good[base])}", f"    got      {group.text(bad[base])}"]
    return "\n".join(lines)


def _fields(port: Port, word: int) -> list[str]:
    codes = port.from_int(word)
    return [f"{base} = {group.text(codes[base])}" for base, group in port.groups.items()]
