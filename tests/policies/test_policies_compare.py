"""`python -m golden.compare`: a small set trained whole, gone on with after an interruption; its numbers."""

import json

import pytest

from golden import compare
from golden.compare_plan import ENTRIES, SETS, find_entries, make_config
from golden.policies import Policy, add_policy_options, policy_names, read_policy
from golden.training import run
from golden.training.config import RunConfig
from golden.training.usage import Parser

ROWS = "fp32; hbfp6; qm+qe; bitwave; boosters 1; cpt; dropback 1/5"


def go(folder, rows=ROWS):
    return compare.main(["--set", "quick", "--rows", rows, "--out", str(folder)])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    assert go(folder) == 0
    return folder


def report(folder):
    return json.loads((folder / "compare.json").read_text())["scenarios"]["mlp-digits"]["rows"]


def test_rows_say_what_happened(done, capsys):
    rows = report(done)
    assert list(rows) == ROWS.split("; ")
    assert rows["fp32"]["footprint_ratio"] == rows["fp32"]["multiply_cost"] == 1
    assert rows["fp32"]["difference_to_fp32"]["mean"] == 0
    # (36 + 36 + 36) / 3 / 1024; 6 bits and 10 per 64 elements
    assert rows["hbfp6"]["multiply_cost"] == 36 / 1024
    assert rows["hbfp6"]["footprint_ratio"] == pytest.approx(32 / (6 + 10 / 64), rel=1e-12)
    assert rows["hbfp6"]["gecko_ratio"] == rows["hbfp6"]["footprint_ratio"]
    assert rows["qm+qe"]["final_m"]["high"] <= 7
    assert rows["qm+qe"]["footprint_ratio"] > 2
    weights = rows["dropback 1/5"]["bits_per_value"]["weight"]
    assert weights == pytest.approx(32 / 5, rel=1e-3)
    text = (done / "mlp-digits" / "table.md").read_text()
    assert [line.split(" | ")[0].strip("| ") for line in text.splitlines()[4:]] == list(rows)
    assert {path.name for path in (done / "mlp-digits").glob("*.png")} == {
        "lengths-qm-qe.png",
        "bitwave.png",
        "footprint.png",
    }


def test_an_interrupted_comparison_goes_on_to_the_same_bytes(done, tmp_path, monkeypatch, capsys):
    real, count = run.Trainer.train_step, 0

    def stops(self, x, y):
        nonlocal count
        count += 1
        if count == 30:  # in the second row
            raise KeyboardInterrupt
        return real(self, x, y)

    monkeypatch.setattr(run.Trainer, "train_step", stops)
    assert go(tmp_path, "fp32; bitwave") == compare.INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    assert go(tmp_path, "fp32; bitwave") == 0
    for name in ("fp32", "bitwave"):
        for file in ("log.jsonl", "final.json"):
            mine, theirs = (f / "mlp-digits" / name / "seed-0" / file for f in (tmp_path, done))
            assert mine.read_bytes() == theirs.read_bytes()


def test_a_folder_with_other_settings_is_refused(tmp_path, capsys):
    folder = tmp_path / "mlp-digits" / "fp32" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}\n")
    assert go(tmp_path, "fp32") == 2
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "nothing"], "--rows nothing: of fp32; bf16;"),
        (["--seeds", "0"], "--seeds 0: 1..100"),
        (["--set", "all"], "--set"),
    ],
)
def test_usage_errors_are_one_line(words, message, tmp_path, capsys):
    try:
        status = compare.main(["--set", "quick", "--out", str(tmp_path), *words])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_row_is_a_legal_run(entry):
    for scenario in (scenario for listed in SETS.values() for scenario in listed):
        if entry not in find_entries(None, scenario):
            continue
        config = make_config(scenario, entry, 0, 100)
        assert RunConfig.from_dict(config.as_dict()) == config
        parser = Parser(add_help=False)
        add_policy_options(parser, policy_names(config.policy))
        words = [word for flag, value in config.policy_options for word in (f"--{flag}", value)]
        assert isinstance(read_policy(config.policy, parser.parse_args(words)), Policy)
