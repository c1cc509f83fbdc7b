"""The three proofs that every unit with streams gets: stable outputs, progress, no combinational path."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Mux, Signal, Value
from amaranth.lib import wiring

from tb.formal.links import Link, attach
from tb.formal.methods import Bounded, Induction, Method, NoPath
from tb.formal.proof import Proof
from tb.formal.rules import check_accepts, check_latency, check_owed, check_stable
from tb.formal.setup import Setup

__all__ = ["Subject", "handshake_proofs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A unit and the pace that is claimed of it.

    `group` transfers on stream `i` (if `marked`, of those whose payload says `last`) complete a result, which stream `o`
    gives `latency` cycles later. While outputs are taken and the other inputs offered, `i` is refused for at most `refusals`
    cycles in a row. Progress is proved by induction, or unrolled so far as `bound` says.
    """

    name: str
    make: Callable[[], wiring.Component]
    latency: int
    group: int = 1
    marked: bool = False
    refusals: int = 1
    bound: int | None = None


def handshake_proofs(subject: Subject) -> list[Proof]:
    """The proofs of one unit."""
    return [_stable(subject), _progress(subject), _no_path(subject)]


def _stable(subject: Subject) -> Proof:
    def design(bug: str | None) -> Setup:
        setup = Setup()
        for link in attach(setup, subject.make(), {"o": bug} if bug else None).values():
            if not link.into:
                check_stable(setup, link)
        return setup

    return Proof(
        name=f"{subject.name}.stable",
        claim="payload and valid of every output stay until the transfer",
        method=Induction(),
        design=design,
        bugs=("valid drops", "payload moves"),
    )


def _progress(subject: Subject) -> Proof:
    faults = {"transfer lost": "i", "stuck after a stall": "o"}

    def design(bug: str | None) -> Setup:
        setup = Setup()
        links = attach(setup, subject.make(), {faults[bug]: bug} if bug else None)
        into, out = links["i"], links["o"]
        outputs_taken = _all([link.ready for link in links.values() if not link.into])
        others_offered = _all([link.valid for link in links.values() if link.into and link is not into])
        check_accepts(setup, into, outputs_taken & others_offered, subject.refusals)
        start = _completes(setup, into, subject)
        if subject.bound is None:
            check_latency(setup, start, out, outputs_taken, subject.latency)
        else:
            check_owed(setup, start, out, outputs_taken, subject.latency, capacity=8)
        return setup

    unbounded = Induction(longest=subject.latency + 6)
    method: Method = unbounded if subject.bound is None else Bounded(subject.bound)
    return Proof(
        name=f"{subject.name}.progress",
        claim=f"after any stalls: input refused for at most {subject.refusals} cycle(s) in a row, "
        f"result within {subject.latency}, while outputs are taken",
        method=method,
        design=design,
        bugs=tuple(faults),
    )


def _no_path(subject: Subject) -> Proof:
    def design(bug: str | None) -> Setup:
        setup = Setup()
        links = attach(setup, subject.make(), {"o": bug} if bug == "valid waits for ready" else None)
        if bug == "ready passes through":
            setup.m.d.comb += links["i"].ready.eq(links["o"].ready)
        return setup

    return Proof(
        name=f"{subject.name}.no_path",
        claim="no combinational path from any input to any output, so none from ready in to ready out",
        method=NoPath(),
        design=design,
        bugs=("ready passes through", "valid waits for ready"),
    )


def _completes(setup: Setup, into: Link, subject: Subject) -> Value:
    """High in a cycle whose transfer completes the input of a result."""
    counts = into.moves & into.payload.last if subject.marked else into.moves
    group = subject.group
    if group == 1:
        return counts
    position = Signal(range(group), name="position")
    with setup.m.If(counts):
        setup.m.d.sync += position.eq(Mux(position == group - 1, 0, position + 1))
    return counts & (position == group - 1)


def _all(conditions: list[Signal]) -> Value:
    result: Value = Value.cast(1)
    for condition in conditions:
        result = result & condition
    return result
