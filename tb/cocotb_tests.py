"""The cocotb tests that every unit with streams passes; run inside the simulator by `tb.runner`, see `cocotb_rig`."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from tb.bench import Bench
from tb.bench_unit import PERIOD_NS
from tb.cocotb_rig import GIVEN, MANIFEST, RigNumbers
from tb.models import completing, transfers
from tb.stimulus import corner_batch, least_transfers, random_batch
from tb.stream import PATTERNS, Driver, spaced

__all__: list[str] = []

_RESETS = 4
_SETTLED = 8  # transfers after which buffers are full and a unit runs at its own pace


class Rig(RigNumbers, Bench):
    """The bench of a test."""

    def random(self, count: int):
        """Random input transfers, enough for a few outputs."""
        return random_batch(MANIFEST.config, max(count, 2 * least_transfers(MANIFEST.config)), self.numbers)


@cocotb.test()
async def corners_at_full_rate(dut) -> None:
    """Every test point; neither side pauses, and the unit keeps the pace that its manifest states."""
    rig = Rig(dut, "corners")
    await rig.reset()
    played = await rig.play("corners at full rate", corner_batch(MANIFEST.config, rig.numbers), rig.rng)
    transfers_, cycles = MANIFEST.throughput
    times = np.array(played.sent)[_SETTLED:]
    pace = times[transfers_:] - times[:-transfers_]
    rig.check(f"{transfers_} input transfers", pace, cycles)
    rig.close()


@cocotb.test()
@cocotb.parametrize(idle=list(PATTERNS), backpressure=list(PATTERNS))
async def matrix(dut, idle: str, backpressure: str) -> None:
    """Random transfers under every pair of idle and stall patterns."""
    rig = Rig(dut, f"matrix {idle} {backpressure}")
    await rig.reset()
    await rig.play(
        f"idle {idle}, backpressure {backpressure}",
        rig.random(GIVEN["vectors"]),
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
    _, steps_out = transfers(MANIFEST.config)
    inputs = rig.random(12)
    if "last" in inputs:
        inputs["last"] |= 1
    gap = MANIFEST.latency + MANIFEST.throughput[1] + 4
    played = await rig.play("latency", inputs, rig.rng, idle=spaced(gap))
    sent = np.array(played.sent)[completing(MANIFEST.config, inputs)][::steps_out]
    measured = np.array(played.shown)[::steps_out] - sent
    rig.check("from a result's last input to the result", measured, MANIFEST.latency)
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
        for path in GIVEN["manifest"].get("combinational_paths", [])
    )
    if (moved > 0) != named:
        says = "names" if named else "does not name"
        followed = f"{rig.i.ready.name} followed {rig.o.ready.name} in {moved} of 120 cycles"
        rig.complain(f"{followed}; the manifest {says} that path")
    await RisingEdge(rig.clock)
    rig.close()
