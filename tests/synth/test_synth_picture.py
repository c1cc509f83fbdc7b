"""The accuracy-area picture takes its points from checked records alone."""

import json

import pytest

from hdl.registry import make_config
from synth.picture import main, points

NOISE = {"qsnr": [{"format": "bfp4x16", "qsnr_db": 18.9}, {"format": "mxfp4", "qsnr_db": 18.7}]}


def record(name, **changes):
    config = make_config("dot", format=name).to_dict()
    facts = {"unit": "dot", "transistors": 16_000, "checked_by": {"cmos": "bulk"}, "config": config}
    return facts | changes


def test_points_are_transistors_per_multiply_accumulate():
    found = points(NOISE, [record("bfp4x16"), record("mxfp4")])
    assert found == [("BFP", "bfp4x16", 1000.0, 18.9), ("OCP MX", "mxfp4", 500.0, 18.7)]


@pytest.mark.parametrize(
    "left_out",
    [
        record("bfp4x16", checked_by={}),
        record("bfp4x16", transistors=None),
        record("bfp4x16", unit="tile"),
        record("bfp6x16"),
        record("bfp4x16", config=make_config("dot", format="bfp4x16", format_b="bfp6x16").to_dict()),
        record("bfp4x16", config=make_config("dot", format="bfp4x16", accumulate="fp32").to_dict()),
        record("bfp4x16", config=make_config("dot", format="bfp4x16", arch="plain").to_dict()),
    ],
)
def test_other_records_are_left_out(left_out):
    assert points(NOISE, [left_out]) == []


def test_equal_files_give_equal_pictures(tmp_path, capsys):
    (tmp_path / "q.json").write_text(json.dumps(NOISE))
    (tmp_path / "a.json").write_text(json.dumps({"records": [record("bfp4x16"), record("mxfp4")]}))
    pictures = []
    for name in ("one.svg", "two.svg"):
        assert main([str(tmp_path / "q.json"), str(tmp_path / "a.json"), "-o", str(tmp_path / name)]) == 0
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert b"<svg" in pictures[0]
    assert "2 formats" in capsys.readouterr().err
    assert main([str(tmp_path / "q.json"), str(tmp_path / "a.json"), "-o", str(tmp_path / "one.svg"), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_wrong_files_are_one_line(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main([str(tmp_path / "x.json"), str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([str(tmp_path / "x.json"), str(tmp_path / "none.json")]) == 2
    assert "none.json: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "family"), [("nvfp4", "NVFP4"), ("bm_e2m1x48", "block minifloat"), ("mx4", "shared")])
def test_every_family_has_a_name(name, family):
    ((label, *_),) = points({"qsnr": [{"format": name, "qsnr_db": 1.0}]}, [record(name)])
    assert label.startswith(family)
