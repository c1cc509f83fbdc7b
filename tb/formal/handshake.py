"""The three proofs that every unit with streams gets: stable outputs, progress, no combinational path."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Const, Mux, Signal, Value
from amaranth.lib import wiring

from tb.formal.links import Link, attach
from tb.formal.methods import Bounded, Induction, Method, NoPath
from tb.formal.proof import Proof
from tb.formal.rules import check_accepts, check_flows, check_latency, check_owed, check_stable
from tb.formal.setup import Setup

__all__ = ["Subject", "handshake_proofs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A unit and the pace that is claimed of it.

    While outputs are taken: `group` transfers on stream `into` (if `marked`, of those whose payload says `last`)
    complete a result, which stream `out` gives `latency` cycles later; `into` is refused for at most `refusals` cycles
    in a row if the other inputs are offered; `out` idles for at most `idle` if all are, cycles in which a `draining`
    unit takes from `into` not counted. None: no such claim. Progress is proved by induction, or unrolled from reset as
    far as `bound` says.
    """

    name: str
    make: Callable[[], wiring.Component]
    latency: int | None = None
    group: int = 1
    marked: bool = False
    refusals: int | None = 1
    idle: int | None = None
    bound: int | None = None
    into: str = "i"
    out: str = "o"
    draining: bool = False

    @property
    def claim(self) -> str:
        """What is claimed of its progress."""
        parts = []
        if self.refusals is not None:
            parts.append(f"{self.into} is refused for at most {self.refusals} cycle(s) in a row")
        if self.latency is not None:
            parts.append(f"a result leaves {self.into} for {self.out} within {self.latency}")
        if self.idle is not None:
            parts.append(f"{self.out} idles for at most {self.idle}" + " unless input is taken" * self.draining)
        return "once all other streams flow, after any stalls: " + ", ".join(parts)


def handshake_proofs(subject: Subject) -> list[Proof]:
    """The proofs of one unit."""
    return [_stable(subject), _progress(subject), _no_path(subject)]


def _stable(subject: Subject) -> Proof:
    def design(bug: str | None) -> Setup:
        setup = Setup()
        for link in attach(setup, subject.make(), {subject.out: bug} if bug else None).values():
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
    faults = {"transfer lost": subject.into, "stuck after a stall": subject.out}
    if subject.latency is None:
        faults = {"deaf after a transfer": subject.into, "stuck after a stall": subject.out}

    def design(bug: str | None) -> Setup:
        setup = Setup()
        links = attach(setup, subject.make(), {faults[bug]: bug} if bug else None)
        into, out = links[subject.into], links[subject.out]
        taken = _all([link.ready for link in links.values() if not link.into])
        offered = _all([link.valid for link in links.values() if link.into and link is not into])
        if subject.refusals is not None:
            check_accepts(setup, into, taken & offered, subject.refusals)
        if subject.idle is not None:
            counts = ~into.ready if subject.draining else Const(1)
            check_flows(setup, out, taken & offered & into.valid & counts, subject.idle)
        if subject.latency is None:
            return setup
        start = _completes(setup, into, subject)
        if subject.bound is None:
            check_latency(setup, start, out, taken, subject.latency)
        else:
            check_owed(setup, start, out, taken, subject.latency, capacity=8)
        return setup

    # Long enough for a planted bug to show: a first result, a stall, and the longest wait that is allowed.
    longest = 12 + max(n or 0 for n in (subject.latency, subject.refusals, subject.idle))
    method: Method = Induction(longest) if subject.bound is None else Bounded(subject.bound)
    return Proof(name=f"{subject.name}.progress", claim=subject.claim, method=method, design=design, bugs=tuple(faults))


def _no_path(subject: Subject) -> Proof:
    def design(bug: str | None) -> Setup:
        setup = Setup()
        links = attach(setup, subject.make(), {subject.out: bug} if bug == "valid waits for ready" else None)
        if bug == "ready passes through":
            setup.m.d.comb += links[subject.into].ready.eq(links[subject.out].ready)
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
