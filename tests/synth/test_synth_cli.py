"""`python -m synth`: records, tables, cache, exit statuses."""

import csv
import io
import json

import pytest

import synth.area
import synth.cache
from hdl.yosys import YosysTimeout
from synth.__main__ import main
from synth.check import Mismatch
from synth.flows import TARGETS

SMALL = ["--mantissa", "2", "--block", "1", "--targets", "cmos"]
PROMISED = {
    *("unit", "config", "transistors", "gate_equivalents", "cells", "flip_flops", "depth", "luts", "by_submodule"),
    *("checked_by", "engine", "script_sha256", "seconds"),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(synth.cache, "cache_folder", lambda: tmp_path / "cache")


def run(*words):
    return main([*words, "-q"])


def test_record_holds_what_is_promised(tmp_path, capsys):
    assert run(*SMALL, "--json", str(tmp_path / "a.json"), "--csv", str(tmp_path / "a.csv")) == 0
    document = json.loads((tmp_path / "a.json").read_text())
    (record,) = document["records"]
    assert record.keys() >= PROMISED
    assert record["config"]["format"] == "bfp2x1"
    assert set(record["checked_by"]) == {"cmos", "submodules"}
    assert all(method.startswith(("proof:", "bulk: 100000 vectors")) for method in record["checked_by"].values())
    assert record["script_sha256"]["cmos"] == document["scripts"]["cmos"]["sha256"] == TARGETS["cmos"].sha256
    assert record["transistors"] > record["transistors_logic"] > 0
    assert record["flip_flops"] == record["cells"]["$_DFF_P_"]
    assert {"top", "buffer", "round"} <= record["by_submodule"].keys()
    (row,) = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text()))
    assert int(row["transistors"]) == record["transistors"]
    table = capsys.readouterr().out
    assert f"{record['transistors']:,}" in table
    assert record["checked_by"]["cmos"] in table


def test_cached_record_is_the_same_and_needs_no_synthesis(tmp_path, monkeypatch):
    monkeypatch.setattr(synth.area, "check", lambda *_, **__: "proof: stub")
    assert run(*SMALL, "--json", str(tmp_path / "a.json")) == 0
    monkeypatch.setattr(synth.area, "synthesise", None)
    assert run(*SMALL, "--json", str(tmp_path / "b.json")) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_unchecked_figures_are_marked_and_not_taken_for_checked(tmp_path, capsys, monkeypatch):
    assert run(*SMALL, "--no-check") == 0
    assert "UNCHECKED" in capsys.readouterr().out
    checks = []
    monkeypatch.setattr(synth.area, "check", lambda *_, **__: checks.append(1) or "proof: stub")
    assert run(*SMALL) == 0
    assert len(checks) == 2


@pytest.mark.parametrize(
    ("tool", "error", "status"),
    [
        ("check", Mismatch("first output 3"), "mismatch: first output 3"),
        ("synthesise", YosysTimeout("stopped"), "timeout: stopped after 600 s"),
    ],
)
def test_wrong_or_missing_netlist_gives_no_figures(tool, error, status, tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(synth.area, tool, fail)
    assert run(*SMALL, "--json", str(tmp_path / "a.json")) == 3
    (record,) = json.loads((tmp_path / "a.json").read_text())["records"]
    assert record["status"] == {"cmos": status, "submodules": status}
    assert record["transistors"] is record["depth"] is record["by_submodule"] is None
    assert record["checked_by"] == {}
    assert status in capsys.readouterr().out
    assert not list(tmp_path.glob("cache/*.json"))


def test_timeout_stops_a_synthesis(capsys):
    assert run("--mantissa", "8", "--block", "64", "--targets", "cmos", "--timeout", "0.2") == 3
    assert "timeout: stopped after 0.2 s" in capsys.readouterr().out


def test_lists_are_combined(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(synth.area, "price", lambda config, *_, **__: seen.append(config.name) or {})
    monkeypatch.setattr("synth.table.render", lambda _: "")
    monkeypatch.setattr("synth.__main__._missing", lambda _: False)
    assert run("--mantissa", "4,6", "--block=16,64", "--pipeline", "1") == 0
    assert seen == ["dot_bfp_m4_b16", "dot_bfp_m4_b64", "dot_bfp_m6_b16", "dot_bfp_m6_b64"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--targets", "cmos,asic"], "--targets asic: of cmos,"),
        (["--mantissa", "4,99"], "--mantissa 99: 2..16"),
        (["--timeout", "never"], "--timeout never: seconds, above 0"),
        (["--json", "no/such/folder/a.json"], "--json no/such/folder/a.json: a file in an existing folder"),
        (["--unit", "gpu"], "--unit gpu: one of"),
    ],
)
def test_wrong_options_are_named_in_one_line(words, message, capsys):
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
