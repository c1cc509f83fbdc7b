"""Results of earlier syntheses, one small JSON file each, named by the hash of all that went in."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["cache_folder", "key_of", "load", "store"]


def cache_folder() -> Path:
    """`narrowgauge-synth` in the platform's cache folder (`XDG_CACHE_HOME`, `~/Library/Caches`, `~/.cache`)."""
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "narrowgauge-synth"


def key_of(*parts: str) -> str:
    """Equal parts, and only those, share an entry."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def load(key: str) -> dict[str, Any] | None:
    """The entry, or None."""
    try:
        return json.loads((cache_folder() / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None


def store(key: str, value: dict[str, Any]) -> None:
    """Written aside and renamed: two runs at once do not disturb each other."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as aside:
        json.dump(value, aside)
    Path(aside.name).replace(folder / f"{key}.json")
