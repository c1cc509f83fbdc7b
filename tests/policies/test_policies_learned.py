"""Policies that learn from values: bit lengths, FracTrain's quantiser, FAST, Flexpoint."""

from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies_support import hexes, network

from golden.policies import Role, make_policy
from golden.policies.affine import affine, noise_of, quantize_gradient, quantize_weight
from golden.policies.containers import truncate, window
from golden.policies.fast import improvement, threshold
from golden.policies.flexpoint import Autoflex, ceil_log2, to_flex
from golden.policies.lengths import LearnedLength, drawn
from golden.words import counter_words

RNG = np.random.default_rng(7)
X = RNG.standard_normal((6, 8)).astype(np.float32)


def test_draws_are_floor_and_ceiling_with_the_right_frequency():
    draws = np.array([drawn(3.3, "fc1/weight/qm", step, 1) for step in range(4000)])
    assert set(draws) == {3, 4}
    assert abs((draws == 4).mean() - 0.3) < 0.02
    assert {drawn(5.0, "fc1/weight/qm", step, 1) for step in range(50)} == {5}


def test_draws_come_from_the_counter():
    word = int(counter_words("fc1/weight/qm", 9, 1, 3)[0])
    fraction = word / 2**32
    assert drawn(fraction, "fc1/weight/qm", 9, 3) == 0
    assert drawn(fraction + 2**-33, "fc1/weight/qm", 9, 3) == 1


def test_mean_of_many_draws_follows_the_gradient():
    """d E[Q] / dn of the expectation, which the estimator equals whatever was drawn."""
    value, dq = 4.25, RNG.standard_normal(X.shape)
    low, high = (truncate(X, n).astype(np.float64) for n in (4, 5))
    policy = make_policy("qm").begin(network(values=X.size))
    policy.lengths["first/weight/m"].value = value
    policy.quantize("first", Role.WEIGHT, X, training=True)
    policy.learn("first", Role.WEIGHT, X, dq.astype(np.float32))
    assert policy.lengths["first/weight/m"].gradient == pytest.approx(((high - low) * dq).sum(), rel=1e-5)


def test_joint_cut_is_mantissa_after_exponent():
    policy = make_policy("qm_qe").begin(network(values=X.size))
    lengths = policy.lengths
    lengths["first/weight/m"].value, lengths["first/weight/k"].value = 2.0, 1.0
    got = policy.quantize("first", Role.WEIGHT, X, training=True)
    assert hexes(got) == hexes(truncate(window(X, 1), 2))
    policy.learn("first", Role.WEIGHT, X, np.ones_like(X))
    gained = truncate(window(X, 2), 2).astype(np.float64) - truncate(window(X, 1), 2)
    assert lengths["first/weight/k"].gradient == pytest.approx(gained.sum(), rel=1e-12)
    finer = truncate(window(X, 1), 3).astype(np.float64) - truncate(window(X, 1), 2)
    assert lengths["first/weight/m"].gradient == pytest.approx(finer.sum(), rel=1e-12)
    assert finer.sum() != pytest.approx((truncate(X, 3).astype(np.float64) - truncate(X, 2)).sum(), rel=1e-3)


def test_both_lengths_of_a_tensor_are_drawn_independently():
    policy = make_policy("qm_qe").begin(network(seed=4))
    policy.lengths["first/weight/m"].value, policy.lengths["first/weight/k"].value = 3.5, 4.5
    seen = []
    for step in range(40):
        policy.quantize("first", Role.WEIGHT, X, training=True)
        precision = policy.precision("first", Role.WEIGHT)
        seen.append((precision.mantissa_bits, precision.exponent_bits))
        expected = drawn(3.5, "first/weight/qm", step, 4), drawn(4.5, "first/weight/qk", step, 4)
        assert seen[-1] == expected
        policy.on_step(1.0)
    assert set(seen) == {(m, k) for m in (3, 4) for k in (4, 5)}


def test_lengths_may_begin_short_and_stay():
    hyper = {"first_m": 2, "first_k": 3, "lr": 0.0, "source": "bf16"}
    policy = make_policy("qm_qe", {"qm_qe": hyper}).begin(network())
    got = policy.quantize("first", Role.WEIGHT, X, training=True)
    assert hexes(got) == hexes(truncate(window(X, 3), 2))
    policy.learn("first", Role.WEIGHT, X, np.ones_like(X))
    policy.update(1.0)
    assert {length.value for length in policy.lengths.values()} == {2.0, 3.0}


def test_evaluation_rounds_lengths_up():
    policy = make_policy("qm").begin(network())
    policy.lengths["last/activation/m"].value = 2.01
    assert hexes(policy.quantize("last", Role.ACTIVATION, X, training=False)) == hexes(truncate(X, 3))


def test_regulariser_alone_shrinks_every_length_by_its_share():
    policy = make_policy("qm", {"qm": {"gamma": 0.5, "max_step": 1.0}}).begin(network(values=10))
    policy.update(lr=2.0)
    assert {length.value for length in policy.lengths.values()} == {23 - 2.0 * 0.5 / 6}


