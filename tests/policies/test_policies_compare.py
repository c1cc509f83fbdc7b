"""`python -m golden.compare`: a small set trained whole, gone on with after an interruption; its numbers."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golden.command import Parser
from golden.compare import __main__ as compare
from golden.compare import grid
from golden.compare.entries import ENTRIES, Entry
from golden.compare.plan import SETS, Scenario, find_entries, make_config
from golden.compare.rows import row_of, run_facts, stage_starts, table
from golden.compare.runs import Job, plan
from golden.compare.summary import summary
from golden.policies import Policy, add_policy_options, policy_names, read_policy
from golden.training import run
from golden.training.config import RunConfig

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
    for row in rows.values():
        share, bits = row["share_of_weights"], row["bits_per_value"]
        whole = share * bits["weight"] + (1 - share) * bits["activation"]
        assert whole == pytest.approx(32 / row["footprint_ratio"], rel=1e-9)
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
    assert_same_runs(tmp_path, done, ("fp32", "bitwave"))


def assert_same_runs(mine, theirs, names):
    for name in names:
        for file in ("log.jsonl", "final.json"):
            one, other = (folder / "mlp-digits" / name / "seed-0" / file for folder in (mine, theirs))
            assert one.read_bytes() == other.read_bytes()


def test_two_at_a_time_stopped_from_outside_and_gone_on_with(done, tmp_path):
    """SIGTERM: both runs under way are saved, no process stays; what goes on afterwards ends in the same bytes."""
    words = [sys.executable, "-m", "golden.compare", "--set", "quick", "--rows", "fp32; bitwave", "-j", "2"]
    root = Path(compare.__file__).parents[2]
    process = subprocess.Popen([*words, "--out", str(tmp_path)], cwd=root, stderr=subprocess.PIPE, text=True)
    logs = [tmp_path / "mlp-digits" / name / "seed-0" / "log.jsonl" for name in ("fp32", "bitwave")]
    while process.poll() is None and not any(log.exists() and log.stat().st_size for log in logs):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1]  # ends when the last worker has closed it too
    assert process.returncode == compare.INTERRUPTED, error
    assert "the same command goes on" in error
    assert any(log.with_name("checkpoint.npz").exists() for log in logs)
    assert not all(log.with_name("final.json").exists() for log in logs)
    assert go(tmp_path, "fp32; bitwave") == 0
    assert_same_runs(tmp_path, done, ("fp32", "bitwave"))


PAIR = [
    Entry(name="pfq", policy="pfq"),
    Entry(name="control", policy="pfq", control_of="pfq"),
    Entry(name="fp32", policy="fp32"),
]
FIRST = Scenario(model="mlp", data="digits", epochs=4, seeds=3, seconds=60, entries=PAIR)
SECOND = Scenario(model="lenet5", data="digits", epochs=4, seeds=1, seconds=30, entries=PAIR[2:], search=True)


def test_runs_go_seed_by_seed_and_controls_last():
    jobs = [(job.scenario.model, job.entry.name, job.seed) for job in plan([FIRST, SECOND], None, None)]
    assert jobs == [
        *[("mlp", "pfq", 0), ("mlp", "fp32", 0), ("lenet5", "fp32", 100)],
        *[("mlp", "pfq", 1), ("mlp", "fp32", 1), ("mlp", "pfq", 2), ("mlp", "fp32", 2)],
        *[("mlp", "control", 0), ("mlp", "control", 1), ("mlp", "control", 2)],
    ]
    assert [job.seed for job in plan([SECOND], None, 2)] == [100, 101]
    assert compare.estimate(plan([FIRST, SECOND], None, None)).splitlines() == [
        "mlp-digits, 4 epochs, 3 seeds: 9 runs, 9 core-minutes",
        "lenet5-digits, 4 epochs, 1 seeds: 1 runs, 0 core-minutes",
        "all: 10 runs, about 10 core-minutes",
    ]
    with pytest.raises(compare.ConfigError, match="--rows control: needs pfq as well"):
        plan([FIRST], "control", None)


def finished(folder, job, accuracy, stages=(0, 0, 1, 3), val_accuracy=(0.5, 0.9, 0.8, 0.7), **more):
    """The files of a run that has been done: what `run_facts` reads."""
    where = job.folder(folder)
    where.mkdir(parents=True)
    facts = {"config": {"seed": job.seed, "policy_options": {}}, "diverged_at_step": None}
    facts |= {"test_accuracy": accuracy, "test_loss": 1.5, "val_accuracy": val_accuracy[-1], "val_loss": 2.5}
    facts["footprint"] = {"weights": {"values_per_step": 1}, "total": {"values_per_step": 4}}
    (where / "final.json").write_text(json.dumps(facts))
    report = {"footprint_ratio": 2.0, "gecko_ratio": 4.0, "gecko_bits_per_value": 8.0, "final_bits_per_value": 16.0}
    report |= {"bits_per_value": {"weight": 16.0, "activation": 16.0, "total": 16.0}} | more
    lines = [
        {"epoch": epoch, "val_accuracy": val, "policy": report | {"stage": stage, "multiply_cost": 0.1 * epoch}}
        for epoch, (val, stage) in enumerate(zip(val_accuracy, stages, strict=True), start=1)
    ]
    (where / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def job(name, seed, scenario=FIRST):
    entry = next(entry for entry in scenario.entries if entry.name == name)
    return Job(scenario=scenario, entry=entry, seed=seed, seeds=scenario.seeds)


def test_a_table_has_the_seeds_that_all_rows_have(tmp_path):
    tables = compare.Tables(plan([FIRST], None, None), tmp_path, "test")
    steps = [("fp32", 0, {}), ("pfq", 1, {}), ("pfq", 0, {"pfq": [0], "fp32": [0]})]
    both = {"pfq": [0, 1], "fp32": [0, 1]}
    steps += [("fp32", 1, both), ("pfq", 2, both), ("fp32", 2, whole := {"pfq": [0, 1, 2], "fp32": [0, 1, 2]})]
    steps += [("control", 1, whole), ("control", 0, whole)]
    steps += [("control", 2, {"pfq": [0, 1, 2], "control": [0, 1, 2], "fp32": [0, 1, 2]})]
    file = tmp_path / FIRST.name / "table.md"
    for name, seed, expected in steps:
        finished(tmp_path, job(name, seed), 0.9)
        tables.finished(job(name, seed))
        rows = tables.rows(FIRST)
        assert {row: [one.seed for one in jobs] for row, jobs in rows.items()} == expected
        assert list(rows) == list(expected)
        assert file.exists() == bool(expected)
        if expected:
            assert f"seeds {', '.join(map(str, expected['fp32']))}\n" in file.read_text()
            assert [line.split()[1] for line in file.read_text().splitlines()[4:]] == list(expected)


def test_differences_pair_equal_seeds(tmp_path):
    """Rows against FP32 of the same seed, whatever order the runs come in: +1, +3, -4 points, mean 0."""
    for seed, (base, other) in enumerate([(0.5, 0.51), (0.6, 0.63), (0.7, 0.66)]):
        finished(tmp_path, job("fp32", seed), base)
        finished(tmp_path, job("pfq", seed), other)
    fp32, pfq = ([run_facts(job(name, seed).folder(tmp_path)) for seed in range(3)] for name in ("fp32", "pfq"))
    found = row_of(pfq, fp32[::-1])["difference_to_fp32"]
    # deviation 3.606, t(2) = 4.303: +-8.957 points
    assert [100 * found[part] for part in ("mean", "low", "high")] == pytest.approx([0, -8.957, 8.957], abs=2e-3)
    assert "+0.00 [-9.0, +9.0] undecided |" in table({"pfq": row_of(pfq, fp32)})
    one = row_of(pfq[:1], fp32)
    assert one["difference_to_fp32"] == {"n": 1, "mean": pytest.approx(0.01), "margin": 0.01, "verdict": "undecided"}
    assert "| +1.00 |" in table({"pfq": one})


def test_a_search_looks_at_the_validation_part_only(tmp_path):
    scenario = Scenario(model="mlp", data="digits", epochs=4, seeds=1, seconds=1, entries=PAIR[2:], search=True)
    one = Job(scenario=scenario, entry=PAIR[2], seed=100, seeds=1)
    finished(tmp_path, one, 0.123)
    text = compare.Tables([one], tmp_path, "test").write(scenario)
    assert "| validation accuracy % (range) |" in text
    assert "| fp32 | 70.00 (70.0..70.0) |" in text
    assert "12.3" not in text
    assert "test" not in (tmp_path / "compare.json").read_text().partition("scenarios")[2]


def test_scenarios_side_by_side(tmp_path):
    """A row that one of them lacks, a lone seed, a diverged row; searches stay out."""
    other = Scenario(model="lenet300", data="digits", epochs=4, seeds=1, seconds=30, entries=PAIR[::2])
    for seed, gain in enumerate((0.01, 0.012, 0.014)):
        finished(tmp_path, job("fp32", seed), 0.5)
        finished(tmp_path, job("pfq", seed), 0.5 + gain)
        finished(tmp_path, job("control", seed), 0.5)
    finished(tmp_path, job("fp32", 0, other), 0.25)
    finished(tmp_path, job("pfq", 0, other), 0.2)
    finished(tmp_path, Job(scenario=SECOND, entry=PAIR[2], seed=100, seeds=1), 0.9)
    tables = compare.Tables(plan([FIRST, other, SECOND], None, None), tmp_path, "test")
    tables.write(FIRST)
    assert tables.write_summary() == "", "nothing to put beside it"
    tables.write(other)
    tables.write(SECOND)
    expected = [
        "| policy | mlp-digits | lenet300-digits |",
        "|---|---|---|",
        "| pfq | +1.20 same, 4.00x | -5.00, 4.00x |",
        "| control | +0.00 same, 4.00x |  |",
        "| fp32 | 50.00 % | 25.00 % |",
    ]
    assert tables.write_summary().splitlines() == expected
    assert (tmp_path / "summary.md").read_text().splitlines() == expected
    assert (tmp_path / "summary.png").stat().st_size > 10_000
    assert "| diverged |" in summary({"a": {"fast": {"diverged": 1}}})


def test_the_ablation_is_a_grid_of_its_rows(tmp_path, monkeypatch):
    def row(points, cost):
        return {"difference_to_fp32": {"mean": points / 100}, "multiply_cost": cost}

    rows = {"fp32": row(0, 1.0), "static 8/8": row(0, 0.5), "pfq 0.05 0.3": row(-0.4, 0.25), "pfq 0.1 1": row(0.3, 0.6)}
    written = []
    monkeypatch.setattr(grid, "_draw_panel", lambda axes, title, values: written.append(values))
    assert grid.draw_grid(tmp_path / "grid.png", rows)
    assert written == [
        {(0.05, 0.3): pytest.approx(-0.4), (0.1, 1.0): pytest.approx(0.3)},
        {(0.05, 0.3): pytest.approx(-50), (0.1, 1.0): pytest.approx(20)},
    ]
    monkeypatch.undo()
    assert grid.draw_grid(tmp_path / "grid.png", rows)
    assert (tmp_path / "grid.png").stat().st_size > 5000
    assert not grid.draw_grid(tmp_path / "none.png", {"fp32": rows["fp32"], "pfq": rows["static 8/8"]})


def test_perplexity_of_text_is_that_of_its_loss(tmp_path):
    finished(tmp_path, job("fp32", 0), 0.5)
    row = row_of([run_facts(job("fp32", 0).folder(tmp_path))], None)
    assert "| 4.482 |" in table({"fp32": row}, perplexity=True)  # e^1.5


def test_last_lengths_are_those_of_all_tensors_and_seeds(tmp_path):
    finished(tmp_path, job("pfq", 0), 0.5, lengths={"a/weight/m": 1.0, "a/activation/m": 2.0, "a/weight/k": 3.0})
    finished(tmp_path, job("pfq", 1), 0.5, lengths={"a/weight/m": 7.0, "a/activation/m": 2.0, "a/weight/k": 4.0})
    row = row_of([run_facts(job("pfq", seed).folder(tmp_path)) for seed in range(2)], None)
    assert row["final_m"] == {"low": 1, "mean": 3, "high": 7}
    assert row["final_k"] == {"low": 3, "mean": 3.5, "high": 4}
    assert table({"pfq": row}).endswith("| 1..7, mean 3.0 | 3..4, mean 3.5 |")


def test_cost_to_best_is_that_of_the_epochs_before_it_over_the_whole_run_in_fp32(tmp_path):
    """Best validation in the second of four epochs; the mean cost until then was 0.2: 0.2 * 2 / 4."""
    finished(tmp_path, job("pfq", 0), 0.5)
    row = row_of([run_facts(job("pfq", 0).folder(tmp_path))], None)
    assert row["multiply_cost"] == pytest.approx(0.4)
    assert row["multiply_cost_to_best"] == pytest.approx(0.1)


def test_a_control_has_the_mean_stages_of_its_row(tmp_path):
    """Logs say the stage after an epoch as it was in it: a stage seen first in entry e begins at epoch e."""
    for seed, stages in enumerate([(0, 1, 1, 2), (0, 0, 0, 1), (0, 1, 2, 3)]):
        finished(tmp_path, job("pfq", seed), 0.5, stages)
    runs = [run_facts(job("pfq", seed).folder(tmp_path)) for seed in range(3)]
    # first epochs of stage 1: 1, 3, 1; of 2: 3, never (4), 2; of 3: never, never, 3
    assert stage_starts(runs) == [2, 3, 4]
    config = make_config(FIRST, PAIR[1], 5, 10, stage_starts(runs))
    assert dict(config.policy_options) == {"pfq-schedule": "2,3,4"}
    assert (config.seed, config.epochs) == (5, 4)


def test_lengths_learn_at_one_rate_whatever_the_weights_do():
    """Rate 20 in 480 steps: over the weights' 0.02 it is 1000; in twice the steps half, with DropBack's 0.2 a tenth."""
    rows = {entry.name: entry for entry in ENTRIES}
    digits = SETS["digits"][0]
    options = [dict(make_config(digits, rows[name], 0, 16).policy_options) for name in ("qm", "dropback 1/5 + qm+qe")]
    assert float(options[0]["qm-lr"]) == pytest.approx(1000)
    assert float(options[1]["qm-qe-lr"]) == pytest.approx(100)
    assert float(options[0]["qm-max-step"]) == pytest.approx(20 / 480)
    longer = dict(make_config(digits, rows["qm"], 0, 32).policy_options)
    assert float(longer["qm-lr"]) == pytest.approx(500)
    assert float(longer["qm-max-step"]) == pytest.approx(20 / 960)


def test_rows_that_set_the_optimiser_are_not_for_adamw():
    names = [entry.name for entry in find_entries(None, SETS["full"][3])]
    assert not any("dropback" in name or "momentum" in name or name in ("dfq", "fractrain", "fp16") for name in names)
    assert {"fp32", "qm+qe", "pfq", "cpt"} <= set(names)


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
        (["-j", "0"], "--jobs 0: 1..256"),
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
