"""What the command line leaves behind: files that change only when their contents do, JSON with its provenance."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["to_json", "write"]


def to_json(report: dict[str, Any], command: str, seed: int | None = None) -> str:
    """A report with the command, the versions, the seed and the hash of this package's source that made it."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source.update(path.read_bytes())
    provenance = {
        "command": command,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "seed": seed,
        "source_sha256": source.hexdigest(),
    }
    return json.dumps({"provenance": provenance, **report}, indent=2)


def write(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; one that already has these contents keeps its time."""
    if path.is_file() and path.read_bytes() == contents:
        return
    if not path.is_file() and path.exists():  # a pipe or a device
        path.write_bytes(contents)
        return
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(contents)
    draft.replace(path)
