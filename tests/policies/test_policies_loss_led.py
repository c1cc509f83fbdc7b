"""Policies that watch the loss or the clock: BitWave, Boosters, PFQ, CPT; their vectors, schedules and accounting."""

from math import exp, nan

import numpy as np
import pytest
from policies_support import VECTORS, network

from golden.policies import Role, make_policy
from golden.policies.affine import mac_cost
from golden.policies.boosters import operation_shares
from golden.policies.cpt import cycle_bits, saving
from golden.policies.formats import Blocks, Container
from golden.policies.pfq import Indicator


def f32(value):
    return np.float32(value).view(np.uint32)


def bitwave(name="bitwave", **hyper):
    return make_policy(name, {name: hyper}).begin(network(steps=40))


def test_bitwave_vector():
    entry, policy = VECTORS["bitwave"], bitwave(source="bf16")
    seen = []
    for loss in entry["loss"]:
        policy.on_step(loss)
        seen.append((policy.m, policy.k, f"{f32(policy.mean):08x}"))
    assert seen == list(zip(entry["m"], entry["k"], entry["A"], strict=True))


def test_bitchop_is_bitwave_with_whole_exponents():
    policy = bitwave("bitchop", source="bf16")
    seen = []
    for loss in VECTORS["bitwave"]["loss"]:
        policy.on_step(loss)
        seen.append((policy.m, policy.k))
    assert seen == [(m, 8) for m in (7, 6, 5, 4, 5, 5, 4, 4)]


def test_bitwave_is_whole_after_a_change_of_learning_rate():
    policy = bitwave(source="bf16")  # 40 steps an epoch: held for 2
    for loss in (2.0, 1.0):
        policy.on_step(loss)
    assert policy.precision("first", Role.WEIGHT).mantissa_bits == 6
    policy.on_lr_change()
    seen = []
    for _ in range(3):
        policy.on_step(0.5)
        seen.append((policy.m, policy.k))
    assert seen == [(7, 8), (7, 8), (6, 8)]


def test_bitwave_may_begin_late():
    """Nothing is seen before: the running mean starts at the first loss that counts."""
    policy = bitwave(source="bf16", start=2)
    for epoch in range(2):
        for loss in (9.0, 5.0, 1.0):
            policy.on_step(loss)
            assert (policy.m, policy.k, policy.mean) == (7, 8, None)
        policy.on_epoch(1.0)
        assert policy.epoch == epoch + 1
    policy.on_step(2.0)
    assert policy.mean == 2.0
    policy.on_step(1.0)
    assert (policy.m, policy.k) == (6, 8)


def test_bitwave_minima_and_maxima():
    policy = bitwave(source="bf16")
    for step in range(60):
        policy.on_step(100 * 0.8**step)
    assert (policy.m, policy.k) == (0, 2)
    for step in range(60):
        policy.on_step(1.5**step)
    assert (policy.m, policy.k) == (7, 8)


def test_bitwave_recovers_from_a_loss_that_is_no_number():
    policy = bitwave(source="bf16")
    policy.on_step(nan)
    assert policy.mean is None
    for loss in (2.0, 1.0, 0.5):
        policy.on_step(loss)
    assert (policy.m, policy.k, policy.turn) == (6, 8, "k")  # two of 40 steps an epoch were held
    mean = policy.mean
    policy.on_step(nan)
    assert (policy.m, policy.k, policy.turn, policy.mean) == (7, 8, "m", mean)
    seen = []
    for _ in range(3):
        policy.on_step(1e-3)
        seen.append((policy.m, policy.k))
    assert seen == [(7, 8), (7, 8), (6, 8)]


def boosted(epochs=10, **hyper):
    policy = make_policy("boosters", {"boosters": hyper}).begin(network(epochs=epochs))
    rows = []
    for _ in range(epochs):
        rows.append([policy.precision(layer, Role.WEIGHT).format for layer in policy.network.layers])
        policy.on_epoch(1.0)
    return rows


def test_boosters_schedule():
    narrow = ["bfp6x64", "bfp4x64", "bfp6x64"]
    assert boosted() == [narrow] * 9 + [["bfp6x64"] * 3]
    assert boosted(boost=3) == [narrow] * 7 + [["bfp6x64"] * 3] * 3
    assert boosted(boost=0, edges=0) == [["bfp4x64"] * 3] * 10
    assert boosted(family="mx")[0] == ["mx6", "mx4", "mx6"]


# MACs of one sample, ResNet20 on CIFAR-10: 3x3 convolutions of 16, 32, 64 channels on 32, 16, 8 pixels a side.
def resnet20():
    macs = {"conv1": 32 * 32 * 9 * 3 * 16}
    for stage, (width, pixels) in enumerate([(16, 32), (32, 16), (64, 8)]):
        for block in range(3):
            inputs = width // 2 if stage and not block else width
            macs[f"{stage}.{block}.a"] = pixels**2 * 9 * inputs * width
            macs[f"{stage}.{block}.b"] = pixels**2 * 9 * width * width
            if inputs < width:
                macs[f"{stage}.{block}.shortcut"] = pixels**2 * inputs * width
    return macs | {"fc": 640}


def test_operation_accounting():
    macs = resnet20()
    assert (macs["conv1"], macs["fc"]) == (442_368, 640)
    assert sum(macs.values()) == pytest.approx(40.81e6, rel=2e-3)
    assert [round(100 * operation_shares(macs, epochs).epochs, 3) for epochs in (160, 300, 70)] == [
        99.375,
        99.667,
        98.571,
    ]
    assert round(100 * operation_shares(macs, 160).all_operations, 1) == 98.3
    with pytest.raises(ValueError, match="0 <= boost <= epochs"):
        operation_shares(macs, 5, 6)


