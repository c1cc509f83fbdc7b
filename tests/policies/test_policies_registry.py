"""Names, flags, one-line errors, compositions."""

import argparse
import json
from dataclasses import fields

import numpy as np
import pytest
from policies_support import hexes, network

from golden.policies import POLICIES, Role, add_policy_options, make_policy, policy_names, read_policy
from golden.policies.hyper import flag_name


def parse(text, *flags):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_policy_options(parser, policy_names(text))
    return read_policy(text, parser.parse_args(flags))


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_is_complete(name):
    policy = make_policy(name)
    assert policy.summary
    assert type(policy.hyper).prefix
    for item in fields(policy.hyper):
        assert item.metadata["help"]
    state = policy.begin(network()).state_dict()
    assert set(state) >= {"step", "epoch"}


@pytest.mark.parametrize("name", POLICIES)
def test_every_number_has_its_range(name):
    cls = POLICIES[name].hyper_type
    for item in fields(cls):
        if "low" not in item.metadata:
            continue
        for beyond in (item.metadata["low"] - 1, item.metadata["high"] + 1):
            with pytest.raises(ValueError, match=f"{flag_name(cls.prefix, item.name)} .*{item.metadata['low']}"):
                cls(**{item.name: type(item.default)(beyond)})


def test_flags_reach_the_policy():
    policy = parse("bitwave", "--bitwave-eps", "0.05", "--bitwave-window", "sym")
    assert (policy.hyper.eps, policy.hyper.window, policy.hyper.alpha) == (0.05, "sym", 1 / 16)
    assert parse("qe", "--qe-stale-bias", "on").hyper.stale_bias
    assert not parse("qe").hyper.stale_bias
    assert not parse("qe", "--qe-decay-gamma", "off").hyper.decay_gamma
    both = parse("dropback+hbfp6", "--dropback-keep", "0.1")
    assert (both.parts[0].hyper.keep, both.parts[1].hyper.format) == (0.1, "hbfp6")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "--policy nonsense: one of fixed, qm, .*hbfp6"),
        ("hbfp6+mx9", "--policy fixed.fixed: fixed and fixed set activations"),
        ("qm+bitwave", "--policy qm.bitwave: qm and bitwave set activations"),
        ("dropback+dropback", "each part once"),
    ],
)
def test_names_that_cannot_be(text, message):
    with pytest.raises(ValueError, match=message):
        make_policy(text)


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("pfq", {"forward": "3,4"}, "--pfq-backward: as many stages"),
        ("pfq", {"forward": "3,x,6,8"}, "--pfq-forward '3,x,6,8': 2..16 bits per stage"),
        ("pfq", {"schedule": "1,2"}, "--pfq-schedule: one first epoch"),
        ("pfq", {"schedule": "a,b,c"}, "--pfq-schedule 'a,b,c': epochs separated by commas"),
        ("cpt", {"low": 9}, "--cpt-low 9: 2..8"),
        ("bitwave", {"window": "min"}, "--bitwave-window min: one of max, sym"),
        ("qm", {"first_m": 9, "source": "bf16"}, "--qm-first-m 9: -1..7 of bf16"),
        ("qm_qe", {"first_k": 1, "window": "sym"}, "--qm-qe-first-k 1: 2..8 with window sym"),
        ("boosters", {"boost": 1.5}, "--boosters-boost 1.5: an integer in 0..10000"),
        ("qe", {"stale_bias": "yes"}, "--qe-stale-bias 'yes': on or off"),
    ],
)
def test_hyperparameters_that_cannot_be(name, hyper, message):
    with pytest.raises(ValueError, match=message):
        make_policy(name, {name: hyper})


def test_parts_decide_their_roles():
    policy = make_policy("dropback+qm").begin(network())
    x = np.linspace(1, 2, 9, dtype=np.float32)
    policy.parts[1].lengths["first/weight/m"].value = 0.0
    assert hexes(policy.quantize("first", Role.WEIGHT, x, training=True)) == ["3f800000"] * 8 + ["40000000"]
    assert policy.quantize("first", Role.GRADIENT, x, training=True) is x
    assert policy.precision("first", Role.WEIGHT).mantissa_bits == 0
    other = make_policy("dropback+qm").begin(network())
    policy.on_step(1.0)
    other.load_state(policy.state_dict())
    assert other.step == 1
    assert other.parts[1].lengths["first/weight/m"].value == 0.0


def test_every_part_hears_of_everything():
    policy = make_policy("dropback+qm", {"qm": {"max_step": 1.0}}).begin(network(epochs=10, steps=1))
    x = np.linspace(1, 2, 9, dtype=np.float32)
    policy.quantize("first", Role.WEIGHT, x, training=True)
    policy.learn("first", Role.WEIGHT, x, x)
    policy.update(1.0)
    assert policy.parts[1].lengths["first/weight/m"].value < 23
    arrays = [np.ones((2, 3), np.float32)]
    policy.start(arrays)
    start = arrays[0].copy()
    arrays[0][0] += 1
    policy.reset(arrays)
    assert (arrays[0] != start).sum() == policy.parts[0].kept == 1
    assert policy.stored_share == 1 / 6
    for _ in range(9):
        policy.on_step(1.0)
        policy.on_epoch(1.0)
    assert [(part.step, part.epoch) for part in policy.parts] == [(9, 9)] * 2
    assert policy.parts[1].lengths["first/weight/m"].frozen


def test_the_training_command_keeps_every_flag(tmp_path):
    """What the command line says reaches the policy through the run's configuration."""
    from golden import train
    from golden.training.run import RunFolder

    words = "--model mlp --data digits --epochs 1 --train-samples 64 --policy qe --qe-stale-bias on --qe-lr 2"
    assert train.main([*words.split(), "--out", str(tmp_path / "run")]) == 0
    config = json.loads(RunFolder(tmp_path / "run").final.read_text())["config"]
    assert config["policy_options"] == {"qe-lr": "2.0", "qe-stale-bias": "on"}