def test_gamma_falls_and_lengths_freeze_rounded_up():
    policy = make_policy("qe", {"qe": {"freeze": 0.1}}).begin(network(epochs=90))
    gammas = []
    for epoch in range(90):
        if epoch in (0, 29, 30, 60):
            length = policy.lengths["first/weight/k"]
            length.value = 4.5
            policy.update(1.0)
            gammas.append(round((4.5 - length.value) * 6, 6))
        policy.on_epoch(1.0)
        assert all(length.frozen for length in policy.lengths.values()) == (epoch + 1 >= 81)
    assert gammas == [0.1, 0.1, 0.01, 0.001]
    assert policy.lengths["first/weight/k"].value == 5.0
    policy.update(1.0)
    assert policy.lengths["first/weight/k"].value == 5.0


@given(st.floats(0, 23), st.floats(-5, 5), st.floats(0, 10), st.floats(0.1, 3))
@settings(max_examples=100, deadline=None, database=None)
def test_lengths_stay_in_range(value, gradient, lr, most_at_once):
    length = LearnedLength(value, 0, 23, 0.1)
    length.gradient = gradient
    length.descend(lr, 0.1, most_at_once)
    assert 0 <= length.value <= 23
    assert abs(length.value - value) <= most_at_once + 1e-9
    assert length.gradient == 0.0
    assert (length.floor, length.settled) == (floor(length.value), ceil(length.value))


def test_a_stale_bias_is_that_of_the_step_before():
    policy = make_policy("qe", {"qe": {"stale_bias": True}}).begin(network())
    policy.lengths["first/activation/k"].value = 2.0
    one, four = np.array([1.0, 0.25], np.float32), np.array([4.0, 1.0], np.float32)
    for x, expected in [(one, one * [1, 1]), (four, [1.9999999, 1.0]), (one, [1.0, 0.0])]:
        got = policy.quantize("first", Role.ACTIVATION, x, training=True)
        assert got.tolist() == pytest.approx(np.float32(expected).tolist(), rel=1e-7)


def scalar_affine(values, bits, low, high, noise=None):
    """The same in single FP32 operations."""
    low, high = np.float32(low), np.float32(high)
    scale = max((high - low) / np.float32(2**bits - 1), np.float32(1e-8))
    out = []
    for i, value in enumerate(values):
        q = (np.float32(value) - low) / scale
        q = q if noise is None else q + noise[i]
        out.append(np.float32(round(float(min(max(q, np.float32(0)), np.float32(2**bits - 1))))) * scale + low)
    return out


@given(st.integers(1, 16), st.integers(0, 1000), st.booleans())
@settings(max_examples=60, deadline=None, database=None)
def test_affine_is_the_scalar_one(bits, seed, stochastic):
    x = np.random.default_rng(seed).standard_normal(20).astype(np.float32)
    words = counter_words("g", 1, 20, seed)
    noise = noise_of(words) if stochastic else None
    got = quantize_gradient(x, bits, words) if stochastic else affine(x, bits, x.min(), x.max())
    assert hexes(got) == hexes(scalar_affine(x, bits, x.min(), x.max(), noise))


def test_affine_by_hand():
    x = np.array([-1.0, 0.0, 0.25, 1.0], np.float32)
    # scale 2/3: 0 lies at 1.5, a tie to even; 0.25 at 1.875
    assert affine(x, 2, x.min(), x.max()).tolist() == pytest.approx([-1, 1 / 3, 1 / 3, 1], rel=1e-6)
    assert affine(np.full(3, 2.5, np.float32), 4, np.float32(2.5), np.float32(2.5)).tolist() == [2.5] * 3


def test_weights_have_a_range_per_output_channel():
    w = np.stack([np.linspace(-1, 1, 8), np.linspace(0, 100, 8)], axis=1).astype(np.float32)
    q = quantize_weight(w, 3)
    for column in range(2):
        alone = affine(w[:, column], 3, w[:, column].min(), w[:, column].max())
        assert hexes(q[:, column]) == hexes(alone)
    assert np.abs(q - w).max() < 1e-5  # eight equidistant values are eight codes


def test_stochastic_rounding_is_unbiased_and_clamped_first():
    g = np.full(20_000, 0.3, np.float32)
    g[0], g[1] = 0.0, 1.0
    q = quantize_gradient(g, 1, counter_words("g", 0, g.size, 0))
    assert set(q.tolist()) == {0.0, 1.0}
    assert abs(q[2:].mean() - 0.3) < 0.01
    assert q[0] == 0.0
    assert q[1] == 1.0


def test_running_range_serves_evaluation():
    policy = make_policy("static", {"static": {"forward": 4, "momentum": 0.75}}).begin(network())
    for high in (1.0, 3.0):
        policy.quantize("first", Role.ACTIVATION, np.array([0.0, high], np.float32), training=True)
    got = policy.quantize("first", Role.ACTIVATION, np.array([0.0, 50.0], np.float32), training=False)
    assert got.tolist() == [0.0, 1.5]
    assert hexes(policy.quantize("last", Role.ACTIVATION, X, training=True)) == hexes(X)  # the classifier is FP32


