"""What the README shows is what the commands print; every command but the test command runs here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hdl.markdown import unit_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = command.split()
    if words[0] == "python":
        words[0] = sys.executable
    if words[0] == "make":
        # The environment that runs this test is the one that `make` would set up; do not make another.
        (Path(sys.prefix) / ".installed").touch()
        words += ["--directory", str(ROOT), f"VENV={sys.prefix}"]
    return execute(words, folder)


def execute(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "make test"])
def test_readme_command_works(command, tmp_path):
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_readme_shows_both_set_up_commands():
    assert COMMANDS[:2] == ["make", "make test"]


def test_shown_output_is_real(tmp_path):
    shown = re.findall(r"<!-- output: (.*?) -->\n```text\n(.*?)```\n<!-- end -->", README, re.S)
    assert shown
    for command, text in shown:
        done = run(command, tmp_path)
        assert done.stdout + done.stderr == text


def test_python_example_runs(tmp_path):
    (code,) = re.findall(r"<!-- python -->\n```python\n(.*?)```", README, re.S)
    done = execute([sys.executable, "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr


def test_unit_table_is_the_registry():
    (table,) = re.findall(r"<!-- units -->\n(.*?)\n<!-- end -->", README, re.S)
    assert table == unit_table()


def test_every_linked_file_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
