"""The studies: their definitions against the specification, and each command end to end on a tiny scale."""

import json

import numpy as np
import pytest
from training_support import quick, run

from golden.command import command_line
from golden.data import load
from golden.nn.precision import Operand, Order
from golden.policies.bitwave import BitChop, BitWave
from golden.policies.quantum import QuantumBoth
from golden.study import report
from golden.study.__main__ import main
from golden.study.landscape import direction, landscape
from golden.study.playback import pull_alone, under_losses
from golden.study.wasserstein import converted_weight, distance, weight_distances
from golden.training.config import RunConfig
from golden.training.log import read_log
from golden.training.loop import Trainer
from golden.training.plots import figure
from golden.training.progress import Progress


@pytest.fixture(scope="module")
def trainer():
    return Trainer(RunConfig(model="lenet5", data="digits", format="fp32"), load("digits"))


def test_distance_is_the_specification_s_vector(vectors):
    """formats.md 1.9: the vector of 1.7 under rule A with m = 3."""
    x = np.array([1.0, -0.75, 0.5, 0.3, -0.1, 0.0625, 0.015625, 0], np.float32)
    q = converted_weight(x[:, None], Operand.named("bfp4x8", scale_rule="emulator"), Order.CHANNEL)
    assert distance(x, q) == pytest.approx(0.0347656263, abs=1e-10)
    assert distance(x, x[::-1]) == 0
    with pytest.raises(ValueError, match="8 and 7 values"):
        distance(x, q[1:])


def test_converted_weights_share_exponents_as_the_order_says():
    """One large value in a small weight: what shares its exponent is flushed, all else stays."""
    w = np.full((3, 3, 4, 5), 1.0, np.float32)
    w[1, 1, 2, 3] = 2.0**12
    operand = Operand.named("hbfp4")
    flushed = {order: converted_weight(w, operand, order) == 0 for order in (Order.CHANNEL, Order.IM2COL, Order.TILE2D)}
    assert flushed[Order.CHANNEL].sum() == 3
    assert flushed[Order.CHANNEL][1, 1, :, 3].sum() == 3
    assert flushed[Order.IM2COL].sum() == 35
    assert flushed[Order.IM2COL][:, 3].sum() == 35
    # unfolded (36, 5): row 2 * 9 + 4 = 22 lies in the third row of 8 x 8 tiles, which is 8 x 5
    assert flushed[Order.TILE2D].sum() == 39
    assert flushed[Order.TILE2D].reshape(36, 5)[16:24].sum() == 39


def test_coarser_formats_are_further(trainer):
    operands = {name: Operand.named(name) for name in ("hbfp8x16", "hbfp6x16", "hbfp4x16", "hbfp4x576")}
    for row in weight_distances(trainer.model, operands, Order.IM2COL).values():
        assert row["hbfp8x16"] < row["hbfp6x16"] < row["hbfp4x16"] <= row["hbfp4x576"]


def test_direction_is_filter_normalised(trainer):
    moves = direction(trainer.model, 3)
    for parameter in trainer.model.parameters():
        w, d = parameter.value, moves[parameter.name]
        if w.ndim < 2:
            assert not d.any()
            continue
        for one, other in zip(w.reshape(-1, w.shape[-1]).T, d.reshape(-1, w.shape[-1]).T, strict=True):
            assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(one), rel=1e-5)
    again = direction(trainer.model, 3)
    assert all((moves[name] == again[name]).all() for name in moves)


def test_landscape_is_the_loss_along_the_line_and_leaves_the_weights(trainer):
    before, moves = trainer.weights_sha256(), direction(trainer.model, 0)
    losses = landscape(trainer, moves, np.array([-0.5, 0.0, 1.0]), Progress(3))
    assert trainer.weights_sha256() == before
    assert losses[1] == trainer.evaluate(trainer.data.validation).loss
    for parameter in trainer.model.parameters():
        parameter.value += moves[parameter.name]
    assert losses[2] == trainer.evaluate(trainer.data.validation).loss
    for parameter in trainer.model.parameters():
        parameter.value -= moves[parameter.name]


def test_table1_end_to_end(tmp_path, capsys):
    """Stopped after some runs it goes on, and the report is that of an uninterrupted study."""
    argv = ["table1", "--models", "mlp", "--data", "digits", "--formats", "hbfp4", "hbfp8", "--blocks", "16", "64"]
    argv += ["--epochs", "1", "--seeds", "2"]
    assert main([*argv, "--out", str(tmp_path / "a")]) == 0
    runs = {path.name: path.read_bytes() for path in (tmp_path / "a").glob("mlp-*.json")}
    assert len(runs) == 2 * (1 + 4)
    for name in list(runs)[::2]:
        (tmp_path / "a" / name).unlink()
    assert main([*argv, "--report-only", "--out", str(tmp_path / "a")]) == 0
    assert len(list((tmp_path / "a").glob("mlp-*.json"))) == 5
    capsys.readouterr()
    assert main([*argv, "--out", str(tmp_path / "a")]) == 0
    captured = capsys.readouterr()
    assert "10 runs, 5 of them done before" in captured.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").glob("mlp-*.json")} == runs
    assert "| hbfp4 |" in captured.out
    table = json.loads((tmp_path / "a" / "table1.json").read_text())["tables"][0]
    plain = [json.loads(runs[f"mlp-digits-fp32-channel-e1-s{seed}.json"])["test_accuracy"] for seed in (0, 1)]
    for row in table["rows"]:
        name = f"mlp-digits-{row['format']}x{row['block']}-channel-e1-s{{}}.json"
        own = [json.loads(runs[name.format(seed)])["test_accuracy"] for seed in (0, 1)]
        assert row["test_accuracy"]["mean"] == pytest.approx(np.mean(own))
        assert row["difference"]["mean"] == pytest.approx(np.mean(np.subtract(own, plain)))
        assert row["wasserstein"] > 0
    assert {path.name for path in (tmp_path / "a").glob("*.png")} == {"table1.png", "distance.png"}


