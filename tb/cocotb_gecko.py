"""The cocotb tests of the Gecko units; run inside the simulator by `tb.runner`, parameters as in `cocotb_rig`."""

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, Timer

from golden.gecko.descriptor import Descriptor, Mode, Source
from tb.bench_streams import StreamsBench
from tb.bench_unit import PERIOD_NS
from tb.cocotb_rig import GIVEN, MANIFEST, RigNumbers
from tb.gecko_tensors import joined
from tb.stimulus_gecko import gecko_batch, gecko_corners, tensor_streams
from tb.stream import PATTERNS, spaced

__all__: list[str] = []

_RESETS = 4
_CONFIG = MANIFEST.config
# The stream whose transfers complete results, and the one that carries these.
_INTO = "data" if MANIFEST.unit == "container_unpack" else "i"
_OUT = "data" if MANIFEST.unit == "container_pack" else "o"


class Rig(RigNumbers, StreamsBench):
    """The bench of a test."""

    def full(self, tensors: int, rows: int, mode: Mode = Mode.RAW, *, masks: bool = False):
        """Tensors of full rows, every value of which fills its lane's word in a container."""
        source = Source[_CONFIG.get("source", "bf16").upper()]
        d = Descriptor(
            source=source, length=8 * rows, mode=mode, mantissa_bits=source.mantissa_bits, zero_mask=masks, bias=127
        )
        bits = 8 if "tail" in _CONFIG else source.bits
        parts = []
        for _ in range(tensors):
            values = self.numbers.integers(0, 1 << bits, d.length, np.uint64)
            values[:: 64 if masks else d.length] = 0
            values = values.astype(np.uint8 if bits == 8 else f"u{bits // 8}")
            parts.append(tensor_streams(_CONFIG, d, values, self.numbers, corrupt=0, late=False))
        return joined(parts)


@cocotb.test()
async def corners_at_full_rate(dut) -> None:
    """Every test point; no side pauses."""
    rig = Rig(dut, "corners")
    await rig.reset()
    await rig.play("corners at full rate", gecko_corners(_CONFIG, rig.numbers), rig.rng)
    rig.close()


@cocotb.test()
@cocotb.parametrize(idle=list(PATTERNS), backpressure=list(PATTERNS))
async def matrix(dut, idle: str, backpressure: str) -> None:
    """Random tensors under every pair of idle and stall patterns."""
    rig = Rig(dut, f"matrix {idle} {backpressure}")
    await rig.reset()
    await rig.play(
        f"idle {idle}, backpressure {backpressure}",
        gecko_batch(_CONFIG, GIVEN["vectors"], rig.numbers),
        rig.rng,
        idle=PATTERNS[idle],
        backpressure=PATTERNS[backpressure],
    )
    rig.close()


@cocotb.test()
@cocotb.parametrize(slow=list(MANIFEST.streams))
async def slow_stream(dut, slow: str) -> None:
    """One stream moves seldom, all others whenever they can: nothing is lost in front of it."""
    rig = Rig(dut, f"slow {slow}")
    await rig.reset()
    patterns = {name: spaced(20) if name == slow else PATTERNS["never"] for name in MANIFEST.streams}
    batch = gecko_batch(_CONFIG, GIVEN["vectors"], rig.numbers)
    await rig.play(f"slow {slow}", batch, rig.rng, idle=patterns, backpressure=patterns)
    rig.close()


@cocotb.test()
async def pace(dut) -> None:
    """No side pauses: a row a cycle, nine cycles for a masked group; tensors back to back where their ends are free.

    They are not in a packer, which may have to flush, and behind a group buffer, which a short group holds up.
    """
    rig = Rig(dut, "pace")
    await rig.reset()
    packs = _OUT == "data"
    buffered = _CONFIG["zero_mask"] == "on" and (packs or "encoder" in MANIFEST.unit)
    tensors, length = (1, 48) if packs else (5, 16 if buffered else 11)
    played = await rig.play("without masks", rig.full(tensors, length, Mode.DELTA), rig.rng)
    rows = np.array(played["i" if packs else "o"])
    rig.check("between two rows", rows[1:] - rows[:-1], 1)
    if _CONFIG["zero_mask"] == "on":
        await rig.reset()
        played = await rig.play("masked", rig.full(1, 80, Mode.DELTA, masks=True), rig.rng)
        # What comes out of an encoder are not rows alone.
        rows = np.array(played["i" if buffered else "o"])
        rig.check("between rows of neighbouring groups", rows[8:] - rows[:-8], 9)
    rig.close()


@cocotb.test()
async def latency(dut) -> None:
    """Tensors of one row, far apart: each appears as many cycles after its transfer as the manifest states."""
    rig = Rig(dut, "latency")
    await rig.reset()
    idle = {stream.name: PATTERNS["never"] for stream in MANIFEST.inputs} | {_INTO: spaced(MANIFEST.latency + 12)}
    played = await rig.play("latency", rig.full(12, 1), rig.rng, idle=idle)
    rig.check("latency", np.array(played[_OUT]) - np.array(played[_INTO]), MANIFEST.latency)
    rig.close()


@cocotb.test()
async def reset_in_mid_stream(dut) -> None:
    """A reset at any moment leaves nothing behind: what follows is as after the first one."""
    rig = Rig(dut, "reset")
    await rig.reset()
    for _ in range(_RESETS):
        pause = PATTERNS["bursts"]
        batch = gecko_batch(_CONFIG, 80, rig.numbers)
        await rig.play(
            "before a reset", batch, rig.rng, idle=pause, backpressure=pause, cycles=rig.rng.randrange(2, 80)
        )
        await rig.reset()
        await rig.play(
            "after a reset in mid-stream", gecko_batch(_CONFIG, 24, rig.numbers), rig.rng, backpressure=PATTERNS["coin"]
        )
        await rig.reset()
    rig.close()


@cocotb.test()
async def ready_is_registered(dut) -> None:
    """Toggling the outputs' `ready` within a cycle moves no input's."""
    rig = Rig(dut, "ready")
    await rig.reset()
    batch = gecko_batch(_CONFIG, 60, rig.numbers)
    playing = cocotb.start_soon(
        rig.play("ready", batch, rig.rng, idle=PATTERNS["coin"], backpressure=PATTERNS["coin"], cycles=120)
    )
    given = [rig.port(stream.ready) for stream in MANIFEST.inputs]
    taken = [rig.port(stream.ready) for stream in MANIFEST.outputs]
    moved = 0
    for _ in range(100):
        await FallingEdge(rig.clock)
        await Timer(PERIOD_NS // 10, unit="ns")
        before, seen = [int(port.value) for port in taken], set()
        for value in (0, 1):
            for port in taken:
                port.value = value
            await Timer(PERIOD_NS // 10, unit="ns")
            seen.add(tuple(int(port.value) for port in given))
        for port, value in zip(taken, before, strict=True):
            port.value = value
        moved += len(seen) > 1
    playing.cancel()
    if moved:
        rig.complain(f"inputs' ready followed the outputs' in {moved} of 100 cycles")
    rig.close()
