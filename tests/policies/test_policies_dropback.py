"""DropBack: the regenerated weights, exact selection of the T that moved furthest, freezing and decay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies_support import VECTORS, hexes, network

from golden.policies import make_policy, scalar
from golden.policies.dropback import largest, power_of_two_threshold
from golden.policies.regenerate import byte_sums, index_states, initial_weights, scale_of

ENTRY = VECTORS["dropback"]
SEED = int(ENTRY["seed"], 16)


def test_regeneration_vector():
    index = np.arange(6)
    states = index_states(index, SEED)
    assert [f"{s:08x}" for s in states] == ENTRY["s"]
    assert byte_sums(states).tolist() == ENTRY["z"]
    sigma = np.array([int(ENTRY["sigma"], 16)], np.uint32).view(np.float32)[0]
    assert hexes(initial_weights(index, scale_of(float(sigma)), SEED)) == ENTRY["w0"]


def test_plain_xorshift_vector():
    s, seen = 1, []
    for _ in range(5):
        s = scalar.xorshift(s)
        seen.append(f"{s:08X}")
    assert seen == ["00042021", "04080601", "9DCCA8C5", "1255994F", "8EF917D1"]


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=50), st.integers(0, 0xFFFFFFFF))
@settings(max_examples=100, deadline=None, database=None)
def test_regeneration_is_the_scalar_one(index, seed):
    states = index_states(np.array(index, np.uint64), seed)
    assert states.tolist() == [scalar.initial_state(i, seed) for i in index]
    assert byte_sums(states).tolist() == [scalar.weight_sum(i, seed) for i in index]


def test_the_index_that_hashes_to_zero_has_a_state():
    index = SEED * pow(0x85EBCA6B, -1, 1 << 32) % (1 << 32)
    assert scalar.initial_state(index, SEED) == scalar.initial_state(0, 0x6D2B79F5)
    assert index_states(np.array([index]), SEED).tolist() == [scalar.initial_state(index, SEED)]


def test_regenerated_weights_look_normal():
    w = initial_weights(np.arange(200_000), scale_of(1.0)).astype(np.float64)
    assert (round(w.mean(), 4), round(w.std(), 4)) == (0.0003, 1.0002)
    assert round(np.corrcoef(w[:-1], w[1:])[0, 1], 4) == -0.0003


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), min_size=1, max_size=40), st.integers(0, 45))
@settings(max_examples=200, deadline=None, database=None)
def test_exactly_t_are_kept_ties_to_the_lower_index(updates, keep):
    kept = np.flatnonzero(largest(np.array(updates, np.float32), keep))
    assert kept.tolist() == scalar.top_indices(updates, keep)


@given(st.integers(0, 1000), st.integers(0, 300))
@settings(max_examples=60, deadline=None, database=None)
def test_a_threshold_register_is_at_most_a_bin_short(seed, keep):
    updates = np.abs(np.random.default_rng(seed).standard_normal(300)).astype(np.float32)
    exponent, count = power_of_two_threshold(updates, keep)
    assert count == (updates >= 2.0**exponent).sum() <= keep
    below = (updates >= 2.0 ** (exponent - 1)).sum()
    assert keep == 300 or below > keep or exponent == -127


def dropback(shapes=((4, 5), (5,), (5, 3)), **hyper):
    policy = make_policy("dropback", {"dropback": hyper}).begin(network())
    arrays = [np.full(shape, 7.0, np.float32) for shape in shapes]
    policy.start(arrays)
    return policy, arrays


def test_start_gives_matrices_their_regenerated_weights():
    _, (w, b, v) = dropback()
    assert hexes(w) == hexes(initial_weights(np.arange(20), scale_of(1 / 4**0.5)))
    assert hexes(v) == hexes(initial_weights(np.arange(25, 40), scale_of(1 / 5**0.5)))
    assert (b == 7).all()


def test_start_takes_its_seed_and_deviation_from_the_flags():
    _, (w, _, _) = dropback(init_seed=7, sigma=3.0)
    assert hexes(w) == hexes(initial_weights(np.arange(20), scale_of(3 / 4**0.5), 7))


def test_updates_count_from_the_initial_values_as_they_have_decayed():
    policy, arrays = dropback(shapes=((4, 5),), keep=1 / 20, decay=0.5)
    start = arrays[0].copy()
    arrays[0][0, 0] += np.float32(1e-3)
    moved = np.abs(arrays[0] - start * np.float32(0.5)).reshape(-1)
    policy.reset(arrays)
    assert np.flatnonzero(policy.tracked).tolist() == [moved.argmax()] != [0]


def test_reset_keeps_the_furthest_and_regenerates_the_rest():
    policy, arrays = dropback(keep=4 / 40)
    start = [array.copy() for array in arrays]
    arrays[0][1, 2] += 3.0
    arrays[0][3, 4] -= 2.0
    arrays[2][4, 2] += 0.5
    arrays[2][0, 0] += 0.25
    arrays[1][:] = [0, 0, 0.5, 0, 9]  # a vector counts from 0
    policy.reset(arrays)
    assert arrays[1].tolist() == [0, 0, 0.5, 0, 9]
    moved = [(array != before) for array, before in zip(arrays, start, strict=True)]
    assert [np.argwhere(m).tolist() for m in moved[::2]] == [[[1, 2], [3, 4]], []]
    assert policy.tracked.sum() == policy.kept == 4
    assert policy.storage_bits() == {"dense": 40 * 32, "values": 4 * 32, "indexed": 4 * (32 + 6)}


def test_a_frozen_set_stays():
    policy, arrays = dropback(shapes=((4, 5), (5, 3)), keep=1 / 35, freeze=1)
    arrays[0][0, 0] += 1.0
    policy.reset(arrays)
    policy.on_epoch(1.0)
    arrays[0][1, 1] += 50.0
    policy.reset(arrays)
    assert np.flatnonzero(policy.tracked).tolist() == [0]
    assert hexes(arrays[0].reshape(-1)[6:7]) == hexes(initial_weights(np.arange(6, 7), scale_of(0.5)))


def test_initial_values_decay_to_true_zeros():
    policy, arrays = dropback(keep=1 / 40, decay=0.5)
    arrays[0][0, 0] += 1.0
    before = arrays[2].copy()
    policy.reset(arrays)
    assert hexes(arrays[2]) == hexes(before * np.float32(0.5))
    for _ in range(200):
        policy.reset(arrays)
    assert np.count_nonzero(arrays[2]) == 0


def test_resume_is_exact():
    policy, arrays = dropback(keep=0.3, freeze=0, decay=0.9)
    for _ in range(3):
        for array in arrays:
            array += np.float32(0.1) * np.arange(array.size, dtype=np.float32).reshape(array.shape)
        policy.reset(arrays)
    other, _ = dropback(keep=0.3, freeze=0, decay=0.9)
    other.load_state(policy.state_dict())
    copies = [array + np.float32(1) for array in arrays]
    for array in arrays:
        array += np.float32(1)
    policy.reset(arrays)
    other.reset(copies)
    assert [hexes(a) for a in arrays] == [hexes(b) for b in copies]


def test_another_model_is_refused():
    policy, _ = dropback()
    with pytest.raises(ValueError, match="3 weights: 40"):
        policy.reset([np.zeros(3, np.float32)])