def test_wasserstein_and_landscape_end_to_end(tmp_path, capsys):
    quick = ["--model", "mlp", "--epochs", "1"]
    assert main(["wasserstein", *quick, "--blocks", "16", "--out", str(tmp_path)]) == 0
    assert main(["landscape", *quick, "--points", "3", "--formats", "fp32", "hbfp4", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "wasserstein.json").read_text())
    layers = report["distances"]["weights"]
    assert report["mean"]["weights"]["hbfp4x16"] == pytest.approx(np.mean([row["hbfp4x16"] for row in layers.values()]))
    assert set(report["distances"]) == {"weights", "activations"}
    assert len(json.loads((tmp_path / "landscape.json").read_text())["formats"]["hbfp4"]["loss"]) == 3
    assert {path.name for path in tmp_path.glob("*.png")} == {"wasserstein.png", "landscape.png"}
    assert "HBFP4 over HBFP6" in capsys.readouterr().out


def test_tune_looks_at_validation_only(capsys, monkeypatch):
    def refuse(trainer, split, evaluate=Trainer.evaluate):
        assert split is not trainer.data.test
        return evaluate(trainer, split)

    monkeypatch.setattr(Trainer, "evaluate", refuse)
    assert main(["tune", "--model", "mlp", "--epochs", "1", "--rates", "0.01", "0.1", "--seeds", "1"]) == 0
    assert "| 0.1 |" in capsys.readouterr().out


def test_every_table_has_a_panel(tmp_path, monkeypatch):
    """More tables than fit beside each other: none is left out, no empty panel stays."""
    difference = {"mean": 0.01, "high": 0.02}
    row = {"format": "hbfp4", "block": 16, "difference": difference, "wasserstein": 0.1, "test_accuracy": {"mean": 0.9}}
    tables = [{"model": "mlp", "data": f"set{n}", "order": "channel", "rows": [row]} for n in range(4)]
    monkeypatch.setattr(report, "figure", kept := Figures())
    assert report.table1_figures({"tables": tables}, tmp_path)
    for made in kept.made:
        titles = [axes.get_title() for axes in made.axes]
        assert titles == [f"mlp, set{n}, channel" for n in range(4)]


class Figures:
    """`figure`, remembering what it made."""

    def __init__(self):
        self.made = []

    def __call__(self, *arguments):
        drawing, panels = figure(*arguments)
        self.made.append(drawing)
        return drawing, panels


def test_a_report_shows_its_command_without_folders():
    words = ["table1", "--out", "/somewhere/a", "--seeds", "2", "--data-dir=/data", "--run", "runs/x"]
    assert command_line("golden.study", words) == "python -m golden.study table1 --seeds 2 --run x"


def test_playback_of_a_loss_led_policy():
    """Losses that fall by half: the first is the mean itself, each later one takes a bit, in turns (policies.md 3)."""
    rows = under_losses(BitWave(), [[8.0, 4.0, 2.0, 1.0], [0.5, 64.0, 1e9]])
    assert rows == [
        {"below": 0.75, "above": 0.0, "m": 21, "k": 7},
        {"below": 1 / 3, "above": 2 / 3, "m": 22, "k": 7},
    ]


def test_playback_of_a_run_s_losses(tmp_path):
    run(quick(format="fp32"), tmp_path, load("digits"))
    losses = [entry["loss"] for entry in read_log(tmp_path / "log.jsonl") if "lr" in entry]
    assert main(["playback", "--run", str(tmp_path), "--policy", "bitchop", "--out", str(tmp_path / "out.json")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["epochs"]
    assert rows == under_losses(BitChop(), [losses[:5], losses[5:]]), "two epochs of five steps"


def test_playback_of_lengths_is_a_run_that_no_gradient_reaches(tmp_path, monkeypatch, capsys):
    """To the bit; and beside the lengths of a run that gradients do reach."""
    facts = {"format": "fp32", "policy": "qm_qe", "policy_options": (("qm-qe-lr", "5"), ("qm-qe-gamma", "1"))}
    config, data = quick(**facts), load("digits")
    run(config, tmp_path / "heard", data)
    with monkeypatch.context() as deaf:
        deaf.setattr(QuantumBoth, "learn", lambda *_: None)
        run(config, tmp_path / "deaf", data)
    alone = pull_alone(Trainer(config, data))
    lengths = {
        name: [entry["policy"]["lengths"] for entry in read_log(tmp_path / name / "log.jsonl") if "epoch" in entry]
        for name in ("heard", "deaf")
    }
    assert alone == lengths["deaf"] != lengths["heard"]
    assert main(["playback", "--run", str(tmp_path / "heard"), "--out", str(tmp_path / "out.json")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["epochs"]
    assert [row["most"] for row in rows] == [
        max(abs(heard[key] - own[key]) for key in own) for heard, own in zip(lengths["heard"], alone, strict=True)
    ]
    assert main(["playback", "--run", str(tmp_path)]) == 2
    assert f"--run {tmp_path}: no finished run" in capsys.readouterr().err
