"""Every worked example of the specification that concerns a format beside BFP."""

import numpy as np
import pytest
from formats_support import NVFP4, named, scalars, vector_input
from golden_support import VECTORS, floats, patterns, tensor

import golden
from golden import f25, reference
from golden.catalog import block_minifloat
from golden.formats import Rounding
from golden.products import block_sums

PACKED = [entry for entry in VECTORS["packed"] if entry["fmt"] not in ("hbfp", "NVFP4")]
DOTS = [entry for entry in VECTORS["dot"] if not entry["fmt"].startswith(("hbfp", "NVFP4"))]
ROUNDINGS = {"trunc": "rtz", "trz": "rtz", "rne": "rne", "rna": "rna"}


def test_all_entries_are_here():
    counted = {name: len(VECTORS[name]) for name in ("mx", "bdr", "msfp", "bm", "f25", "packed")}
    assert counted == {"mx": 12, "bdr": 6, "msfp": 4, "bm": 2, "f25": 4, "packed": 57}
    assert (len(PACKED), len(DOTS)) == (35, 11)


def hexes(codes):
    return [f"{code:02x}" for code in np.ravel(codes)]


def shifts(q):
    return [] if q.microexponents is None else q.microexponents[0].tolist()


def scalar(x, fmt, rounding="rne", rule="floor"):
    """The same conversion by the scalar reference, whose blocks the vectorised ones must equal."""
    rows = np.reshape(patterns(x), (-1, fmt.block)).tolist()
    return [reference.quantize(row, fmt, Rounding(rounding), rule, tensor=patterns(x)) for row in rows]


@pytest.mark.parametrize("entry", VECTORS["mx"], ids=lambda e: f"{e['fmt']}-{e['round']}")
def test_mx(entry):
    x, fmt = tensor(entry["input"]), named(entry["fmt"])
    q = golden.quantize(x, fmt, rounding=entry["round"])
    assert (q.scales.tolist(), hexes(q.codes)) == ([entry["scale"]], entry["codes"])
    assert scalars(q) == scalar(x, fmt, entry["round"])


@pytest.mark.parametrize("entry", VECTORS["bdr"], ids=lambda e: e["fmt"] + e["input"])
def test_shared_microexponents(entry):
    x, fmt = tensor(entry["input"]), named(entry["fmt"])
    q = golden.quantize(x, fmt)
    assert (q.scales.tolist(), shifts(q), q.mantissas[0].tolist()) == ([entry["E"]], entry["tau"], entry["M"])
    assert scalars(q) == scalar(x, fmt)


@pytest.mark.parametrize("entry", VECTORS["msfp"], ids=lambda e: f"{e['fmt']}-{e['round']}")
def test_msfp(entry):
    q = golden.quantize(tensor(entry["input"]), named(entry["fmt"]), rounding=ROUNDINGS[entry["round"]])
    assert (q.scales.tolist(), q.mantissas[0].tolist()) == ([entry["E"]], entry["M"])


@pytest.mark.parametrize("entry", VECTORS["bm"], ids=lambda e: f"{e['exp']},{e['man']}")
def test_block_minifloat(entry):
    x, fmt = tensor(entry["input"]), block_minifloat(entry["exp"], entry["man"], 16)
    q = golden.quantize(x, fmt)
    assert q.exponents.tolist() == [entry["S"]]
    assert [f"{pattern:08x}" for pattern in patterns(q.dequantize())] == entry["values"]
    assert scalars(q) == scalar(x, fmt)


def test_nvfp4():
    entry, x = VECTORS["nvfp4"], floats(NVFP4)
    q = golden.quantize(x, "nvfp4")
    assert patterns(q.tensor_scale) == [int(entry["s_global"], 16)]
    assert hexes(q.scales) == entry["scales"]
    assert [f"{code:x}" for code in q.codes.ravel()] == entry["codes"]
    assert scalars(q) == scalar(x, named("NVFP4"))
    packed = [entry["bits"] for entry in VECTORS["packed"] if entry["fmt"] == "NVFP4"]
    assert [int.from_bytes(block.tobytes(), "little") for block in q.to_bits()] == [int(bits, 16) for bits in packed]


def test_nvfp4_dot():
    (entry,) = (entry for entry in VECTORS["dot"] if entry["fmt"] == "NVFP4")
    q = golden.quantize(floats(NVFP4), "nvfp4")
    a, b = (golden.from_bits(q.to_bits()[i : i + 1], "nvfp4", (16,), tensor_scale=q.tensor_scale) for i in (0, 1))
    sums, exponents, _ = block_sums(a, b)
    # 1.75 * 2^8 and 1.75 * 2^6 as stored: 14 by 14, in units of 2^(8 + 6 - 2 * 3)
    assert (sums.tolist(), exponents.tolist()) == ([entry["sum"] * 14 * 14], [8 + 6 - 6 - 2])
    assert patterns(golden.block_dot(a, b)) == [int(entry["block"], 16)]
    assert patterns(golden.dot(a, b)) == [int(entry["result"], 16)]
    assert reference.dot(scalars(a), scalars(b)) == int(entry["result"], 16)


