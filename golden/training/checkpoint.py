"""Everything that a run needs to go on bit for bit, in one .npz: arrays as they are, the rest as JSON beside them."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from golden.files import write

__all__ = ["CheckpointError", "load_state", "save_state"]

_TREE, _ARRAY = "tree", "__array__"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or belongs to another run."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a tree of dicts, lists, numbers, strings, None and arrays; whole or not at all.

    Python floats keep every bit: JSON spells them by `repr`, infinities and NaN included. NumPy scalars become arrays.
    """
    arrays: dict[str, np.ndarray] = {}

    def flat(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            arrays[f"a{len(arrays)}"] = np.asarray(value)
            return {_ARRAY: f"a{len(arrays) - 1}"}
        if isinstance(value, dict):
            return {str(key): flat(item) for key, item in value.items()}
        return [flat(item) for item in value] if isinstance(value, (list, tuple)) else value

    tree = json.dumps(flat(state))
    buffer = BytesIO()
    np.savez(buffer, **{_TREE: np.array(tree)}, **arrays)  # type: ignore[arg-type]
    write(path, buffer.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """The tree that `save_state` wrote; tuples come back as lists. Raises CheckpointError."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        tree = json.loads(str(arrays.pop(_TREE)))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(f"{path}: not a checkpoint ({error})") from None

    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            if _ARRAY not in value:
                return {key: grown(item) for key, item in value.items()}
            array = arrays[value[_ARRAY]]
            return array if array.ndim else array[()]
        return [grown(item) for item in value] if isinstance(value, list) else value

    return grown(tree)
