"""A proof: a claim about a circuit, the method that decides it, and bugs that the same method must find."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hdl.yosys import Engine, YosysTimeout
from tb.formal.methods import Method, Verdict
from tb.formal.setup import Setup

__all__ = ["Outcome", "Proof", "Run", "run_proof"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """`design(None)` is the circuit as generated, `design(bug)` the same with one of `bugs` planted in it."""

    name: str
    claim: str
    method: Method
    design: Callable[[str | None], Setup]
    bugs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.bugs:
            raise ValueError(f"proof {self.name}: at least one planted bug; a proof that cannot fail proves nothing")


@dataclass(frozen=True, slots=True)
class Run:
    """One verdict and its price. `log` is Yosys's, with the counterexample where there is one."""

    bug: str | None
    verdict: Verdict
    seconds: float
    log: str

    @property
    def expected(self) -> bool:
        """Whether it went as a good proof goes."""
        return self.verdict is (Verdict.PROVED if self.bug is None else Verdict.REFUTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All runs of a proof: first the circuit as it is, then every planted bug."""

    proof: Proof
    runs: tuple[Run, ...]

    @property
    def holds(self) -> bool:
        """Proved, and every planted bug found."""
        return all(run.expected for run in self.runs)

    @property
    def seconds(self) -> float:
        """Time of all runs."""
        return sum(run.seconds for run in self.runs)

    @property
    def words(self) -> str:
        """The result in a table's cell."""
        if not self.runs[0].expected:
            return self.runs[0].verdict.upper()
        missed = [str(run.bug) for run in self.runs[1:] if not run.expected]
        return f"PLANTED BUG MISSED: {', '.join(missed)}" if missed else "proved"


def run_proof(proof: Proof, engine: Engine, *, timeout: float, waves: Path | None = None) -> Outcome:
    """Decide a proof; each run may take `timeout` seconds. Counterexamples go to `waves` as VCD where asked for.

    Raises YosysError where Yosys fails for a reason other than time.
    """
    return Outcome(proof, tuple(_decide(proof, bug, engine, timeout, waves) for bug in (None, *proof.bugs)))


def _decide(proof: Proof, bug: str | None, engine: Engine, timeout: float, waves: Path | None) -> Run:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "proof.il").write_text(proof.design(bug).rtlil())
        script = proof.method.script(timeout, "counterexample.vcd" if waves else None, planted=bug is not None)
        try:
            log = engine.run(script, folder, timeout=timeout)
        except YosysTimeout as late:
            log = str(late)
        wave = folder / "counterexample.vcd"
        if waves is not None and wave.is_file():
            waves.mkdir(parents=True, exist_ok=True)
            stem = proof.name if bug is None else f"{proof.name}-{bug.replace(' ', '_')}"
            (waves / f"{stem}.vcd").write_bytes(wave.read_bytes())
    return Run(bug, proof.method.verdict(log), time.perf_counter() - start, log)
