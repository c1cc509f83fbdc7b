"""The tree is clean under ruff and mypy, and names no machine."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("words", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_clean(words):
    require(words[0], importlib.util.find_spec(words[0]) is not None, f'pip install "{words[0]}", or make test')
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_has_its_reason():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    requirements = [line for line in lines if line.startswith('  "') and ("==" in line or ">=" in line)]
    assert len(requirements) > 10
    assert [line for line in requirements if "# " not in line] == []
