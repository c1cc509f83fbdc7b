"""The table of formats: which records meet in a row, and which do not."""

import json

import pytest

from hdl.cli import Parser, add_unit_options, read_config
from hdl.registry import make_config
from tb.configurations import configurations
from tb.formats_table import join, main, markdown

CONFIG = make_config("dot", format="mxfp4")


def tb(**changes):
    points = {"every element code of a beside fixed partners": 3, "every element code of b beside fixed partners": 1}
    points |= {"every exponent of a": 2, "poison in a": 7, "overflows to +Inf": "needs exponents above FP32's range"}
    entry = {"config": CONFIG.to_dict(), "unit_sha256": "aa", "vectors": 900, "passed": True, "testpoints": points}
    return {"schema": "narrowgauge-tb-1", "versions": {"numpy": "2"}, "configurations": [entry | changes]}


def volume(**changes):
    entry = {"config": CONFIG.to_dict(), "unit_sha256": "aa", "vectors": 1_000_000, "passed": True}
    return {"schema": "narrowgauge-volume-1", "versions": {"numpy": "2"}, "jobs": [entry | changes]}


def area(**changes):
    entry = {"config": CONFIG.to_dict(), "verilog_sha256": "aa", "transistors": 12345, "depth": 67}
    return {"schema": "narrowgauge-area-1", "versions": {}, "records": [entry | changes]}


def row(records, digests=None):
    (found,) = [row for row in join(records, digests) if row.name == "dot_mxfp4"]
    return found


def test_records_of_one_verilog_make_a_row():
    found = row([tb(), volume(), volume(vectors=8000), area()])
    assert (found.stalled, found.bulk, found.transistors, found.depth, found.latency) == (900, 1_008_000, 12345, 67, 2)
    assert found.points == 4
    line = "| `--format mxfp4` | element code of a, b, exponent of a | 4 | 900 | 1,008,000 | 12,345 | 67 | 2 |"
    assert line in markdown([found]).splitlines()


def test_figures_of_other_verilog_stay_out():
    found = row([tb(), volume(unit_sha256="bb"), area(verilog_sha256="bb")])
    assert (found.stalled, found.bulk, found.transistors) == (900, None, None)
    found = row([tb(), volume(unit_sha256="bb"), area(verilog_sha256="bb")], {CONFIG: "bb"})
    assert (found.stalled, found.bulk, found.transistors) == (None, 1_000_000, 12345)


def test_a_failure_shows_and_fails_the_command(tmp_path, capsys):
    files = {"tb.json": tb(), "volume.json": volume(passed=False), "area.json": area()}
    for name, record in files.items():
        (tmp_path / name).write_text(json.dumps(record))
    page, data = tmp_path / "table.md", tmp_path / "table.json"
    words = [*(str(tmp_path / name) for name in files), "-o", str(page), "--json", str(data)]
    assert main(words) == 1
    assert "failed: dot_mxfp4" in capsys.readouterr().err
    assert "| **FAILED** `--format mxfp4` |" in page.read_text()
    made = json.loads(data.read_text())
    assert [entry["name"] for entry in made["rows"] if entry["failed"]] == ["dot_mxfp4"]
    assert len(made["rows"]) == len(configurations("formats"))
    assert len(made["sources"]) == 3


@pytest.mark.parametrize("text", ["{", '{"schema": "other"}'])
def test_what_is_no_record_is_refused(text, tmp_path, capsys):
    (tmp_path / "x.json").write_text(text)
    assert main([str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def parsed(words):
    parser = Parser()
    add_unit_options(parser, words)
    return read_config(parser.parse_args(words))


def test_rows_without_an_area_are_listed_as_options_of_synth(tmp_path, capsys):
    """One line each that prices the row; the one that has an area is left out."""
    files = [tmp_path / "tb.json", tmp_path / "area.json"]
    for file, record in zip(files, (tb(), area()), strict=True):
        file.write_text(json.dumps(record))
    assert main([*map(str, files), "--unpriced"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "--unit dot --format mxfp4" not in lines
    assert "--unit quantize --format mxfp4" in lines
    listed = [parsed(line.split()) for line in lines]
    assert {*listed, CONFIG} == set(configurations("formats"))
