"""A run: same bytes, exact resume, divergence, interrupt, footprint; all on ten steps of a small network."""

import copy
import io
import math
import os
import signal

import numpy as np
import pytest
from training_support import quick, run

from golden.data import load
from golden.policies.registry import POLICIES
from golden.training.checkpoint import CheckpointError, load_state, save_state
from golden.training.config import RunConfig
from golden.training.log import read_log
from golden.training.loop import Trainer, fit
from golden.training.progress import Progress, clock
from golden.training.run import Interrupted, execute

BLOCKWISE = ("dfq", "fractrain")  # their controllers need residual blocks
FORMATS = [
    {"format": "fp32"},
    {"format": "hbfp4"},
    {"format": "mx6", "rounding": "sr", "optimizer": "adamw", "lr": 0.01},
    {"format": "hbfp4x16", "model": "lenet5", "order": "tile2d", "schedule": "step"},
]
TINY = {"train_samples": 128, "schedule": "step"}  # two steps an epoch
POLICY_RUNS = [
    {"format": "fp32", "policy": name, **TINY} | ({"model": "resnet8", "width": 4.0} if name in BLOCKWISE else {})
    for name in POLICIES
]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("facts", [*FORMATS, *POLICY_RUNS], ids=lambda facts: facts.get("policy", facts["format"]))
def test_stopped_at_every_step_and_resumed_is_the_straight_run(facts, digits, tmp_path):
    """Weights, optimiser state, random words, log and footprint: all files have the same bytes."""
    config = quick(**facts)
    run(config, tmp_path / "straight", digits)
    stops = 0
    while True:
        try:
            execute(Trainer(config, digits), tmp_path / "resumed", resume=True, stop=lambda step: True)
            break
        except Interrupted:
            stops += 1
    assert stops == Trainer(config, digits).total_steps - 1
    assert files(tmp_path / "straight") == files(tmp_path / "resumed")


def test_a_checkpoint_holds_all_state(digits, tmp_path):
    """Resuming really depends on it: with one momentum cleared, the run ends elsewhere."""
    config = quick()
    straight = run(config, tmp_path / "straight", digits)
    with pytest.raises(Interrupted):
        execute(Trainer(config, digits), tmp_path / "spoilt", stop=lambda step: step == 4)
    state = load_state(tmp_path / "spoilt" / "checkpoint.npz")
    name = next(name for name in state["optimiser"] if name.endswith("/velocity"))
    assert np.any(state["optimiser"][name])
    state["optimiser"][name][...] = 0
    save_state(tmp_path / "spoilt" / "checkpoint.npz", state)
    spoilt = run(config, tmp_path / "spoilt", digits, resume=True)
    assert spoilt["weights_sha256"] != straight["weights_sha256"]


def test_after_a_crash_the_log_goes_back_to_the_checkpoint(digits, tmp_path):
    """Steps beyond the checkpoint were logged, then the process died: they are not in the log of what goes on."""

    def die(step):
        if step == 8:
            raise RuntimeError("power cut")
        return False

    with pytest.raises(RuntimeError, match="power cut"):
        execute(Trainer(quick(), digits), tmp_path, stop=die)
    assert read_log(tmp_path / "log.jsonl")[-1]["step"] == 8
    with pytest.raises(Interrupted):
        execute(Trainer(quick(), digits), tmp_path, resume=True, stop=lambda step: step == 6)
    assert read_log(tmp_path / "log.jsonl")[-1]["step"] == 6


def test_every_epoch_takes_every_sample_in_an_order_of_its_own(digits):
    orders = {}
    for seed in (0, 1):
        trainer = Trainer(quick(seed=seed), digits)
        for epoch in (0, 1):
            orders[seed, epoch] = np.concatenate([x for x, _ in trainer.batches()]).reshape(320, -1)
            trainer.epoch = epoch + 1
    rows = {key: [row.tobytes() for row in order] for key, order in orders.items()}
    known = sorted(row.tobytes() for row in digits.train.x[:320])
    assert all(sorted(order) == known for order in rows.values())
    assert len({tuple(order) for order in rows.values()}) == 4


