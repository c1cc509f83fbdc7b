"""A unit with free streams around it, wired straight or through a planted fault.

A fault is a small circuit between a port and its environment that makes the unit look as if it broke a rule. It acts
only when the unit is busy in earnest, so that finding it also shows that the assumptions leave the unit free to be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Signal, Value
from amaranth.lib import stream, wiring

from tb.formal.setup import Setup

__all__ = ["FAULTS", "Link", "attach"]


@dataclass(frozen=True, slots=True)
class Link:
    """A stream as the environment sees it."""

    valid: Signal
    ready: Signal
    payload: Any
    into: bool  # the unit's input

    @property
    def moves(self) -> Value:
        """A transfer happens in this cycle."""
        return self.valid & self.ready


def attach(setup: Setup, unit: wiring.Component, faults: Mapping[str, str] | None = None) -> dict[str, Link]:
    """Add `unit` to the circuit, every stream free at its far end; `faults` names a fault for some of the streams."""
    setup.m.submodules.unit = unit
    links = {}
    for name, member in unit.signature.members.items():
        if member.is_port or not isinstance(member.signature, stream.Signature):
            raise TypeError(f"{type(unit).__name__}.{name}: not a stream, and only those are driven here")
        port, into = getattr(unit, name), member.flow is wiring.In
        given, taken = (setup.free, setup.seen) if into else (setup.seen, setup.free)
        links[name] = link = Link(
            given(f"{name}_valid"), taken(f"{name}_ready"), given(f"{name}_payload", port.payload.shape()), into
        )
        (_wire_in if into else _wire_out)(setup, link, port)
        if faults and name in faults:
            # The later assignment wins: a fault overrides the straight wires that it is about.
            FAULTS[faults[name]](setup, link, port)
    return links


def _wire_in(setup: Setup, link: Link, port: Any) -> None:
    setup.m.d.comb += [port.valid.eq(link.valid), port.payload.eq(link.payload), link.ready.eq(port.ready)]


def _wire_out(setup: Setup, link: Link, port: Any) -> None:
    setup.m.d.comb += [link.valid.eq(port.valid), link.payload.eq(port.payload), port.ready.eq(link.ready)]


def _waited(setup: Setup, port: Any) -> Signal:
    waited = Signal(name="waited")
    setup.m.d.sync += waited.eq(port.valid & ~port.ready)
    return waited


def _valid_drops(setup: Setup, link: Link, port: Any) -> None:
    """Valid goes low after a cycle of waiting."""
    setup.m.d.comb += link.valid.eq(port.valid & ~_waited(setup, port))


def _payload_moves(setup: Setup, link: Link, port: Any) -> None:
    """The lowest payload bit flips after a cycle of waiting."""
    setup.m.d.comb += link.payload.eq(Value.cast(port.payload) ^ _waited(setup, port))


def _transfer_lost(setup: Setup, link: Link, port: Any) -> None:
    """Every second transfer is taken and goes nowhere."""
    second = Signal(name="second")
    with setup.m.If(link.moves):
        setup.m.d.sync += second.eq(~second)
    setup.m.d.comb += port.valid.eq(link.valid & ~second)


def _deaf_after_transfer(setup: Setup, link: Link, port: Any) -> None:
    """After its first transfer an input takes nothing more."""
    deaf = Signal(name="deaf")
    with setup.m.If(link.moves):
        setup.m.d.sync += deaf.eq(1)
    setup.m.d.comb += [port.valid.eq(link.valid & ~deaf), link.ready.eq(port.ready & ~deaf)]


def _transfer_doubled(setup: Setup, link: Link, port: Any) -> None:
    """The first transfer out is shown to the environment twice."""
    done = Signal(name="doubled")
    with setup.m.If(link.moves):
        setup.m.d.sync += done.eq(1)
    setup.m.d.comb += port.ready.eq(link.ready & done)


def _payload_stale(setup: Setup, link: Link, port: Any) -> None:
    """Every second transfer carries the payload of the one before."""
    before = Signal.like(Value.cast(link.payload), name="before", reset_less=True)
    second = Signal(name="second")
    with setup.m.If(link.moves):
        setup.m.d.sync += [before.eq(link.payload), second.eq(~second)]
    with setup.m.If(second):
        setup.m.d.comb += port.payload.eq(before)


def _stuck_after_stall(setup: Setup, link: Link, port: Any) -> None:
    """Once held up for a cycle, the output never comes back."""
    stuck = Signal(name="stuck")
    with setup.m.If(port.valid & ~link.ready):
        setup.m.d.sync += stuck.eq(1)
    setup.m.d.comb += [link.valid.eq(port.valid & ~stuck), port.ready.eq(link.ready & ~stuck)]


def _valid_waits_for_ready(setup: Setup, link: Link, port: Any) -> None:
    """Valid shows only while ready does."""
    setup.m.d.comb += link.valid.eq(port.valid & link.ready)


FAULTS: dict[str, Callable[[Setup, Link, Any], None]] = {
    "valid drops": _valid_drops,
    "payload moves": _payload_moves,
    "transfer lost": _transfer_lost,
    "deaf after a transfer": _deaf_after_transfer,
    "transfer doubled": _transfer_doubled,
    "payload of the one before": _payload_stale,
    "stuck after a stall": _stuck_after_stall,
    "valid waits for ready": _valid_waits_for_ready,
}