def test_pfq_vector():
    indicator = Indicator(stages=4)
    switches, eps = [], []
    for epoch in range(1, 60):
        if indicator.observe(2 * exp(-epoch / 6) + 0.3 + 0.002 * (7 * epoch % 5)):
            switches.append(epoch)
            eps.append(indicator.eps)
    assert switches == VECTORS["pfq"]["switch"]
    assert eps[:2] == pytest.approx(VECTORS["pfq"]["eps_after"], abs=1e-12)
    assert eps[2] == eps[1]
    assert indicator.scale == pytest.approx(VECTORS["pfq"]["scale"], abs=5e-9)


def test_pfq_stages_and_its_control():
    policy = make_policy("pfq", {"pfq": {"schedule": "3,5,6"}}).begin(network())
    bits = []
    for _ in range(8):
        bits.append((policy.forward_bits("first"), policy.gradient_bits("first")))
        policy.on_epoch(1.0)
    assert bits == [(3, 6)] * 3 + [(4, 6)] * 2 + [(6, 8)] + [(8, 8)] * 2
    learned = make_policy("pfq").begin(network(epochs=100))
    stages = []
    for _ in range(16):
        learned.on_epoch(1.0)  # a constant loss switches after every five epochs
        stages.append(learned.stage)
    assert stages == [0] * 4 + [1] * 5 + [2] * 5 + [3] * 2


@pytest.mark.parametrize("name", ["pfq", "fractrain"])
@pytest.mark.parametrize("epochs", [5, 6])
def test_no_stage_begins_after_the_last_epoch(name, epochs):
    """A constant loss switches after five epochs; a network tested with bits it was not trained with would suffer."""
    policy = make_policy(name).begin(network(epochs=epochs))
    for _ in range(epochs):
        policy.on_epoch(1.0)
    assert policy.indicator.stage == epochs - 5
    fixed = make_policy("pfq", {"pfq": {"schedule": "2,9,9"}}).begin(network(epochs=9))
    for _ in range(9):
        fixed.on_epoch(1.0)
    assert fixed.stage == 1, "a first epoch of 9 in a run of 9 never comes"


def test_cpt_vector():
    period = VECTORS["cpt"]["P"]
    bits = [cycle_bits(step, period, 3, 8) for step in range(period)]
    first = {str(b): bits.index(b) for b in range(3, 9)}
    assert first == VECTORS["cpt"]["first_iteration_of_bits"]
    assert [bits[t] for t in (0, 288, 500, 802, 1000, 1500, 1712)] == [3, 3, 4, 5, 6, 7, 8]
    assert cycle_bits(period, period, 3, 8) == 3


def test_cpt_cycles_by_the_step_over_the_whole_run():
    """4 epochs of 10 steps in 3 cycles, 13 1/3 steps each: the third ends with the run, at 8 bits, and is tested so."""
    policy = make_policy("cpt", {"cpt": {"cycles": 3}}).begin(network(epochs=4, steps=10))
    x = np.ones((1, 4), np.float32)
    trained, evaluated = [], []
    for step in range(40):
        policy.quantize("first", Role.WEIGHT, x, training=True)
        trained.append(policy.forward_bits("first"))
        assert policy.gradient_bits("first") == 8
        policy.on_step(1.0)
        if step % 10 == 9:
            policy.on_epoch(1.0)
        policy.quantize("first", Role.WEIGHT, x, training=False)
        evaluated.append(policy.forward_bits("first"))
    assert trained == [cycle_bits(step, 40 / 3, 3, 8) for step in range(40)] == evaluated
    assert [step for step in range(1, 40) if trained[step] < trained[step - 1]] == [14, 27]
    assert trained[-1] == 8


def test_cpt_saving_is_the_printed_one():
    assert round(100 * saving(2000, 3, 8, 8), 2) == 36.67
    assert round(100 * saving(2000, 3, 6, 6), 2) == 30.05
    assert round(100 * saving(2000, 3, 4, 6), 2) == 14.84


def test_multiplication_costs():
    choices = [(3, 6), (4, 6), (4, 8), (6, 8), (6, 12)]
    assert [round(100 * mac_cost(4, a, g), 3) for a, g in choices] == [1.758, 2.083, 2.604, 3.385, 4.688]
    imagenet = [(3, 6), (4, 8), (6, 12), (8, 16)]
    assert [round(100 * mac_cost(6, a, g), 3) for a, g in imagenet] == [2.344, 3.385, 5.859, 8.854]
    # ResNet74, 64 000 iterations of 128, FW8/BW8: 32-bit equivalents
    assert mac_cost(8, 8, 8) == 1 / 16


def test_fixed_baselines():
    names = {"hbfp6": "bfp6x64", "mx9": "mx9", "mxfp8": "mxfp8_e4m3", "mxint8": "mxint8", "mxfp4": "mxfp4"}
    for name, fmt in names.items():
        precision = make_policy(name).begin(network()).precision("first", Role.GRADIENT)
        assert isinstance(precision, Blocks)
        assert precision.format == fmt
    assert make_policy("bf16").precision("first", Role.WEIGHT).bits == 16
    assert make_policy("fp32").precision("first", Role.WEIGHT).bits == 32


def test_containers_say_mantissa_exponent_and_offset():
    policy = bitwave()
    policy.k = 4
    policy.quantize("first", Role.ACTIVATION, np.array([4.0, -1.0], np.float32), training=True)
    assert policy.precision("first", Role.ACTIVATION) == Container(23, 4, (2 + 127 - 15) % 256)