@pytest.mark.parametrize("entry", PACKED, ids=lambda e: e["fmt"] + "-" + e["bits"][:12])
def test_packed(entry):
    x, fmt = vector_input(entry), named(entry["fmt"])
    rounding, rule = ROUNDINGS[entry.get("mode", "rne")], entry.get("rule", "floor")
    q = golden.quantize(x, fmt, rounding=rounding, scale_rule=rule)
    assert fmt.bits == entry["width"]
    image = q.to_bits()
    assert image.shape == (1, fmt.bytes)
    assert int.from_bytes(image.tobytes(), "little") == int(entry["bits"], 16)
    assert scalars(q) == scalar(x, fmt, rounding, rule)
    assert [reference.pack(block) for block in scalars(q)] == [int(entry["bits"], 16)]
    assert patterns(golden.from_bits(image, fmt, x.shape).dequantize()) == patterns(q.dequantize())
    if "M" in entry:
        assert q.mantissas[0].tolist() == entry["M"]
        assert shifts(q) == entry.get("tau", [])
    if "codes" in entry:
        assert hexes(q.codes)[: len(entry["codes"])] == entry["codes"]
    assert q.scales.tolist() == [entry.get("E", entry.get("scale", q.scales[0]))]


@pytest.mark.parametrize("entry", DOTS, ids=lambda e: e["fmt"])
def test_dot(entry):
    names = entry["fmt"].split()
    x = tensor(entry["a"])
    y = tensor("V")[::-1] if entry["b"] == "V reversed" else tensor(entry["b"])
    a, b = golden.quantize(x, named(names[0])), golden.quantize(y, named(names[-1]))
    sums, exponents, poison = block_sums(a, b)
    assert (sums.tolist(), poison.tolist()) == ([entry["sum"]], [False])
    assert reference.block_sum(*scalars(a), *scalars(b)) == (entry["sum"], exponents[0], False)
    for result in (golden.block_dot(a, b), golden.dot(a, b)):
        assert patterns(result) == [int(entry["result"], 16)]


@pytest.mark.parametrize("entry", VECTORS["f25"], ids=lambda e: f"{e['fmt']}{e['sum']}")
def test_f25(entry):
    width = {"MX9": 21, "MX6": 15, "MX4": 11}[entry["fmt"]]
    aligned, unit = f25.align(np.array(entry["S"]), np.array(entry["X"]), width)
    assert (aligned.tolist(), unit) == (entry["aligned"], entry["L"])
    assert reference.f25_group(entry["S"], entry["X"], width) == (entry["aligned"], entry["L"])
    assert reference.to_fp32(sum(entry["aligned"]), entry["L"]) == int(entry["f25"], 16)
    exact = 0
    for term in zip(entry["S"], entry["X"], strict=True):
        exact = reference.fp32_add(exact, reference.to_fp32(*term))
    assert exact == int(entry["exact"], 16)


def test_stochastic_rounding():
    entry = VECTORS["sr"]["E4M3"]
    words = np.array([int(word, 16) for word in entry["words"]], np.uint8)
    q = golden.quantize(tensor(entry["input"]), "mxfp8_e4m3x8", rounding="sr", random=words)
    assert (q.scales.tolist(), hexes(q.codes)) == ([entry["scale"]], entry["codes"])


# formats.md 3.6, in decimal
@pytest.mark.parametrize(
    ("name", "values", "rounding", "codes"),
    [
        ("mxfp4", [4, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5], "rne", [6, 0, 2, 2, 4, 4, 6, 6]),
        ("mxfp4", [4, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5], "rna", [6, 1, 2, 3, 4, 5, 6, 7]),
        ("mxint8", [1.999, 1 / 128, 3 / 128, -1 / 128, 5 / 128], "rne", [0x7F, 0, 2, 0, 2]),
        ("mxint8", [1.999, 1 / 128, 3 / 128, -1 / 128, 5 / 128], "rna", [0x7F, 1, 2, 0xFF, 3]),
        ("mxfp8_e4m3", [2.0**-130], "rne", [0x20]),
        ("mxfp4", [7.9], "rne", [7]),
    ],
)
def test_worked_ties(name, values, rounding, codes):
    q = golden.quantize(values, name, rounding=rounding)
    assert q.codes[0, : len(codes)].tolist() == codes


def test_worked_f25_from_values():
    """formats.md 2.5's first group cannot come from one tensor, but its first block is A by B."""
    a, b = (golden.quantize(tensor(name), "mx9") for name in "AB")
    assert block_sums(a, b)[0].tolist() == [39359]
    assert block_sums(a, b)[1].tolist() == [-13]
    assert patterns(f25.dot_f25(a, b)) == patterns(golden.dot(a, b)) == patterns([4.8045654296875])
