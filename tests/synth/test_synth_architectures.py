"""The measurement that the default architecture of dot products rests on, and the page that shows it."""

import json
import re
from pathlib import Path

import pytest

from hdl.units.dot import DotConfig
from synth.architectures import OPERANDS, main

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
ROW = re.compile(r"^\| (.+) \| ([\d,]+) \| \d+ \| ([\d,]+) \| \d+ \| [\d.]+ \| (\w+) \|$", re.MULTILINE)


def test_both_architectures_are_priced_as_complete_units(tmp_path, capsys):
    record = tmp_path / "architectures.json"
    assert (
        main(["--only", "bfp2x4", "--only", "mx4", "--json", str(record), "--plot", str(tmp_path / "plot.svg"), "-q"])
        == 0
    )
    captured = capsys.readouterr()
    assert captured.err == ""
    found, other = json.loads(record.read_text())["records"]
    plain, tree = (found[arch]["transistors_logic"] for arch in ("plain", "area"))
    assert f"| bfp2x4 | {plain:,} | " in captured.out
    assert f"| {tree:,} | " in captured.out
    assert found["units"]["plain"]["command"].endswith("--format bfp2x4 --arch plain")
    assert found["units"]["area"]["command"].endswith("--format bfp2x4")  # the default
    assert other["units"]["plain"]["command"].endswith("--format mx4")
    assert {row[0]: row[3] for row in ROW.findall(captured.out)} == {"bfp2x4": "area", "mx4": "plain"}
    assert "bfp2x4" in (tmp_path / "plot.svg").read_text()


def test_page_shows_every_pair_and_a_default_that_is_no_worse_than_the_mapper_scatters():
    rows = {
        name: (int(plain.replace(",", "")), int(tree.replace(",", "")), default)
        for name, plain, tree, default in ROW.findall(PAGE.read_text())
    }
    assert rows.keys() == OPERANDS.keys()
    for name, (plain, tree, default) in rows.items():
        a, b = OPERANDS[name]
        assert DotConfig(format=a, format_b=b).arch == default, name
        chosen, other = (tree, plain) if default == "area" else (plain, tree)
        assert chosen <= 1.025 * other, name


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--only", "mx5"], "--only mx5: one of mx9, "),
        (["--only", "mx4", "--docs", "README.md"], "--docs: not together with --only"),
        (["--timeout", "0"], "--timeout 0: seconds, above 0"),
    ],
)
def test_wrong_options(words, text, capsys):
    assert main(words) == 2
    assert text in capsys.readouterr().err


def test_plot_without_matplotlib_is_known_before_anything_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--plot", str(tmp_path / "plot.svg")]) == 3
    assert (
        capsys.readouterr().err
        == "error: matplotlib is not installed; install it with: pip install 'matplotlib>=3.9'\n"
    )
