"""Files that commands leave behind: whole or not at all, and touched only when their contents change."""

from pathlib import Path

__all__ = ["write"]


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
