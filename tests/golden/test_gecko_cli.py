"""`python -m golden.gecko`: files, reports, exit statuses; and the ratio table of gecko.md 6."""

import json

import numpy as np
import pytest

from golden.gecko.__main__ import main
from golden.gecko.descriptor import Source
from golden.gecko.ratios import ROWS, qe_max_window, ratios

X = (np.random.default_rng(5).standard_normal((30, 40)) * 0.05).astype(np.float32)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("relu.npy", np.maximum(X, 0))
    return tmp_path


def test_pack_and_unpack(here, capsys):
    assert main(["pack", "x.npy", "x.gck"]) == 0
    assert main(["unpack", "x.gck", "y.npy"]) == 0
    assert (here / "y.npy").read_bytes() == (here / "x.npy").read_bytes()
    assert (here / "x.gck").stat().st_size < 0.9 * (here / "x.npy").stat().st_size
    out, err = capsys.readouterr()
    assert out == ""
    assert "x.gck" in err


def test_flags_reach_the_container(here):
    flags = ["--mode", "fixed", "--bias", "122", "--mantissa-bits", "4", "--zero-mask", "on", "--elide-sign", "auto"]
    assert main(["pack", "relu.npy", "r.gck", *flags]) == 0
    assert main(["stat", "r.gck", "--json", "-o", "r.json"]) == 0
    report = json.loads((here / "r.json").read_text())
    assert report["stored"] | {"total": 0, "file": 0} == {
        "mode": "fixed", "bias": 122, "zero_mask": True, "total": 0, "file": 0,
    }  # fmt: skip
    assert (report["mantissa_bits"], report["sign_elided"]) == (4, True)


def test_unchanged_output_keeps_its_time(here):
    main(["pack", "x.npy", "x.gck"])
    before = (here / "x.gck").stat()
    main(["pack", "x.npy", "x.gck"])
    after = (here / "x.gck").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_stat_of_both_files_tells_the_same(here, capsys):
    main(["stat", "x.npy"])
    of_npy = capsys.readouterr().out
    main(["pack", "x.npy", "x.gck"])
    main(["stat", "x.gck"])
    of_gck = capsys.readouterr().out
    assert of_gck.startswith(of_npy)
    assert "stored in" in of_gck.removeprefix(of_npy)
    assert [line.split()[0] for line in of_npy.splitlines()[2:]].count("fixed") == 4


def test_stat_of_nothing(here, capsys):
    np.save("none.npy", X[:0])
    assert main(["stat", "none.npy"]) == 0
    assert "0 values" in capsys.readouterr().out


def test_json_carries_provenance_and_no_path(here, capsys):
    assert main(["stat", str(here / "x.npy"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["provenance"]["command"] == "python -m golden.gecko stat x.npy --json"
    assert set(report["provenance"]) == {"command", "versions", "seed", "source_sha256"}
    assert str(here) not in json.dumps(report)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pack", "none.npy", "x.gck"], "none.npy: No such file"),
        (["pack", "x.npy", "x.gck", "--bias", "256"], "--bias 256: 0..255"),
        (["pack", "x.npy", "x.gck", "--mantissa-bits", "24"], "--mantissa-bits 24: 0..23"),
        (["pack", "x.npy", "x.gck", "--exponent-bits", "3"], "x.npy: value 0x"),
        (["pack", "x.npy", "x.gck", "--elide-sign", "on"], "sign bit is set"),
        (["unpack", "x.npy", "y.npy"], "x.npy: not a .gck file"),
        (["stat", "good.gck", "--bias", "1"], "give no format flags"),
        (["ratios", "--seed", "-1"], "--seed -1: 0 or more"),
        (["ratios", "--values", "1"], "--values 1: 64.."),
    ],
)
def test_user_errors_are_one_line_and_status_2(here, capsys, words, message):
    main(["pack", "x.npy", "good.gck"])
    capsys.readouterr()
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert not (here / "x.gck").exists()


@pytest.mark.parametrize("words", [["pack"], ["frob"], ["pack", "x.npy", "x.gck", "--mode", "best"]])
def test_usage_errors(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_ratios_are_those_of_the_spec(seed):
    """gecko.md 6, every figure within 0.01, and those of the zero mask (gecko.md 5)."""
    table = ratios(seed)
    assert len(table) == len(ROWS) == 17
    for row in table:
        assert abs(row["ratio"] - row["stated"]) <= 0.01, row
    gaussian = next(row for row in table if row["data"] == "gaussian")
    assert gaussian["entropy_bound"] == pytest.approx(0.317, abs=0.002)  # 2.54 bits of 8


def test_ratios_command(capsys):
    assert main(["ratios", "--values", "4096", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["values"], report["provenance"]["seed"], len(report["rows"])) == (4096, 0, 17)
    assert main(["ratios", "--values", "4096"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 18


def test_window_keeps_the_top_binades():
    bits = np.array([0x3F80, 0xBF00, 0x3E80, 0x3E00, 0, 0x8001], np.uint16)  # 2^0, -2^-1, 2^-2, 2^-3, 0, subnormal
    kept, offset = qe_max_window(bits, Source.BF16, 2)
    assert kept.tolist() == [0x3F80, 0xBF00, 0x3E80, 0, 0, 0]
    assert offset == 127 + 0 - 3
    kept, offset = qe_max_window(bits, Source.BF16, 8)
    assert (kept.tolist(), offset) == (bits.tolist(), 0)
    tiny = np.array([0x0100, 0x0080, 0x0001], np.uint16)  # fields 2, 1, 0: the window reaches below all of them
    kept, offset = qe_max_window(tiny, Source.BF16, 5)
    assert (kept.tolist(), offset) == ([0x0100, 0x0080, 0], (2 - 31) % 256)
