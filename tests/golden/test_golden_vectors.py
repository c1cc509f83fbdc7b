"""Every worked example of the specification that concerns BFP."""

import numpy as np
import pytest
from golden_support import VECTORS, floats, patterns, tensor

import golden
from golden import reference
from golden.catalog import bfp
from golden.products import block_sums
from golden.scales import shared_exponents
from golden.words import counter_words, lane_words

HBFP = VECTORS["hbfp"]
PACKED = [entry for entry in VECTORS["packed"] if entry["fmt"] == "hbfp"]
DOTS = [entry for entry in VECTORS["dot"] if entry["fmt"].startswith("hbfp")]
RULES = {"A": "emulator", "B": "floor"}


def test_all_entries_are_here():
    assert (len(HBFP), len(PACKED), len(DOTS), len(VECTORS["rule_A_E1"])) == (18, 20, 10, 14)


@pytest.mark.parametrize("entry", HBFP)
def test_hbfp(entry):
    x = tensor(entry["input"])
    fmt = bfp(entry["m"] + 1, len(x))
    q = golden.quantize(x, fmt, scale_rule=RULES[entry["rule"]])
    assert q.exponents.tolist() == [entry["E1"]]
    assert q.mantissas.tolist() == [entry["M"]]
    scalar = reference.quantize(patterns(x), fmt, scale_rule=RULES[entry["rule"]])
    assert (scalar.scale, scalar.codes) == (q.scales[0], q.codes[0].tolist())


@pytest.mark.parametrize("entry", PACKED)
def test_packed(entry):
    x = tensor(entry["input"])
    fmt = bfp(entry["m"] + 1, len(x), entry["we"])
    q = golden.quantize(x, fmt, scale_rule=entry.get("rule", "floor"))
    assert fmt.bits == entry["width"]
    assert q.poison.tolist() == [entry["E1"] == "poison"]
    assert q.mantissas.tolist() == [entry["M"]]
    if entry["E1"] != "poison":
        assert q.exponents.tolist() == [entry["E1"]]
    image = q.to_bits()
    assert image.shape == (1, fmt.bytes)
    assert int.from_bytes(image.tobytes(), "little") == int(entry["bits"], 16)
    back = golden.from_bits(image, fmt, x.shape)
    assert patterns(back.dequantize()) == patterns(q.dequantize())
    assert reference.pack(reference.quantize(patterns(x), fmt, scale_rule=entry.get("rule", "floor"))) == int(
        entry["bits"], 16
    )


@pytest.mark.parametrize("entry", DOTS)
def test_dot(entry):
    widths = [int(word[2:]) + 1 for word in entry["fmt"].split() if word.startswith("m=")]
    x, y = tensor(entry["a"]), tensor(entry["b"])
    a = golden.quantize(x, bfp(widths[0], len(x)))
    b = golden.quantize(y, bfp(widths[-1], len(y)))
    sums, exponents, poison = block_sums(a, b)
    if entry["sum"] == "poison":
        assert (sums[0], exponents[0], poison[0]) == (0, 0, True)
    else:
        assert (sums[0], poison[0]) == (entry["sum"], False)
    assert patterns(golden.block_dot(a, b)) == [int(entry["result"], 16)]
    assert patterns(golden.dot(a, b)) == [int(entry["result"], 16)]


def test_sr_lanes():
    entry = VECTORS["sr"]
    words = lane_words(2, entry["block"], entry["lanes"], entry["R"], int(entry["seed"], 16))
    assert [f"{word:02x}" for word in words.ravel()] == entry["words"]
    x = np.concatenate([tensor("A[0:8]")] * 2)
    q = golden.quantize(x, bfp(entry["m"] + 1, entry["block"]), rounding="sr", random=words.ravel())
    assert q.exponents.tolist() == entry["E1"]
    assert q.mantissas.tolist() == entry["M"]


@pytest.mark.parametrize("step", VECTORS["sr_counter"]["steps"])
def test_sr_counter(step):
    entry = VECTORS["sr_counter"]
    expected = [int(word, 16) for word in entry["steps"][step]]
    assert counter_words(entry["tensor"], int(step), len(expected), entry["seed"]).tolist() == expected


