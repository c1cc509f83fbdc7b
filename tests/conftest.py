"""Shared by all tests: tools that are missing, and the time each room took."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_seconds: Counter[str] = Counter()
_tests: Counter[str] = Counter()


def require(tool: str, present: bool, hint: str) -> None:
    """Skip where a tool is missing, with the way to get it; in CI that is a failure."""
    if not present:
        if os.environ.get("CI"):
            pytest.fail(f"{tool} is missing: {hint}")
        pytest.skip(f"{tool} is missing: {hint}")


@pytest.fixture(scope="session")
def vectors() -> dict:
    """The specification's worked vectors."""
    return json.loads((ROOT / "tests" / "data" / "vectors.json").read_text())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    path = report.nodeid.partition("::")[0].split("/")
    room = path[1] if len(path) > 2 else "tree"
    _seconds[room] += report.duration
    _tests[room] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if hasattr(terminalreporter.config, "workerinput"):
        return
    terminalreporter.section("time per room (all workers together)")
    for room, seconds in _seconds.most_common():
        terminalreporter.write_line(f"{room:<10} {_tests[room]:>5} tests {seconds:>8.1f} s")
