"""A per-user folder of build products, addressed by content.

An entry is a folder named by the hash of everything that went into it; it is built aside under a lock and renamed into
place, so that runs at the same time never see half an entry nor build one twice. The least recently used entries go
when the folder exceeds its limit.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["LIMIT_BYTES", "build_once", "cache_dir", "content_key", "prune"]

LIMIT_BYTES = 3 << 30  # two runtimes with their precompiled headers are 0.4 GB, a unit is 1 to 3 MB
_IN_USE_SECONDS = 3600  # an entry used within the last hour may belong to a run of this moment
_ABANDONED_SECONDS = 86400  # a build folder of yesterday belongs to a process that was killed


def cache_dir() -> Path:
    """`narrowgauge` in the platform's cache folder (`XDG_CACHE_HOME`, `~/Library/Caches`, `~/.cache`)."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"], "narrowgauge")
    home = Path.home()
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "narrowgauge"


def content_key(*parts: Any) -> str:
    """Hash of JSON-like values; equal inputs, and only those, share an entry."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def build_once(name: str, key: str, build: Callable[[Path], None]) -> tuple[Path, bool]:
    """The entry `name-key`, made by `build(empty folder)` if it is not there; and whether it was made just now.

    Not to be nested: `build` must not need another entry (two keys may share a lock).
    """
    root = cache_dir()
    entry = root / f"{name}-{key}"
    if _touch(entry):
        return entry, False
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f".lock-{key[:2]}", "w") as lock:  # 256 locks at most; held by the process, so none goes stale
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _touch(entry):
            return entry, False
        aside = Path(tempfile.mkdtemp(prefix=".build-", dir=root))
        try:
            build(aside)
            aside.rename(entry)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    prune()
    return entry, True


def prune(limit: int | None = None) -> None:
    """Remove the least recently used entries beyond `limit` bytes, and folders of builds that died."""
    now, entries = time.time(), []
    for path in cache_dir().iterdir():
        try:
            age = now - path.stat().st_mtime
        except FileNotFoundError:  # another run renamed or pruned it
            continue
        if path.name.startswith(".build-"):
            if age > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
            entries.append((age, size, path))
    total = 0
    for age, size, path in sorted(entries):
        total += size
        if total > (LIMIT_BYTES if limit is None else limit) and age > _IN_USE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _touch(entry: Path) -> bool:
    """Mark as used now; False if it does not exist."""
    try:
        os.utime(entry)
    except FileNotFoundError:
        return False
    return True