@pytest.mark.parametrize(("pattern", "exponent"), VECTORS["rule_A_E1"])
def test_emulator_exponent(pattern, exponent):
    assert shared_exponents(np.array([int(pattern, 16)], np.uint32), bfp(4), "emulator").tolist() == [exponent]


@pytest.mark.parametrize("entry", VECTORS["cast"])
def test_narrow_inputs_are_widened_exactly(entry):
    import ml_dtypes

    dtype = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp64": np.float64}[entry["from"]]
    width = np.dtype(dtype).itemsize
    x = np.array([int(entry["x"], 16)], f"u{width}").view(dtype)
    wide = floats([int(entry["fp32"], 16)])
    fmt = bfp(16, 1)
    assert golden.quantize(x, fmt).to_bits().tolist() == golden.quantize(wide, fmt).to_bits().tolist()


# formats.md 1.7, typed from its tables in decimal
X = [1.0, -0.75, 0.5, 0.3, -0.1, 0.0625, 0.015625, 0]
A = [1, -0.75, 0.5, 0.3, -0.1, 0.0625, 0.015625, 0, 2.5, -1.9, 0.33, 0.2, -0.7, 0.9, 3.99, -0.001]
B = [0.11, 0.22, -0.33, 0.44, -0.55, 0.66, 0.77, -0.88, 0.99, -1.01, 0.012, 0.024, -0.4, 0.8, -0.16, 0.05]


@pytest.mark.parametrize(
    ("m", "rule", "exponent", "mantissas"),
    [
        (3, "A", 0, [7, -6, 4, 2, -1, 0, 0, 0]),
        (3, "B", 1, [4, -3, 2, 1, 0, 0, 0, 0]),
        (5, "A", 0, [31, -24, 16, 10, -3, 2, 0, 0]),
        (5, "B", 1, [16, -12, 8, 5, -2, 1, 0, 0]),
        (7, "A", 0, [127, -96, 64, 38, -13, 8, 2, 0]),
        (7, "B", 1, [64, -48, 32, 19, -6, 4, 1, 0]),
    ],
)
def test_worked_conversion(m, rule, exponent, mantissas):
    q = golden.quantize(X, bfp(m + 1, 8), scale_rule=RULES[rule])
    assert (q.exponents.tolist(), q.mantissas.tolist()) == ([exponent], [mantissas])


def test_worked_ties():
    q = golden.quantize([1.0, 0.125, 0.375, 0.625, 0.875, -0.125], bfp(4, 6))
    assert q.mantissas.tolist() == [[4, 0, 2, 2, 4, 0]]


@pytest.mark.parametrize(("mantissa", "total", "result"), [(4, 36, 4.5), (6, 589, 4.6015625), (8, 9830, 4.7998046875)])
def test_worked_dot(mantissa, total, result):
    a, b = (golden.quantize(x, bfp(mantissa, 16)) for x in (A, B))
    assert (a.exponents.tolist(), b.exponents.tolist()) == ([2], [1])
    assert block_sums(a, b)[0].tolist() == [total]
    assert golden.dot(a, b) == result


def test_worked_emulator_is_not_idempotent():
    """formats.md 1.2: converting twice, as the emulator's weights are, moves values; the default rule does not."""
    x, fmt = [0.51, 0.26, 0.1, -0.4], bfp(4, 4)
    once = golden.quantize(x, fmt, scale_rule="emulator").dequantize()
    assert once.tolist() == [0.5, 0.25, 0.125, -0.375]
    assert golden.quantize(once, fmt, scale_rule="emulator").dequantize().tolist() == [0.4375, 0.25, 0.125, -0.375]


def test_worked_emulator_flushes_small_blocks():
    fmt = bfp(4, 2)
    q = golden.quantize([2.0**-30, -(2.0**-31)], fmt, scale_rule="emulator")
    assert (q.exponents.tolist(), q.mantissas.tolist()) == ([-26], [[0, 0]])
    assert golden.quantize([1e-9], bfp(4, 1)).exponents.tolist() == [-29]
