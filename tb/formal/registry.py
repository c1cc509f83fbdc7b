"""Every proof by name, in the order of the table."""

from fnmatch import fnmatchcase

from tb.formal.cores import core_proofs
from tb.formal.gecko import gecko_proofs
from tb.formal.proof import Proof
from tb.formal.units import unit_proofs

__all__ = ["PROOFS", "select"]

PROOFS: dict[str, Proof] = {}
for _proof in (*unit_proofs(), *core_proofs(), *gecko_proofs()):
    if _proof.name in PROOFS:
        raise ValueError(f"two proofs are called {_proof.name}")
    PROOFS[_proof.name] = _proof


def select(patterns: list[str]) -> list[Proof]:
    """Proofs whose names match any of the shell patterns, in order; all without a pattern."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in PROOFS):
            raise ValueError(f"{pattern}: no proof of that name; --list shows them")
    wanted = patterns or ["*"]
    return [proof for name, proof in PROOFS.items() if any(fnmatchcase(name, pattern) for pattern in wanted)]
