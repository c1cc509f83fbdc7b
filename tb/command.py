"""What the command lines of this room share: exit codes, and one line instead of a traceback."""

import sys
import traceback
from collections.abc import Callable

from hdl.yosys import ToolMissing, YosysError
from tb.manifest import ManifestError
from tb.toolchain import ToolError

__all__ = ["run_command"]


def run_command(body: Callable[[], int], verbose: bool = False) -> int:
    """Exit code of `body`; 2 for bad files, 3 for missing or failing tools, 1 for the unexpected (`verbose`: where)."""
    try:
        return body()
    except ManifestError as error:
        code, text = 2, str(error)
    except (ToolError, ToolMissing, YosysError) as error:
        code, text = 3, str(error)
    except OSError as error:
        code, text = 2, f"{error.filename}: {error.strerror}"
    except Exception as error:
        code, text = 1, f"unexpected {type(error).__name__}: {error} (-v shows where)"
    if verbose:
        traceback.print_exc()
    print(text, file=sys.stderr)
    return code
