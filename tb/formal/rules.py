"""What is claimed of streams: stability, progress, order. Each rule looks at links only, never inside a unit."""

from amaranth.hdl import Signal, Value

from tb.formal.links import Link
from tb.formal.setup import Setup

__all__ = ["check_accepts", "check_flows", "check_latency", "check_order", "check_owed", "check_stable"]


def check_stable(setup: Setup, link: Link) -> None:
    """Valid does not drop, and the payload does not move, before the transfer happens."""
    waiting = Signal(name="waiting")
    payload = Signal.like(Value.cast(link.payload), name="waiting_payload", reset_less=True)
    setup.m.d.sync += [waiting.eq(link.valid & ~link.ready), payload.eq(link.payload)]
    setup.check(~waiting | (link.valid & (Value.cast(link.payload) == payload)))


def check_accepts(setup: Setup, into: Link, flowing: Value, cycles: int) -> None:
    """While `flowing` holds, `into` is refused for at most `cycles` cycles in a row."""
    refused = _run_length(setup, flowing & ~into.ready, cycles, "refused")
    setup.check(refused <= cycles)


def check_flows(setup: Setup, out: Link, flowing: Value, cycles: int) -> None:
    """While `flowing` holds, `out` is without a transfer for at most `cycles` cycles in a row."""
    idle = _run_length(setup, flowing & ~out.valid, cycles, "idle")
    setup.check(idle <= cycles)


def check_latency(setup: Setup, start: Value, out: Link, flowing: Value, cycles: int) -> None:
    """`out` is valid `cycles` cycles after `start` where `flowing` holds in between."""
    under_way = start
    for age in range(1, cycles + 1):
        older = Signal(name=f"under_way_{age}")
        setup.m.d.sync += older.eq(under_way & flowing)
        under_way = older
    setup.check(~under_way | out.valid)


def check_owed(setup: Setup, start: Value, out: Link, flowing: Value, cycles: int, capacity: int) -> None:
    """While results are owed and `flowing` holds, fewer than `cycles` cycles in a row pass without one.

    `start` is high in a cycle that completes a result's input; at most `capacity` results are inside at a time, and no
    result comes out that is not owed.
    """
    owed = Signal(range(capacity + 2), name="owed")
    setup.m.d.sync += owed.eq(owed + start - out.moves)
    starved = _run_length(setup, (owed != 0) & flowing & ~out.valid, cycles, "starved")
    setup.check(starved < cycles)
    setup.check((owed <= capacity) & ((owed != 0) | ~out.valid))


def _run_length(setup: Setup, condition: Value, limit: int, name: str) -> Signal:
    """For how many cycles `condition` has held without a break, this cycle not counted; stops at limit + 1."""
    length = Signal(range(limit + 2), name=name)
    with setup.m.If(~condition):
        setup.m.d.sync += length.eq(0)
    with setup.m.Elif(length <= limit):
        setup.m.d.sync += length.eq(length + 1)
    return length


def check_order(setup: Setup, into: Link, out: Link, capacity: int) -> None:
    """What goes in comes out, once and in order; the store holds up to `capacity` and says so by valid and ready.

    Any one transfer is watched, at a time of the solver's choosing: it must come out after as many others as were
    inside before it, with the payload that it had. The bounds on the counts are implied; induction needs them said.
    """
    inside = Signal(range(capacity + 2), name="inside")
    ahead = Signal(range(capacity + 2), name="ahead_of_watched")
    watching, watched = Signal(name="watching"), Signal.like(Value.cast(into.payload), name="watched", reset_less=True)
    chosen = setup.free("watch_this")
    m = setup.m
    m.d.sync += inside.eq(inside + into.moves - out.moves)
    with m.If(watching & out.moves):
        m.d.sync += ahead.eq(ahead - 1)
        with m.If(ahead == 0):
            m.d.sync += watching.eq(0)
    with m.If(chosen & into.moves & ~watching):
        m.d.sync += [watching.eq(1), watched.eq(into.payload), ahead.eq(inside - out.moves)]

    setup.check(inside <= capacity)
    setup.check(out.valid == (inside != 0))
    setup.check(into.ready == (inside != capacity))
    setup.check(~watching | (ahead < inside))
    setup.check(~(watching & (ahead == 0)) | (Value.cast(out.payload) == watched))
