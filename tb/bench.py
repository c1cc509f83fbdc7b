"""The bench around one unit in a simulator: reset, streams, scoreboard, end of test, all from the manifest.

A `Bench` plays a batch from reset on and compares each output transfer with the golden model as it comes. The first
mismatch ends the test with all that is needed to understand it and the command that repeats it.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from tb.manifest import Manifest
from tb.models import Batch, completing, expected, length, rows
from tb.plan import count_hits
from tb.ports import Port
from tb.stream import PATTERNS, Driver, Monitor, Pattern

__all__ = ["Bench", "Mismatch", "Playback", "Scoreboard"]

PERIOD_NS = 10
_PATIENCE = 4000  # cycles without any transfer that count as a hang; stalls never last that long


class Mismatch(AssertionError):
    """The unit answered something else than the golden model, or nothing, or too much."""


@dataclass
class Tally:
    """What one simulation has driven."""

    vectors: int = 0
    cycles: int = 0
    hits: Counter[str] = field(default_factory=Counter)


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
                f"no transfer for {_PATIENCE} cycles: stream {self._bench.o.name} gave {self.done} of "
                f"{len(self.words)} transfers, stream {self._bench.i.name} took {sent} of {length(self._inputs)}"
            )
        )

    def _story(self, what: str) -> str:
        completes = completing(self._bench.manifest.config, self._inputs)
        lines = [f"{self._bench.manifest.top}, {self._name}: {what}", self._bench.seeds]
        if self.done < len(completes):
            last = int(completes[self.done])
            lines.append(f"input transfer {last}, which completes it:")
            word = self._bench.i.payload.to_int(rows(self._inputs, last))
            lines += [f"  {part}" for part in _fields(self._bench.i.payload, word)]
            begins = int(completes[self.done - 1]) + 1 if self.done else 0
            if begins < last:
                lines.append(f"  (results may depend on input transfers {begins}..{last} and on sums before them)")
        return "\n".join([*lines, f"to repeat it: {self._bench.rerun}"])


class Bench:
    """One unit under test. `rerun` is the command that repeats this simulation, `seeds` what it was started with."""

    def __init__(self, dut: Any, manifest: Manifest, tally: Tally, *, seeds: str, rerun: str) -> None:
        (self.i,), (self.o,) = manifest.inputs, manifest.outputs
        self.dut, self.manifest, self.tally, self.seeds, self.rerun = dut, manifest, tally, seeds, rerun
        self.clock = getattr(dut, manifest.clock or "clk")
        if manifest.reset is None or manifest.reset.kind != "synchronous":
            raise ValueError(f"{manifest.top}: the bench drives units with a synchronous reset")
        self._reset, self._active = getattr(dut, manifest.reset.name), int(manifest.reset.active == "high")
        # What inputs carry before the first reset must not matter either
        noise = random.Random(manifest.sha256)
        for port, value in (
            (self.i.valid, noise.getrandbits(1)),
            (self.i.payload, noise.getrandbits(self.i.payload.width)),
            (self.o.ready, noise.getrandbits(1)),
        ):
            getattr(dut, port.name).value = value
        self._reset.value = 1 - self._active
        Clock(self.clock, PERIOD_NS, unit="ns").start()

    async def reset(self) -> None:
        """One cycle of reset, which has to be enough; nothing may be offered right after it."""
        await RisingEdge(self.clock)
        self._reset.value = self._active
        await RisingEdge(self.clock)
        self._reset.value = 1 - self._active
        getattr(self.dut, self.i.valid.name).value = 0
        await FallingEdge(self.clock)
        if int(getattr(self.dut, self.o.valid.name).value):
            raise Mismatch(f"{self.manifest.top}: output valid right after reset\n{self.seeds}")
        await RisingEdge(self.clock)

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
            elif quiet >= _PATIENCE:
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
