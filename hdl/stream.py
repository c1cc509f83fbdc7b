"""Handshake parts every unit is built from: the output buffer and the rigid pipeline behind it.

A unit's registers all advance together while the output buffer has room. That room is a register, so a unit never has
a combinational path from the `ready` it is given to the `ready` it gives, whatever its depth.
"""

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["OutputBuffer", "Pipeline", "registers_at"]


class OutputBuffer(wiring.Component):
    """Two-entry stream buffer: `o` comes from registers and `i.ready` is one.

    Latency 1 cycle, throughput one transfer a cycle. Payload registers are not reset: `valid` guards them.
    """

    def __init__(self, payload: Any) -> None:
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})
        self._payload = payload

    def elaborate(self, platform: object) -> Module:
        m = Module()
        front = Signal(self._payload, reset_less=True)
        front_valid = Signal()
        spill = Signal(self._payload, reset_less=True)
        spill_valid = Signal()

        m.d.comb += [
            self.o.payload.eq(front),
            self.o.valid.eq(front_valid),
            self.i.ready.eq(~spill_valid),
        ]
        with m.If(self.o.ready | ~front_valid):
            # The front is free in this cycle: refill it, the spilled transfer first.
            m.d.sync += [front_valid.eq(spill_valid | self.i.valid), spill_valid.eq(0)]
            with m.If(spill_valid):
                m.d.sync += front.eq(spill)
            with m.Else():
                m.d.sync += front.eq(self.i.payload)
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [spill.eq(self.i.payload), spill_valid.eq(1)]
        return m


def registers_at(cuts: tuple[str, ...], registers: int) -> dict[str, int]:
    """How many of a pipeline's registers each cut gets."""
    return {cut: len(range(rank, registers, len(cuts))) for rank, cut in enumerate(cuts)}


class Pipeline:
    """Places the register stages of a unit at its named cuts.

    `cut("sum", a=..., b=...)` returns the same values behind as many registers as that cut was given; the pipeline's
    own `valid` goes along, and so must everything needed later. `cuts` lists the places by urgency: the first register
    goes to the first of them; more registers than places go round again, for a retiming tool to spread.
    """

    def __init__(self, m: Module, *, cuts: tuple[str, ...], registers: int, enable: Value, valid: Value) -> None:
        self._m, self._enable, self.valid = m, enable, valid
        self._depth = registers_at(cuts, registers)

    def cut(self, cut: str, **values: Any) -> SimpleNamespace:
        """Pass `values` (and the pipeline's own valid bit) through this cut's registers."""
        for stage in range(self._depth[cut]):
            suffix = "" if stage == 0 else f"_{stage}"
            values = {key: self._register(f"{cut}_{key}{suffix}", value) for key, value in values.items()}
            self.valid = self._register(f"{cut}_valid{suffix}", self.valid, reset_less=False)
        return SimpleNamespace(**values)

    def _register(self, name: str, value: Any, *, reset_less: bool = True) -> Any:
        if isinstance(value, list):
            return [self._register(f"{name}_{k}", item, reset_less=reset_less) for k, item in enumerate(value)]
        register = Signal(value.shape(), name=name, reset_less=reset_less)
        with self._m.If(self._enable):
            self._m.d.sync += register.eq(value)
        return register