def test_a_checkpoint_of_another_run_is_refused(digits, tmp_path):
    with pytest.raises(Interrupted):
        execute(Trainer(quick(), digits), tmp_path, stop=lambda step: True)
    with pytest.raises(CheckpointError, match="another configuration"):
        execute(Trainer(quick(seed=1), digits), tmp_path, resume=True)
    (tmp_path / "checkpoint.npz").write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        execute(Trainer(quick(), digits), tmp_path, resume=True)


def test_state_survives_the_file(tmp_path):
    tree = {"a": [1, 2.5, None, "x", True, float("inf")], "b": {"0": np.arange(3.0), "1": np.int64(7)}, "c": 0.1 + 0.2}
    save_state(tmp_path / "s.npz", tree)
    found = load_state(tmp_path / "s.npz")
    assert found["a"] == tree["a"]
    assert found["c"] == tree["c"]
    np.testing.assert_array_equal(found["b"]["0"], tree["b"]["0"])
    assert (found["b"]["1"], found["b"]["1"].dtype) == (7, np.int64)


def test_final_result_states_what_it_is(digits, tmp_path):
    final = run(quick(format="hbfp4"), tmp_path, digits)
    trainer = Trainer(quick(format="hbfp4"), digits)
    fit(trainer)
    assert final["weights_sha256"] == trainer.weights_sha256()
    logits = trainer.model.forward(digits.test.x, training=False)
    assert final["test_accuracy"] == (logits.argmax(axis=1) == digits.test.y).mean()
    assert (final["n_test"], final["n_val"], final["steps"]) == (360, 360, 10)
    assert "bfp4x64: 64 values share a scale, order channel" in final["blocks"]
    assert RunConfig.from_dict(final["config"]) == quick(format="hbfp4")
    text = (tmp_path / "final.json").read_text()
    assert final["provenance"]["command"].startswith("python -m golden.train --model mlp")
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text


def test_log_has_every_step_and_epoch_and_no_time(digits, tmp_path):
    run(quick(), tmp_path, digits)
    entries = read_log(tmp_path / "log.jsonl")
    steps = [entry for entry in entries if "lr" in entry]
    epochs = [entry for entry in entries if "epoch" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, 11))
    assert [entry["epoch"] for entry in epochs] == [1, 2]
    for epoch, part in zip(epochs, (steps[:5], steps[5:]), strict=True):
        assert epoch["train_loss"] == pytest.approx(np.mean([entry["loss"] for entry in part]), rel=1e-12)
    known = {"step", "loss", "lr", "epoch", "train_loss", "val_loss", "val_accuracy", "bits_per_value"}
    assert {key for entry in entries for key in entry} == known


def test_cosine_schedule_falls_to_nothing(digits, tmp_path):
    run(quick(lr=0.2, schedule="cosine"), tmp_path, digits)
    rates = [entry["lr"] for entry in read_log(tmp_path / "log.jsonl") if "lr" in entry]
    assert rates == pytest.approx([0.1 * (1 + math.cos(math.pi * step / 10)) for step in range(10)])


