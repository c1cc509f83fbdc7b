"""The cocotb tests that every unit with streams passes; run inside the simulator by `tb.runner`.

Parameters: `manifest` (parsed JSON), `seed`, `initial_seed`, `vectors` (input transfers per cell of the matrix) and
`rerun` (the command that repeats the simulation). The report says what all tests together drove.
"""

import random
from zlib import crc32

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from tb import runner
from tb.bench import PERIOD_NS, Bench, Mismatch, Tally
from tb.manifest import Manifest
from tb.models import completing, transfers
from tb.stimulus import corner_batch, least_transfers, random_batch
from tb.stream import PATTERNS, Driver, spaced

__all__: list[str] = []

_RESETS = 4
_SETTLED = 8  # transfers after which buffers are full and a unit runs at its own pace
_GIVEN = runner.parameters()
_MANIFEST = Manifest.from_dict(_GIVEN["manifest"])
_TALLY = Tally()


class Rig(Bench):
    """A bench with this test's own random numbers."""

    def __init__(self, dut, test: str) -> None:
        seeds = f"seed {_GIVEN['seed']}, initial-value seed {_GIVEN['initial_seed']}"
        super().__init__(dut, _MANIFEST, _TALLY, seeds=seeds, rerun=_GIVEN["rerun"])
        key = [_GIVEN["seed"], _GIVEN["initial_seed"], crc32(test.encode())]
        self.numbers, self.rng = np.random.default_rng(key), random.Random(repr(key))

    def random(self, count: int):
        """Random input transfers, enough for a few outputs."""
        return random_batch(_MANIFEST.config, max(count, 2 * least_transfers(_MANIFEST.config)), self.numbers)

    def close(self) -> None:
        """Hand over what all tests so far have driven."""
        runner.report({"vectors": _TALLY.vectors, "cycles": _TALLY.cycles, "hits": dict(_TALLY.hits)})


@cocotb.test()
async def corners_at_full_rate(dut) -> None:
    """Every test point; neither side pauses, and the unit keeps the pace that its manifest states."""
    rig = Rig(dut, "corners")
    await rig.reset()
    played = await rig.play("corners at full rate", corner_batch(_MANIFEST.config, rig.numbers), rig.rng)
    transfers_, cycles = _MANIFEST.throughput
    times = np.array(played.sent)[_SETTLED:]
    pace = times[transfers_:] - times[:-transfers_]
    if (pace != cycles).any():
        raise Mismatch(
            f"{_MANIFEST.top}: {transfers_} input transfers took {pace.min()}..{pace.max()} cycles, "
            f"the manifest says {cycles}\n{rig.seeds}\nto repeat it: {rig.rerun}"
        )
    rig.close()


@cocotb.test()
@cocotb.parametrize(idle=list(PATTERNS), backpressure=list(PATTERNS))
async def matrix(dut, idle: str, backpressure: str) -> None:
    """Random transfers under every pair of idle and stall patterns."""
    rig = Rig(dut, f"matrix {idle} {backpressure}")
    await rig.reset()
    await rig.play(
        f"idle {idle}, backpressure {backpressure}",
        rig.random(_GIVEN["vectors"]),
        rig.rng,
        idle=PATTERNS[idle],
        backpressure=PATTERNS[backpressure],
    )
    rig.close()


@cocotb.test()
async def latency(dut) -> None:
    """Single results, far apart: each appears as many cycles after its last input as the manifest states."""
    rig = Rig(dut, "latency")
    await rig.reset()
    _, steps_out = transfers(_MANIFEST.config)
    inputs = rig.random(12)
    if "last" in inputs:
        inputs["last"] |= 1
    gap = _MANIFEST.latency + _MANIFEST.throughput[1] + 4
    played = await rig.play("latency", inputs, rig.rng, idle=spaced(gap))
    sent = np.array(played.sent)[completing(_MANIFEST.config, inputs)][::steps_out]
    measured = np.array(played.shown)[::steps_out] - sent
    if (measured != _MANIFEST.latency).any():
        raise Mismatch(
            f"{_MANIFEST.top}: results appeared {measured.min()}..{measured.max()} cycles after their last input, "
            f"the manifest says {_MANIFEST.latency}\n{rig.seeds}\nto repeat it: {rig.rerun}"
        )
    rig.close()


@cocotb.test()
async def reset_in_mid_stream(dut) -> None:
    """A reset at any moment leaves nothing behind: what follows is as after the first one."""
    rig = Rig(dut, "reset")
    await rig.reset()
    for _ in range(_RESETS):
        before = rig.random(64)
        await rig.interrupt(before, rig.rng.randrange(2, 80), rig.rng)
        await rig.reset()
        await rig.play("after a reset in mid-stream", rig.random(24), rig.rng, backpressure=PATTERNS["coin"])
        await rig.reset()
    rig.close()


@cocotb.test()
async def ready_is_registered(dut) -> None:
    """Toggling `ready` of the output within a cycle does not move `ready` of the input, unless the manifest says so."""
    rig = Rig(dut, "ready")
    await rig.reset()
    given, taken = getattr(dut, rig.i.ready.name), getattr(dut, rig.o.ready.name)
    driver = Driver(dut, rig.clock, rig.i)
    words = rig.i.payload.ints(rig.random(40))
    sending = cocotb.start_soon(driver.send(words, PATTERNS["coin"], rig.rng))
    moved = 0
    for _ in range(120):
        await FallingEdge(rig.clock)
        seen = set()
        for value in (0, 1, rig.rng.getrandbits(1)):
            taken.value = value
            await Timer(PERIOD_NS // 10, unit="ns")
            seen.add(int(given.value))
        moved += len(seen) > 1
    sending.cancel()
    named = any(
        {rig.o.ready.name, rig.i.ready.name} <= set(path.values() if isinstance(path, dict) else path)
        for path in _GIVEN["manifest"].get("combinational_paths", [])
    )
    if (moved > 0) != named:
        says = "names" if named else "does not name"
        raise Mismatch(
            f"{_MANIFEST.top}: {rig.i.ready.name} followed {rig.o.ready.name} in {moved} of 120 cycles; "
            f"the manifest {says} that path\n{rig.seeds}\nto repeat it: {rig.rerun}"
        )
    await RisingEdge(rig.clock)
    rig.close()
