"""The study of real tensors counts what the codec would store."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from golden.gecko.__main__ import main
from golden.gecko.container import encode
from golden.gecko.descriptor import Mode, Source
from golden.gecko.ratios import qe_max_window
from golden.gecko.size import choose, measure
from golden.gecko.study import exponent_study, footprint_study, kind_study, tensors_of

DATA = Path(__file__).parent.parent / "data"
DIGITS = DATA / "digits.npz"


@pytest.fixture(scope="module")
def tensors():
    with np.load(DIGITS) as arrays:
        return tensors_of(arrays)


def test_takes_weights_activations_and_gradients_alone(tensors):
    assert sorted(tensors) == ["g1", "g2", "g3", "w1", "w2", "w3", "x1", "x2", "x3"]
    with pytest.raises(ValueError, match="no float32 arrays"):
        tensors_of({"w1": np.zeros(3), "labels": np.zeros(3, np.float32)})


def test_footprint_is_that_of_the_encoder(tensors):
    row = next(r for r in footprint_study({"digits": tensors}) if (r["mantissa_bits"], r["exponent_bits"]) == (2, 4))
    bits = values = 0
    for name, tensor in tensors.items():
        if name[0] in "wx":
            kept, offset = qe_max_window(tensor, Source.FP32, 4)
            d = choose(kept, Source.FP32, exponent_bits=4, offset=offset, mantissa_bits=2)
            packed = encode(kept, d)
            bits += 8 * (packed.data.nbytes + len(packed.metadata)) + 256
            values += kept.size
    assert row["gecko: bits per value"] == round(bits / values, 3)


def test_never_above_plain_and_zeros_gain_from_the_mask(tensors):
    for row in footprint_study({"digits": tensors}):
        assert (
            row["gecko, mask allowed: bits per value"] <= row["gecko: bits per value"] <= row["plain: bits per value"]
        )
    rows = {row["tensor"]: row for row in exponent_study({"digits": tensors})}
    assert rows["x1"]["zeros"] > 0.4
    assert rows["x1"]["fixed + mask"] < 0.6 < rows["x1"]["fixed"]


def test_sums_by_kind_are_those_of_all_values(tensors):
    exponents = exponent_study({"digits": tensors})
    (sums,) = (row for row in kind_study(exponents) if row["kind"] == "weights")
    cost = values = 0
    for name in ("w1", "w2", "w3"):
        bits = tensors[name]
        cost += measure(bits, choose(bits, Source.FP32, mode=Mode.DELTA)).exponent_cost
        values += bits.size
    assert (sums["network"], sums["values"]) == ("digits", values)
    assert sums["delta"] == round(cost / values / 8, 3)


def test_command_writes_table_and_json(tmp_path, capsys):
    assert main(["study", str(DIGITS)]) == 0
    assert "| digits | w1 | weights | 4096 |" in capsys.readouterr().out
    assert main(["study", str(DIGITS), "--json", "-o", str(tmp_path / "s.json")]) == 0
    made = json.loads((tmp_path / "s.json").read_text())
    assert made["provenance"]["command"] == "python -m golden.gecko study digits.npz --json -o s.json"
    assert len(made["exponents"]) == 9


def test_bad_file_is_one_line(tmp_path, capsys):
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"not a zip")
    assert main(["study", str(bad)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_document_is_what_the_command_writes(tmp_path):
    networks = [str(DATA / f"{name}.npz") for name in ("digits", "mnist_mlp", "mnist_lenet")]
    assert main(["study", *networks, "-o", str(tmp_path / "gecko.md")]) == 0
    written, _, speed = (DATA.parents[1] / "docs" / "gecko.md").read_text().partition("\n## Speed of the codec\n")
    assert (tmp_path / "gecko.md").read_text() == written
    assert "python tests/bench/bench_gecko.py" in speed  # measured by hand


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_lenet"])
def test_networks_are_those_of_the_script(name):
    with np.load(DATA / f"{name}.npz") as network:
        provenance, correct = json.loads(str(network["provenance"])), int(network["test_correct"])
    assert provenance["script_sha256"] == hashlib.sha256((DATA / "make_mnist.py").read_bytes()).hexdigest()
    assert correct > 0.93 * provenance["held_out"]  # trained in earnest