def test_step_schedule_drops_twice(digits):
    trainer = Trainer(quick(lr=1.0, schedule="step", epochs=4), digits)
    assert [round(trainer.schedule(step), 6) for step in (0, 9, 10, 14, 15, 19)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    told = []
    trainer.session.lr_changed = lambda: told.append(trainer.step)
    fit(trainer)
    assert told == [10, 15], "policies hear of both"


def test_divergence_ends_the_run_cleanly(digits, tmp_path, capsys):
    config = quick(lr=100.0, momentum=0.99, epochs=20, format="fp32", schedule="constant")
    final = run(config, tmp_path, digits)
    entries = read_log(tmp_path / "log.jsonl")
    assert entries[-1] == {"event": "diverged", "step": final["diverged_at_step"]}
    assert final["steps"] == final["diverged_at_step"] - 1 == len([entry for entry in entries if "lr" in entry])
    assert "diverged: the loss of step" in capsys.readouterr().err
    assert 0 <= final["test_accuracy"] <= 1
    before = files(tmp_path)
    run(config, tmp_path, digits, resume=True)
    assert files(tmp_path) == before


@pytest.mark.parametrize("facts", [{"format": "mx6", "rounding": "sr"}, {"format": "fp32", "policy": "qm"}], ids=str)
def test_a_dropped_step_leaves_no_trace(facts, digits):
    """After a loss that is not finite: weights, running statistics, lengths and random words are those before it."""
    trainer = Trainer(quick(model="resnet8", width=4.0, train_samples=128, **facts), digits)
    batches = trainer.batches()
    assert math.isfinite(trainer.train_step(*next(batches)))
    before, expected = copy.deepcopy(trainer.state()), trainer.evaluate(digits.validation)
    x, y = next(batches)
    with np.errstate(all="ignore"):
        assert not math.isfinite(trainer.train_step(np.full_like(x, np.inf), y))
    assert trainer.evaluate(digits.validation) == expected
    np.testing.assert_equal(trainer.state(), before)


def test_interrupt_saves(digits, tmp_path):
    """SIGINT in the middle of a step: the step is finished, the checkpoint written, the handler put back."""
    config, handler = quick(), signal.getsignal(signal.SIGINT)
    trainer = Trainer(config, digits)
    original = trainer.train_step

    def disturbed(x, y):
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(x, y)

    trainer.train_step = disturbed
    with pytest.raises(Interrupted, match="after step 4 of 10"):
        execute(trainer, tmp_path / "a")
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = run(config, tmp_path / "a", digits, resume=True)
    assert resumed == run(config, tmp_path / "b", digits)


def test_progress_is_neither_silent_nor_noisy(monkeypatch):
    """Without a terminal: a line every half minute, and the time left from the pace of this process alone."""
    now = [100.0]
    monkeypatch.setattr("golden.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(100, 40, stream=stream)
    for _ in range(50):
        now[0] += 2.0
        progress.step("at work")
    lines = stream.getvalue().splitlines()
    assert lines == ["at work  left 1:28", "at work  left 0:56", "at work  left 0:24"]
    assert (clock(65), clock(7384)) == ("1:05", "2:03:04")


def test_evaluation_leaves_no_trace(digits):
    """Validating more often does not change the run."""
    one, other = (Trainer(quick(model="resnet8", format="hbfp6", rounding="sr"), digits) for _ in range(2))
    fit(one)
    fit(other, after_step=lambda loss, lr: other.evaluate(digits.validation))
    assert one.weights_sha256() == other.weights_sha256()


def test_seeds_formats_and_storage_change_the_result(digits):
    hashes = set()
    for facts in ({}, {"seed": 1}, {"format": "hbfp4x16"}, {"storage": "fp32"}, {"gradient_rounding": "rne"}):
        trainer = Trainer(quick(**{"format": "hbfp4"} | facts), digits)
        fit(trainer)
        hashes.add(trainer.weights_sha256())
    assert len(hashes) == 5


def test_wide_storage_is_what_lies_between_steps(digits):
    """With HBFP the weights are 16-bit BFP after every step: converting them once more changes nothing."""
    from golden import quantize

    trainer = Trainer(quick(format="hbfp4"), digits)
    fit(trainer)
    weights = [parameter for parameter in trainer.model.parameters() if parameter.quantised]
    for parameter in weights:
        again = quantize(parameter.value, "bfp16x64", axis=0).dequantize()
        np.testing.assert_array_equal(again, parameter.value)
    assert len(weights) == 3


def test_digits_are_learned_in_fp32_and_in_hbfp6(digits, tmp_path):
    """Far better than chance and than the nearest class mean, which needs no training."""
    means = np.stack([digits.train.x[digits.train.y == label].mean(axis=0).ravel() for label in range(10)])
    distance = ((digits.test.x.reshape(360, 1, -1) - means) ** 2).sum(axis=2)
    plain = (distance.argmin(axis=1) == digits.test.y).mean()
    for name in ("fp32", "hbfp6"):
        final = run(quick(format=name, epochs=12, train_samples=None), tmp_path / name, digits)
        assert final["test_accuracy"] > plain + 0.02, name
