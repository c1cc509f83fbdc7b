"""The exact size count is that of the real codec, every bias is priced right, and the pick is the cheapest."""

from dataclasses import replace

import numpy as np
import pytest
from gecko_support import tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.gecko import reference
from golden.gecko.bias import cheapest_bias, code_bits_by_bias
from golden.gecko.container import encode
from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source
from golden.gecko.size import candidates, choose, measure
from golden.gecko.stat import entropy, stat

RNG = np.random.default_rng(3)
GAUSS = ((RNG.standard_normal(5000) * 0.05).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
RELU = np.where(GAUSS >> 15, 0, GAUSS).astype(np.uint16)


@settings(max_examples=200, deadline=None)
@given(tensors())
def test_count_is_the_size_of_the_codec(tensor):
    bits, d = tensor
    size, container = measure(bits, d), encode(bits, d)
    assert size.coded == 8 * (container.data.nbytes + len(container.metadata))
    assert size.total == size.coded + 8 * len(d.to_bytes())
    parts = (size.sign, size.mantissa, size.exponent, size.mask, size.padding)
    assert min(parts) >= 0
    assert sum(parts) == 8 * container.data.nbytes
    assert size.metadata == 8 * len(container.metadata)


def test_parts_of_a_case_counted_by_hand():
    """13 values: two rows, the second with 5 lanes; delta, width 3 in row 1; 18 bits a lane in 2 beats (G2[0:13])."""
    d = Descriptor(source=Source.BF16, length=13, mode=Mode.DELTA, mantissa_bits=2)
    exponents = [127, 125, 123, 126, 124, 127, 125, 123, 126, 124, 127, 125, 123]
    size = measure(np.array(exponents, np.uint16) << 7, d)
    assert (size.sign, size.mantissa, size.exponent, size.mask, size.metadata) == (13, 26, 8 * 8 + 5 * 4, 0, 24)
    assert size.padding == 2 * 8 * 16 - 13 - 26 - 84


@settings(max_examples=60, deadline=None)
@given(tensors(), st.data())
def test_every_bias_is_priced_right(tensor, data):
    """Against the scalar reference, at a few biases: the lane bits of two biases differ as the prices do."""
    bits, d = tensor
    if d.mode is Mode.RAW:
        return
    prices = code_bits_by_bias(bits, d)
    picks = [int(prices.argmin()), 0, (1 << d.exponent_bits) - 1, data.draw(st.integers(0, (1 << d.exponent_bits) - 1))]
    rest = {reference.encode(bits.tolist(), replace(d, bias=b))[1] - int(prices[b]) for b in picks}
    assert len(rest) == 1
    if d.mode is Mode.FIXED:
        assert rest == {d.rows * d.tail_bits + 8 * d.zero_mask * d.groups}


@pytest.mark.parametrize("ne", range(2, 9))
@pytest.mark.parametrize(("mode", "masked"), [(Mode.FIXED, False), (Mode.FIXED, True), (Mode.DELTA, True)])
def test_all_biases_of_scattered_rows(ne, mode, masked):
    """Every bias against the codec's own count, on rows spread over the whole circle and on narrow ones."""
    rng = np.random.default_rng(ne)
    wide = rng.integers(0, 1 << ne, 300)
    narrow = (rng.integers(0, 1 << ne) + rng.integers(0, 3, 300)) % (1 << ne)
    codes = np.concatenate([wide, narrow]) * (rng.random(600) < 0.7)
    offset = 0 if ne == 8 else 30
    bits = (np.where(codes == 0, 0, codes + offset) << 7).astype(np.uint16)
    d = Descriptor(source=Source.BF16, length=600, mode=mode, exponent_bits=ne, mantissa_bits=7, offset=offset)
    d = replace(d, zero_mask=masked)
    counted = [measure(bits, replace(d, bias=b)).exponent for b in range(1 << ne)]
    prices = code_bits_by_bias(bits, d)
    assert np.ptp(8 * prices - np.array(counted)) == 0
    assert cheapest_bias(bits, d) == int(np.argmin(counted))


def test_golden_bias_of_the_vectors():
    """gecko.md 2: below 8 exponent bits b is the cheapest, the lowest of several; these two are in the vectors."""
    g5 = np.array([0, 0xBF05, 0x3F0A, 0xBF8F, 0x3F14, 0xBF19, 0x3F9E, 0], np.uint16)
    d = Descriptor(source=Source.BF16, length=8, mode=Mode.FIXED, exponent_bits=3, mantissa_bits=0, offset=120)
    assert cheapest_bias(g5, d) == 7


@settings(max_examples=150, deadline=None)
@given(tensors(), st.sampled_from([False, True, None]))
def test_pick_is_the_cheapest_and_never_above_raw(tensor, masks):
    bits, d = tensor
    facts = {
        "exponent_bits": d.exponent_bits,
        "mantissa_bits": d.mantissa_bits,
        "offset": d.offset,
        "sign_elided": d.sign_elided,
        "zero_mask": masks,
    }
    pick = choose(bits, d.source, **facts)
    costs = [measure(bits, way).coded for way in candidates(bits, d.source, **facts)]
    assert measure(bits, pick).coded == min(costs)
    raw_beats = -(-d.rows * (d.exponent_bits + d.tail_bits) // d.source.bits)
    assert measure(bits, pick).total <= 8 * raw_beats * d.beat_bytes + 256


@pytest.mark.parametrize(
    ("bits", "facts", "expected"),
    [
        (GAUSS, {}, (Mode.FIXED, False)),
        (GAUSS, {"bias": 127}, (Mode.DELTA, False)),
        (RELU, {"zero_mask": True}, (Mode.FIXED, True)),
        (RELU, {"zero_mask": None}, (Mode.FIXED, True)),
        (RELU, {"mode": Mode.DELTA, "zero_mask": None}, (Mode.DELTA, True)),
        (RELU, {"mode": Mode.RAW, "zero_mask": None}, (Mode.RAW, False)),
        (np.arange(1 << 16, dtype=np.uint16), {}, (Mode.DELTA, False)),  # two groups an exponent: widths 0
        (RNG.permutation(1 << 16).astype(np.uint16), {}, (Mode.RAW, False)),
        (GAUSS[:0], {}, (Mode.RAW, False)),  # a tie at nothing
        (GAUSS[:1], {}, (Mode.RAW, False)),
    ],
)
def test_pick(bits, facts, expected):
    d = choose(bits, Source.BF16, **facts)
    assert (d.mode, d.zero_mask) == expected


def test_sign_is_elided_where_there_is_none():
    assert not choose(GAUSS, Source.BF16, sign_elided=None).sign_elided
    assert choose(RELU, Source.BF16, sign_elided=None).sign_elided


def test_mask_and_raw_exclude_each_other():
    with pytest.raises(GeckoError, match="raw"):
        choose(RELU, Source.BF16, mode=Mode.RAW, zero_mask=True)


def test_length_is_checked():
    with pytest.raises(GeckoError, match="descriptor"):
        measure(GAUSS, Descriptor(source=Source.BF16, length=1, mantissa_bits=7))


def test_entropy():
    assert entropy(np.array([], np.uint8)) == 0
    assert entropy(np.array([7, 7, 7])) == 0
    assert entropy(np.array([0, 1, 2, 3] * 5)) == 2
    assert entropy(np.array([0, 0, 0, 1])) == pytest.approx(0.811278)


def test_report_is_the_count():
    report = stat(RELU, Source.BF16, sign_elided=None, zero_mask=None)
    assert [(w["mode"], w["zero_mask"]) for w in report["modes"][:5]] == [
        ("raw", False), ("fixed", False), ("delta", False), ("fixed", True), ("delta", True),
    ]  # fmt: skip
    best = report["modes"][report["chosen"]]
    pick = choose(RELU, Source.BF16, sign_elided=None, zero_mask=None)
    assert best == next(w for w in report["modes"] if w["total"] == measure(RELU, pick).total)
    assert best["exponent"] + best["mask"] + best["metadata"] == pytest.approx(best["exponent_ratio"] * 8 * RELU.size)
    standard = [w["zero_mask"] for w in report["modes"] if w["mode"] == "fixed" and w["bias"] == 127]
    assert standard == [False, True]
    assert report["entropy"]["sign"] == 0
    assert report["entropy"]["exponent"] * RELU.size < best["exponent"] + best["mask"] + best["metadata"]
