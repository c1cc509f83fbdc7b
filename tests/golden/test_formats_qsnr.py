"""The QSNR command: formats.md 2.4 within 0.1 dB, the papers' deltas, the bound of 2.3, and the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden_support import DATA

import golden
from golden.catalog import get_format, microexponents
from golden.noise import CASES, DELTAS, bound, qsnr, samples
from golden.qsnr import main

ROOT = DATA.parent.parent
VECTORS = 300  # a mean over so many strays by 0.03 dB


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qsnr")
    names = [folder / name for name in ("table.txt", "figures.json", "plot.svg")]
    flags = zip(("-o", "--json", "--plot"), map(str, names), strict=True)
    assert main(["--vectors", str(VECTORS), *(word for flag in flags for word in flag)]) == 0
    return [name.read_text() for name in names]


def test_table_of_the_specification(report):
    """Every entry of formats.md 2.4 is there and within 0.1 dB."""
    rows = json.loads(report[1])["qsnr"]
    differences = {row["format"]: abs(row["qsnr_db"] - row["expected_db"]) for row in rows if "expected_db" in row}
    assert len(differences) == 22
    assert {name: d for name, d in differences.items() if d >= 0.1} == {}


def test_deltas_of_the_papers(report):
    """Ours beside theirs, in the JSON and in the table; the microexponent paper's within 1 dB."""
    deltas = {row["delta"]: row for row in json.loads(report[1])["deltas"]}
    for delta in DELTAS:
        row = deltas[delta.name]
        assert row["paper_db"] == delta.paper
        assert abs(row["ours_db"] - row["paper_db"]) < 1
        (line,) = [line for line in report[0].splitlines() if line.startswith(delta.name)]
        assert line.split()[-2:] == [f"{row['ours_db']:.2f}", f"{row['paper_db']:.1f}"]
    assert abs(deltas["MSFP per mantissa bit"]["ours_db"] - 20 * np.log10(2)) < 0.05


def test_json_says_what_made_it_and_nothing_of_where(report):
    provenance = json.loads(report[1])["provenance"]
    assert provenance["command"] == f"python -m golden.qsnr --vectors {VECTORS} --seed 0"
    assert (provenance["seed"], len(provenance["source_sha256"])) == (0, 64)
    assert str(Path.cwd()) not in report[1]


def test_plot_names_every_nearest_case_and_no_date(report):
    shown = [case.name.removesuffix(" vector scale") for case in CASES if not case.name.endswith("rtz")]
    assert all(f"<!-- {name} -->" in report[2] for name in shown)
    assert "dc:date" not in report[2]


def test_same_seed_same_figures_and_other_seed_others(capsys):
    outputs = []
    for seed in ("3", "3", "4"):
        assert main(["--vectors", "2", "--seed", seed]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]


def test_samples_come_in_chunks_of_the_right_spread():
    chunks = list(samples(260, 1))
    assert [chunk.shape for chunk in chunks] == [(250, 1024), (10, 1024)]
    deviations = chunks[0].std(axis=1)
    assert 0.7 < np.mean(deviations) < 0.9  # the mean of |N(0, 1)| is 0.798
    assert deviations.min() < 0.05 < 2 < deviations.max()


def test_qsnr_by_hand():
    x = np.array([[3.0, 4.0], [1.0, 0.0]], np.float32)
    assert qsnr(x, np.array([[3.0, 4.5], [0.5, 0.0]], np.float32)).tolist() == pytest.approx([20, 6.0206], abs=1e-4)


@pytest.mark.parametrize(("name", "decibels"), [("mx9", 34.74), ("mx6", 16.68), ("mx4", 4.64), ("msfp16", 30.10)])
def test_published_bounds(name, decibels):
    assert bound(get_format(name)) == pytest.approx(decibels, abs=0.006)


def test_minifloats_have_no_bound():
    assert bound(get_format("mxfp8")) is None


@pytest.mark.parametrize(
    "fmt", [get_format("mx9"), get_format("mx4"), get_format("msfp12"), microexponents(3, 32, 4, 8, 2)]
)
def test_blocks_without_clipping_keep_the_bound(fmt):
    """formats.md 2.3, on single blocks: Gaussian ones, and one large element above many of the worst remainder."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((4000, fmt.block)).astype(np.float32)
    x[2000:, 1:] = np.float32(2.0**-fmt.element.precision * 0.999)
    x[2000:, 0] = rng.uniform(1, 1.9, 2000)
    q = golden.quantize(x, fmt)
    shifts = 0 if q.microexponents is None else q.microexponents[:, 0].repeat(fmt.subblock, axis=-1)
    unit = 2.0 ** (q.exponents - shifts + fmt.element.lsb_exponent)
    clipped = (np.abs(x) / unit > fmt.element.max_integer + 0.5).any(axis=1)
    assert 0 < clipped.sum() < 2000
    with np.errstate(divide="ignore"):
        decibels = qsnr(x, q.dequantize())[~clipped]
    assert decibels.min() >= bound(fmt, fmt.block)
    assert decibels.min() < bound(fmt, fmt.block) + 8  # the bound is not idle


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vectors", "0"], "--vectors 0: 1..1000000"),
        (["--vectors", "many"], "--vectors: invalid int value"),
        (["--seed", "-1"], "--seed -1: not negative"),
        (["--plot", "x.jpg"], "--plot x.jpg: a name that ends in .svg or .png"),
        (["--vectors", "1", "--json", "/no/such/folder/x"], "No such file"),
    ],
)
def test_usage_errors_are_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        raise SystemExit(main(arguments))
    output = capsys.readouterr()
    assert (error.value.code, output.out) == (2, "")
    assert output.err.count("\n") == 1
    assert message in output.err


def test_without_matplotlib_the_hint_comes_first(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "golden.qsnr_plot", raising=False)
    assert main(["--plot", "x.png"]) == 3
    assert "pip install matplotlib" in capsys.readouterr().err


def test_module_runs_and_reports_progress():
    done = subprocess.run(
        [sys.executable, "-m", "golden.qsnr", "--vectors", "1"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("format")
    assert done.stderr == ""
