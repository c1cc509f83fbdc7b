"""What every command line of the bench promises: help, one line for a wrong flag, exit codes, no absolute path."""

from importlib import import_module
from pathlib import Path

import pytest

import tb
from tb.command import run_command, spelt
from tb.manifest import ManifestError
from tb.toolchain import ToolMissing

ROOM = Path(tb.__file__).parent
MODULES = [
    ".".join(path.relative_to(ROOM.parent).with_suffix("").parts)
    for path in sorted(ROOM.rglob("*.py"))
    if 'if __name__ == "__main__":' in path.read_text()
]


def command(module):
    """The module's `main`; that of tb.bulk is where its checks are."""
    return import_module("tb.bulk_check" if module == "tb.bulk" else module).main


def test_the_commands_are_found():
    assert {"tb.__main__", "tb.bulk", "tb.core", "tb.floats", "tb.volume", "tb.formal.__main__"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_help_describes_every_flag(module, capsys):
    with pytest.raises(SystemExit) as stop:
        command(module)(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "--verbose" in shown
    assert f"python -m {module.removesuffix('.__main__')} " in shown


@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_flag_is_one_line_and_exit_2(module, capsys):
    assert command(module)(["x", "y", "--frobnicate"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ManifestError("x.json: no manifest"), 2, "error: x.json: no manifest\n"),
        (FileNotFoundError(2, "No such file", "x.v"), 2, "error: x.v: No such file\n"),
        (ToolMissing("no Verilator"), 3, "error: no Verilator\n"),
        (KeyError("x"), 1, "error: unexpected KeyError: 'x' (-v shows where)\n"),
    ],
)
@pytest.mark.parametrize("words", [[], ["-v"]], ids=["plain", "verbose"])
def test_exit_codes(error, code, text, words, capsys):
    def body(_):
        raise error

    assert run_command(body, words) == code
    shown = capsys.readouterr().err
    assert shown.endswith(text)
    assert ("Traceback" in shown) == bool(words)


def test_records_hold_no_absolute_path(tmp_path):
    words = ["--json", str(tmp_path / "r.json"), "--seed", "3", "a/b.json"]
    assert spelt("tb.volume", words) == "python -m tb.volume --json r.json --seed 3 a/b.json"
