"""What a run of the proofs leaves behind: a table, JSON with provenance, the table of the documentation."""

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hdl.yosys import Engine
from tb.formal.proof import Outcome

__all__ = ["markdown", "table", "to_json"]

_ROOT = Path(__file__).parents[2]


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a proof and a last one with the sum."""
    rows = [("proof", "result", "method", "s", "planted bugs found", "s")]
    for outcome in outcomes:
        first, *planted = outcome.runs
        found = sum(run.expected for run in planted)
        rows.append(
            (
                outcome.proof.name,
                outcome.words,
                outcome.proof.method.words,
                f"{first.seconds:.2f}",
                f"{found} of {len(planted)}",
                f"{sum(run.seconds for run in planted):.2f}",
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    good = sum(outcome.holds for outcome in outcomes)
    bugs = sum(len(outcome.proof.bugs) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    return "\n".join([*lines, f"{good} of {len(outcomes)} proofs hold; {bugs} planted bugs; {seconds:.0f} s"])


def to_json(outcomes: Iterable[Outcome], command: str, engine: Engine) -> str:
    """Every run, with what it takes to repeat it."""
    proofs = [
        {
            "name": outcome.proof.name,
            "claim": outcome.proof.claim,
            "method": outcome.proof.method.words,
            "holds": outcome.holds,
            "runs": [
                {"planted_bug": run.bug, "verdict": str(run.verdict), "seconds": round(run.seconds, 2)}
                for run in outcome.runs
            ],
        }
        for outcome in outcomes
    ]
    return json.dumps({"provenance": _provenance(command, engine), "proofs": proofs}, indent=1) + "\n"


def _provenance(command: str, engine: Engine) -> dict[str, Any]:
    """The sources that decide a result are those of the proofs and of the hardware."""
    source = hashlib.sha256()
    for path in sorted([*(_ROOT / "hdl").rglob("*.py"), *Path(__file__).parent.glob("*.py")]):
        source.update(path.read_bytes())
    return {
        "command": command,
        "versions": {"python": platform.python_version(), "amaranth": version("amaranth"), "yosys": engine.name},
        "seed": None,
        "source_sha256": source.hexdigest(),
    }


def markdown(outcomes: Iterable[Outcome]) -> str:
    """The table of docs/formal.md."""
    lines = ["| proof | claim | method | planted bugs | s |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        proof = outcome.proof
        bugs = ", ".join(proof.bugs)
        lines.append(f"| {proof.name} | {proof.claim} | {proof.method.words} | {bugs} | {outcome.seconds:.1f} |")
    return "\n".join(lines) + "\n"
