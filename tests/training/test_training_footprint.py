"""Footprints against bits counted by packing, and statistics against figures worked by hand."""

import numpy as np
import pytest
from training_support import quick

import golden
from golden.data import load
from golden.nn.precision import Order
from golden.training.footprint import Footprint, block_bits, stored_bits
from golden.training.loop import Trainer, fit
from golden.training.statistics import paired, r_squared, spread, t_quantile
from golden.training.tensors import Tensor, stashed_tensors

NAMES = ["bfp4x64", "bfp8x16", "mx6", "mx9", "mxfp8_e4m3", "mxfp4x16", "msfp12"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 64, 100])
def test_bits_are_those_of_the_packed_blocks_without_their_pads(name, length):
    fmt = golden.get_format(name)
    blocks = -(-length // fmt.block)
    pads = blocks * fmt.block - length
    halves = pads // fmt.subblock if fmt.microexponent_bits else 0
    packed = blocks * fmt.bits - pads * fmt.element.bits - halves * fmt.microexponent_bits
    assert block_bits(fmt, 3, length) == 3 * packed


def test_bits_of_a_full_tensor_by_hand():
    """HBFP4, 64: 10 + 64 * 4 bits a block; 3 x 100 values: two blocks a row; tiles of 8 x 8: 1 x 13 of them."""
    fmt = golden.get_format("hbfp4")
    rows = Tensor(layer="a", role="weight", shape=(100, 3), groups=3, length=100)
    tiles = Tensor(layer="a", role="weight", shape=(100, 3), groups=3, length=100, tiled=True)
    assert stored_bits(rows, fmt) == 3 * (100 * 4 + 2 * 10)
    assert stored_bits(tiles, fmt) == 300 * 4 + 13 * 10
    assert stored_bits(rows, 9.0) == 2700
    assert stored_bits(rows, golden.get_format("nvfp4")) == 3 * (100 * 4 + 7 * 8) + 32


def test_tensors_of_a_convolutional_network():
    trainer = Trainer(quick(model="lenet5", format="fp32"), load("digits"))
    example = trainer.data.train.x[:64]
    found = {t.key: t for t in stashed_tensors(trainer.model, example, Order.CHANNEL)}
    first = next(iter(found.values()))
    assert (first.role, first.shape) == ("weight", (5, 5, 1, 6))
    for key, tensor in found.items():
        if key.endswith("/activation"):
            assert tensor.shape[0] == tensor.length == 64, "blocks along the batch"
        else:
            assert tensor.length == tensor.shape[-2], "blocks along the inputs"
        assert tensor.groups * tensor.length == tensor.values
    unfolded = {t.key: t for t in stashed_tensors(trainer.model, example, Order.IM2COL)}
    assert unfolded[first.key].length == 25
    assert not any(layer.saved for layer in trainer.model.layers())


def test_ratio_of_a_run_is_its_steps_mean():
    tensors = [Tensor(layer="a", role=role, shape=(64, 2), groups=2, length=64) for role in ("weight", "activation")]
    bits = iter([32.0, 8.0, 16.0, 8.0])
    footprint = Footprint(tensors, lambda tensor: next(bits), "none")
    assert footprint.ratio() == 1.0
    footprint.count()
    footprint.count()
    assert footprint.ratio() == 32 / 16
    assert footprint.bits_per_value() == 12
    summary = footprint.summary()
    assert (summary["weights"]["bits_per_value"], summary["activations"]["bits_per_value"]) == (24, 8)
    assert summary["total"]["over_bf16"] == 1.0


@pytest.mark.parametrize(("name", "low", "high"), [("fp32", 1, 1), ("bf16", 2, 2), ("hbfp8", 3.7, 4), ("hbfp4", 7, 8)])
def test_ratios_of_formats(name, low, high):
    trainer = Trainer(quick(format=name, epochs=1), load("digits"))
    fit(trainer)
    assert low <= trainer.footprint.ratio() <= high


def test_paired_interval_by_hand():
    """Differences -3, -1, -2 points: mean -2, deviation 1, t(2) = 4.303: +-2.484."""
    result = paired([0.90, 0.92, 0.91], [0.93, 0.93, 0.93])
    assert result.mean == pytest.approx(-0.02)
    assert (result.low, result.high) == pytest.approx((-0.04484, 0.00484), abs=1e-5)
    assert result.verdict == "undecided"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.80, 0.81, 0.80, 0.81], "worse"),
        ([0.929, 0.931, 0.930, 0.929], "same"),
        ([0.95, 0.951, 0.949, 0.95], "same"),
        ([0.99, 0.80, 0.95, 0.85], "undecided"),
        ([0.924, 0.915, 0.924, 0.915], "worse"),
        ([0.935, 0.905, 0.935, 0.905], "undecided"),
    ],
)
def test_verdicts(values, verdict):
    assert paired(values, [0.93] * 4).verdict == verdict


def test_one_seed_decides_nothing():
    assert paired([0.1], [0.9]).verdict == "undecided"
    with pytest.raises(ValueError, match="2 values and 1"):
        paired([0.1, 0.2], [0.9])


def test_student_against_scipy():
    from scipy import stats  # comes with scikit-learn

    for freedom in (*range(1, 31), 35, 50, 99, 999):
        assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=2e-3)


def test_r_squared_against_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20), rng.normal(size=20)
    assert r_squared(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert r_squared([1, 2, 3], [5, 3, 1]) == pytest.approx(1)
    assert spread([1, 2, 6]).as_dict() == {"n": 3, "mean": 3, "low": 1, "high": 6}