def test_gradients_are_rounded_by_the_words_of_their_step():
    policy = make_policy("static", {"static": {"backward": 3}}).begin(network(seed=9))
    for step in range(3):
        words = counter_words("middle/gradient", step, X.size, 9)
        assert hexes(policy.quantize("middle", Role.GRADIENT, X, training=True)) == hexes(
            quantize_gradient(X, 3, words)
        )
        policy.on_step(1.0)


def test_fast_prefers_four_bits_where_two_lose_much():
    exact = np.tile(np.float32([1.0, 0.5, -0.5, 0.0]), (4, 4))
    assert improvement(exact) == 0.0
    assert improvement(X[:, :8]) > 0.02
    assert threshold(0.6, 0.3, 0, 0) == 0.6
    assert threshold(0.6, 0.3, 1, 1) == pytest.approx(0.0)
    policy = make_policy("fast", {"fast": {"every": 2}}).begin(network())
    policy.quantize("first", Role.WEIGHT, X, training=True)
    policy.gains["last/weight"] = policy.gains["first/weight"] = 0.45
    assert [policy.magnitude_bits(layer, Role.WEIGHT) for layer in ("first", "last")] == [2, 4]
    policy.step = 190  # 95 % of the run
    assert policy.magnitude_bits("first", Role.WEIGHT) == 4


def test_fast_measures_at_the_first_of_so_many_steps():
    policy, gains = make_policy("fast", {"fast": {"every": 3}}).begin(network()), []
    for step in range(7):
        x = np.random.default_rng(step).standard_normal((4, 16)).astype(np.float32)
        policy.quantize("first", Role.WEIGHT, x, training=True)
        gains.append(policy.gains["first/weight"])
        policy.on_step(1.0)
        if step % 3 == 0:
            assert gains[-1] == improvement(x)
    assert [len(set(gains[at : at + 3])) for at in (0, 3)] == [1, 1]
    assert len(set(gains)) == 3


def test_ceil_log2_at_powers():
    assert [ceil_log2(v) for v in (1.0, 1.0000001, 2.0, 3.0, 0.25, 0.26)] == [0, 1, 1, 2, -2, -1]


def test_flexpoint_by_hand():
    mantissas, overflow = to_flex(np.float32([1.0, -1.5, 0.3, 300.0]), -2, 8)
    assert mantissas.tolist() == [4, -6, 1, 127]
    assert overflow
    flex = Autoflex.started(np.float32([1.0, -0.5]), 16)
    assert flex.exponent == -14  # 1 / 2^-15 would be 2^15, one too many
    for _ in range(3):
        flex.observe(to_flex(np.float32([1.0]), flex.exponent)[0])
    # 2 * (1 + 0 + 100 ulp) is just above 2: 4 = 2^2, less 15
    assert flex.exponent == -13


def test_a_maximum_is_remembered_for_sixteen_uses():
    flex = Autoflex.started(np.float32([1.0]), 16)
    exponents = [flex.exponent]
    for use in range(17):
        flex.observe(np.array([1 << 14 if use == 0 else 1]))
        exponents.append(flex.exponent)
    assert flex.history == [2.0**exponent for exponent in exponents[1:17]]


def test_flexpoint_predicts_from_the_history():
    policy = make_policy("flexpoint").begin(network())
    for scale in (1.0, 1.0, 1.0, 64.0):
        policy.quantize("first", Role.GRADIENT, np.float32([scale]), training=True)
    assert policy.overflows == 1
    seen = [policy.quantize("first", Role.GRADIENT, np.float32([64.0]), training=True).item() for _ in range(3)]
    # 4 was the most at exponent -13; each saturated use raises the prediction: 16, 64, enough
    assert seen == [32767 * 2.0**-11, 32767 * 2.0**-9, 64.0]
    assert policy.overflows == 3


@pytest.mark.parametrize("name", ["qm_qe", "bitwave", "boosters", "pfq", "cpt", "fast", "flexpoint", "fixed"])
def test_resume_is_exact(name):
    """Steps 0..29 in one go, and with the state moved to a fresh policy after 12."""

    def run(policy, steps):
        out = []
        for step in steps:
            for role in Role:
                x = np.random.default_rng(step).standard_normal((4, 8)).astype(np.float32)
                out.append(hexes(policy.quantize("middle", role, x, training=True)))
                policy.learn("middle", role, x, x) if role is not Role.GRADIENT else None
            out.append(hexes(policy.quantize("middle", Role.ACTIVATION, 2 * x, training=False)))
            policy.update(5.0)
            policy.on_step(2.0 - 0.05 * step)
            if step % 5 == 4:
                policy.on_epoch(2.0 - 0.05 * step)
            out.append(repr(policy.precision("middle", Role.WEIGHT)))
        return out

    whole = run(make_policy(name).begin(network(steps=5)), range(30))
    first, second = (make_policy(name).begin(network(steps=5)) for _ in range(2))
    head = run(first, range(12))
    second.load_state(first.state_dict())
    assert head + run(second, range(12, 30)) == whole
    with pytest.raises(ValueError, match=f"state of policy {name}"):
        second.load_state({"other": 1})
