"""Reports as JSON with what made them: command, versions, seed, hash of the source; no date, host, user or path."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["to_json"]


def to_json(report: dict[str, Any], command: str, seed: int | None = None) -> str:
    """A report with its provenance; the source is that of this package, its folders left out."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source.update(path.read_bytes())
    provenance = {
        "command": command,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "seed": seed,
        "source_sha256": source.hexdigest(),
    }
    return json.dumps({"provenance": provenance, **report}, indent=2) + "\n"
