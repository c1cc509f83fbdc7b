"""Reports as JSON with what made them: command, versions, seed, hash of the source; no date, host, user or path."""

import hashlib
import json
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["provenance", "to_json"]


def provenance(command: str, seed: int | None) -> dict[str, Any]:
    """Command, versions, seed and the hash of every source file of the golden model, folders included."""
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    return {"command": command, "versions": versions, "seed": seed, "source_sha256": _source_sha256()}


@cache
def _source_sha256() -> str:
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(path.read_bytes())
    return source.hexdigest()


def to_json(report: dict[str, Any], command: str, seed: int | None = None) -> str:
    """A report with its provenance."""
    return json.dumps({"provenance": provenance(command, seed), **report}, indent=2) + "\n"
