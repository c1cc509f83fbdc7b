"""Cutting values to containers: worked vectors, the scalar twin, and the codec that stores the result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies_support import VECTORS, floats, hexes, patterns

from golden import gecko
from golden.policies import scalar
from golden.policies.containers import bias_of, finite_difference, lowest_exponent_bits, offset, truncate, window

BITS = settings(max_examples=200, deadline=None, database=None)
SPECIAL = (0, 1, 0x80000000, 0x007FFFFF, 0x00800000, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001)
PATTERNS = st.lists(st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from(SPECIAL)), min_size=1, max_size=20)
FINITE = st.lists(st.integers(0, 0xFFFFFFFF).filter(lambda p: p >> 23 & 0xFF < 255), min_size=1, max_size=20)


@pytest.mark.parametrize(("n", "expected"), list(zip(VECTORS["qm"]["n"], VECTORS["qm"]["Q"], strict=True)))
def test_mantissas_are_masked(n, expected):
    assert hexes(truncate(floats(VECTORS["qm"]["x"]), n)) == expected


@pytest.mark.parametrize(("floor", "expected"), VECTORS["qm"]["dLdn"].items())
def test_gradient_to_the_length(floor, expected):
    x, dq = floats(VECTORS["qm"]["x"]), np.array(VECTORS["qm"]["dLdQ"], np.float32)
    assert finite_difference(lambda n: truncate(x, n), int(floor), 23, dq) == expected


def test_no_gradient_at_full_length():
    x = floats(VECTORS["qm"]["x"])
    assert finite_difference(lambda n: truncate(x, n), 7, 7, x) == 0.0


@pytest.mark.parametrize(("k", "expected"), list(zip(VECTORS["qe_max"]["k"], VECTORS["qe_max"]["Q"], strict=True)))
def test_window_below_the_maximum(k, expected):
    entry = VECTORS["qe_max"]
    x = floats(entry["x"])
    assert bias_of(x) == entry["B"]
    assert hexes(window(x, k)) == expected


def test_window_with_an_old_bias_saturates():
    entry = VECTORS["qe_max"]
    assert hexes(window(floats(entry["x"]), entry["k_stale"], bias=entry["stale_B"])) == entry["Q_stale"]


@BITS
@given(PATTERNS, st.integers(0, 23))
def test_truncation_is_the_scalar_one(given_patterns, n):
    assert patterns(truncate(floats(given_patterns), n)) == scalar.truncate(given_patterns, n)


@BITS
@given(PATTERNS, st.integers(2, 8), st.sampled_from(["max", "sym"]), st.one_of(st.none(), st.integers(-126, 127)))
def test_windows_are_the_scalar_ones(given_patterns, k, mode, bias):
    assert patterns(window(floats(given_patterns), k, mode, bias)) == scalar.window(given_patterns, k, mode, bias)


@BITS
@given(FINITE, st.integers(1, 8), st.integers(0, 23), st.sampled_from(["max", "sym"]))
def test_a_cut_tensor_fits_its_container(given_patterns, k, n, mode):
    """What a policy decides is what the Gecko hardware is told: off, ne and wm describe the cut tensor without loss."""
    k = max(k, lowest_exponent_bits(mode))
    x = floats(given_patterns)
    cut = truncate(window(x, k, mode), n)
    facts = {"exponent_bits": k, "offset": offset(k, mode, bias_of(x)), "mantissa_bits": n}
    d = gecko.choose(cut.view(np.uint32), gecko.Source.FP32, **facts)
    kept = gecko.decode(gecko.encode(cut.view(np.uint32), d)).bits
    assert kept.tolist() == patterns(cut)


@BITS
@given(FINITE, st.integers(1, 8))
def test_windows_are_idempotent_and_grow(given_patterns, k):
    x = floats(given_patterns)
    once = window(x, k)
    assert patterns(window(once, k)) == patterns(once)
    if k < 8:
        wider = window(x, k + 1)
        assert all(a in (0, b) for a, b in zip(patterns(once), patterns(wider), strict=True))


@pytest.mark.parametrize("k", range(2, 8))
def test_offsets_put_one_where_the_window_has_it(k):
    """Code = field - off: 2^k - 1 for a tensor whose maximum is 1; IEEE's bias in a window around 0."""
    assert [(127 - offset(k, mode, 0)) % 256 for mode in ("max", "sym")] == [2**k - 1, 2 ** (k - 1) - 1]
    assert offset(8, "sym", 0) == offset(8, "max", 5) == 0


def test_nan_survives_any_length():
    x = floats([0x7F800001, 0x3F800000])
    assert hexes(truncate(x, 0)) == ["7fc00000", "3f800000"]
    assert hexes(window(x, 2)) == hexes(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: truncate(x, 24), "mantissa bits 24: 0..23"),
        (lambda x: window(x, 1, "sym"), "exponent bits 1: 2..8 with window sym"),
        (lambda x: window(x, 9), "exponent bits 9: 1..8"),
        (lambda x: window(x, 3, "min"), "window 'min': one of max, sym"),
    ],
)
def test_illegal_widths(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(3, np.float32))
