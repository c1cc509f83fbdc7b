"""Runs a cocotb test module on a built unit, in a process of its own, and brings back what happened.

    model = build_cocotb(verilog, manifest)
    result = run(model, "tb.bench", seed=7, parameters={"vectors": 100})
    result.check()                      # SimulationFailed with the log, or nothing

The result of a run depends on its arguments only: cocotb's variables of the calling environment are not passed on.
Inside the simulator, `parameters()` returns what the caller passed and `report()` sends JSON back to `Result.report`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tb.build import Model
from tb.toolchain import python_library

__all__ = ["Result", "SimulationFailed", "Test", "parameters", "report", "run"]

MAX_SEED = 2**31 - 1
_PLUSARG = "narrowgauge"


class SimulationFailed(AssertionError):
    """A test failed or the simulator broke; the message ends with the simulation's log."""


@dataclass(frozen=True, slots=True)
class Test:
    """One cocotb test: `message` is empty if it passed, else the exception as cocotb reports it."""

    __test__ = False  # not a pytest class

    name: str
    passed: bool
    message: str


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one simulation; `error` says why it has no tests to show (crash, timeout), else it is empty."""

    tests: tuple[Test, ...]
    error: str
    log: str
    report: Any  # what the bench passed to `report`, None if nothing
    seconds: float

    @property
    def passed(self) -> bool:
        """At least one test ran, and none failed."""
        return not self.error and bool(self.tests) and all(t.passed for t in self.tests)

    def check(self) -> Result:
        """Itself, or `SimulationFailed` with every failure and the whole log."""
        if self.passed:
            return self
        failures = [f"{t.name}: {t.message}" for t in self.tests if not t.passed]
        reason = "\n".join([*failures, self.error] if self.error else failures) or "no test ran"
        raise SimulationFailed(f"{reason}\n--- simulation log ---\n{self.log}")


def run(
    model: Model,
    test_module: str | Sequence[str],
    *,
    seed: int = 1,
    initial_seed: int = 1,
    parameters: Mapping[str, Any] | None = None,
    tests: str | None = None,
    waves: Path | None = None,
    timeout: float = 600.0,
) -> Result:
    """Run the cocotb tests of `test_module` (import names) on `model`.

    seed          cocotb's random seed, 0..2**31-1
    initial_seed  seed of the power-up values, 1..2**31-1 (0 would let Verilator pick one by itself)
    parameters    JSON-like values for the bench, see `parameters`
    tests         regular expression: run only tests whose full name matches
    waves         write a VCD here; the model must be built with `waves=True`
    timeout       seconds after which the simulation is killed and reported as an error
    """
    _range("seed", seed, 0)
    _range("initial_seed", initial_seed, 1)
    if waves and not model.waves:
        raise ValueError("waves need a model built with waves=True")
    modules = test_module if isinstance(test_module, str) else ",".join(test_module)
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "parameters.json").write_text(json.dumps(dict(parameters or {})), encoding="utf-8")
        command = [str(model.path), *(["--trace", "--trace-file", str(waves.absolute())] if waves else [])]
        command += [f"+verilator+seed+{initial_seed}", "+verilator+rand+reset+2", f"+{_PLUSARG}={folder}"]
        environment = _environment(model.top, modules, seed, tests, folder / "results.xml")
        start = time.perf_counter()
        code, log = _execute(command, folder, environment, timeout)
        seconds = time.perf_counter() - start
        cases, error = _results(folder / "results.xml", code, timeout)
        sent = folder / "report.json"
        return Result(
            cases, error, log, json.loads(sent.read_text(encoding="utf-8")) if sent.exists() else None, seconds
        )


def parameters() -> dict[str, Any]:
    """Inside the simulator: the `parameters` that `run` was called with."""
    return json.loads((_folder() / "parameters.json").read_text(encoding="utf-8"))


def report(data: Any) -> None:
    """Inside the simulator: hand JSON-like data to the caller of `run`; the last call wins."""
    (_folder() / "report.json").write_text(json.dumps(data), encoding="utf-8")


def _folder() -> Path:
    import cocotb  # only exists as a running simulator inside one

    return Path(str(cocotb.plusargs[_PLUSARG]))


def _range(name: str, value: int, low: int) -> None:
    if not low <= value <= MAX_SEED:
        raise ValueError(f"{name} {value}: {low}..{MAX_SEED}")


def _environment(top: str, modules: str, seed: int, tests: str | None, results: Path) -> dict[str, str]:
    """The caller's environment, with cocotb's part of it replaced by ours."""
    from cocotb_tools.config import libs_dir, pygpi_entry_point

    theirs = re.compile(r"COCOTB_|GPI_|PYGPI_|TOPLEVEL|MODULE$|TESTCASE$|RANDOM_SEED$|PYTEST_CURRENT_TEST$")
    environment = {k: v for k, v in os.environ.items() if not theirs.match(k)}
    environment |= {
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": modules,
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",  # Verilator applies writes in the phase that cocotb expects
        "COCOTB_ANSI_OUTPUT": "0",
        "COCOTB_REWRITE_ASSERTION_FILES": "",  # of every module it imports, NumPy included: a second per run
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{python_library()};{pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path),
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(libs_dir)]),
    }
    if tests is not None:
        environment["COCOTB_TEST_FILTER"] = tests
    return environment


def _execute(command: list[str], folder: Path, environment: dict[str, str], timeout: float) -> tuple[int | None, str]:
    """Exit code (None after a timeout) and log; the log goes through a file, so that a killed run leaves its own."""
    with open(folder / "log", "w+", encoding="utf-8", errors="replace") as log:
        try:
            code = subprocess.run(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=timeout, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        log.seek(0)
        return code, log.read()


def _results(path: Path, code: int | None, timeout: float) -> tuple[tuple[Test, ...], str]:
    if code is None:
        return (), f"simulation killed after {timeout:g} s"
    if not path.exists():
        return (), f"simulator ended with exit code {code} and left no results"
    cases = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        message = "" if bad is None else (bad.get("error_msg") or bad.get("message") or bad.text or "failed").strip()
        name = f"{case.get('classname')}.{case.get('name')}"
        cases.append(Test(name, bad is None, message))
    return tuple(cases), f"simulator ended with exit code {code}" if code and all(c.passed for c in cases) else ""
