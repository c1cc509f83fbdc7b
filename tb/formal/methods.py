"""How a claim is decided: Yosys scripts and the reading of their logs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from tb.formal.setup import TOP

__all__ = ["Bounded", "Combinational", "Induction", "Method", "NoPath", "Verdict"]


class Verdict(StrEnum):
    """What the solver found. UNDECIDED is a failure of the method: out of time, or the claim is not inductive."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Method(Protocol):
    """A way to decide claims."""

    @property
    def words(self) -> str:
        """The method in a table's cell."""

    def script(self, timeout: float, wave: str | None, *, planted: bool) -> list[str]:
        """Yosys commands from `proof.il` to a verdict; `wave` names a VCD file for a counterexample.

        With a bug `planted`, only a counterexample is looked for, in the way that the proof itself would find it.
        """

    def verdict(self, log: str) -> Verdict:
        """What the log says."""


# Power-up values go: only reset may define a register, so no pass may choose one (-noff). Memories become registers,
# checks the solver's goals, and whatever is left undefined becomes free.
_READ = ["read_rtlil proof.il", "setattr -unset init */w:*", "delete */t:$meminit*", f"prep -top {TOP} -flatten"]
_LOWER = ["memory_map", "async2sync", "chformal -lower", "opt -full -noff", "setundef -undriven -anyseq"]


def _sat(options: str, timeout: float, wave: str | None) -> list[str]:
    shown = "-show-ports" if wave is None else f"-show-public -dump_vcd {wave}"
    return [*_READ, *_LOWER, f"sat -prove-asserts -set-assumes {options} -timeout {max(int(timeout), 1)} {shown}"]


def _read(log: str, proved: str, refuted: str) -> Verdict:
    if refuted in log:
        return Verdict.REFUTED
    return Verdict.PROVED if proved in log else Verdict.UNDECIDED


@dataclass(frozen=True, slots=True)
class Combinational:
    """SAT over all inputs of a circuit without registers."""

    words: ClassVar[str] = "SAT, all inputs"

    def script(self, timeout: float, wave: str | None, *, planted: bool) -> list[str]:
        """One problem."""
        return _sat("", timeout, wave)

    def verdict(self, log: str) -> Verdict:
        """No model of the negated claim means proved."""
        return _read(log, "no model found: SUCCESS!", "SAT proof finished - model found: FAIL!")


@dataclass(frozen=True, slots=True)
class Induction:
    """k-induction from reset, k = 1, 2, ... up to `longest`, over paths without repeated states: proved for ever.

    Checks that hold over ports alone strengthen each other; nothing inside the hardware is named.
    """

    longest: int = 12

    @property
    def words(self) -> str:
        """The method, without a bound: a proof holds for ever."""
        return "k-induction, unbounded"

    def script(self, timeout: float, wave: str | None, *, planted: bool) -> list[str]:
        """Base case and step for growing lengths; the first cycle is the reset. Bugs show in a base case."""
        half = "-tempinduct-baseonly" if planted else ""
        return _sat(f"-tempinduct {half} -seq 1 -maxsteps {self.longest}", timeout, wave)

    def verdict(self, log: str) -> Verdict:
        """A failed base case is a counterexample from reset; a step that never closes decides nothing."""
        return _read(log, "Induction step proven: SUCCESS!", "model found for base case: FAIL!")


@dataclass(frozen=True, slots=True)
class Bounded:
    """Every run of `cycles` cycles after reset."""

    cycles: int

    @property
    def words(self) -> str:
        """The bound belongs to the claim."""
        return f"bounded, {self.cycles} cycles from reset"

    def script(self, timeout: float, wave: str | None, *, planted: bool) -> list[str]:
        """Base cases only."""
        return _sat(f"-tempinduct -tempinduct-baseonly -seq 1 -maxsteps {self.cycles}", timeout, wave)

    def verdict(self, log: str) -> Verdict:
        """Proved when the last base case held."""
        return _read(log, f"proved base case for {self.cycles} steps: SUCCESS!", "model found for base case: FAIL!")


@dataclass(frozen=True, slots=True)
class NoPath:
    """No combinational path from any input to any output, read off the netlist; false paths count as paths."""

    words: ClassVar[str] = "structure of the netlist"

    def script(self, timeout: float, wave: str | None, *, planted: bool) -> list[str]:
        """Gates, so that bits of a word are told apart; then the cone of the inputs, which stops at registers."""
        gates = ["memory_map", "simplemap", "techmap", "splitnets -driver", "select -assert-any o:*"]
        return [*_READ, *gates, "log cone:", "select -list i:* %coe* o:* %i", "log end of cone"]

    def verdict(self, log: str) -> Verdict:
        """An empty list of outputs is the proof."""
        _, begun, rest = log.partition("\ncone:")
        listed, ended, _ = rest.partition("\nend of cone")
        if not (begun and ended):
            return Verdict.UNDECIDED
        return Verdict.REFUTED if f"\n{TOP}/" in listed else Verdict.PROVED
