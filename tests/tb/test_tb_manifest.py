"""Manifest reading, and packing against an independent definition in Python integers."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb import lanes
from tb.manifest import Manifest, ManifestError
from tb.ports import decode


def array(base, lsb, width, count, encoding="unsigned"):
    return [
        {"name": f"{base}[{k}]", "lsb": lsb + k * width, "width": width, "encoding": encoding} for k in range(count)
    ]


def port(name, direction, width, role, stream=None, fields=()):
    return {
        "name": name,
        "direction": direction,
        "width": width,
        "role": role,
        "stream": stream,
        "fields": list(fields),
    }


def payload(width, fields):
    handshake = [port("i__valid", "input", 1, "valid", "i"), port("i__ready", "output", 1, "ready", "i")]
    return {
        "schema": "narrowgauge-manifest-1",
        "generator": {},
        "command": "python -m hdl.generate",
        "top": "sample",
        "clock": "clk",
        "reset": {"name": "rst", "kind": "synchronous", "active": "high"},
        "config": {"unit": "sample"},
        "ports": [
            port("clk", "input", 1, "clock"),
            port("i__payload", "input", width, "payload", "i", fields),
            *handshake,
        ],
        "latency": 1,
        "throughput": {"transfers": 1, "cycles": 1},
        "sha256": "",
    }


SAMPLE = payload(
    21, [*array("m", 0, 4, 3, "sign-magnitude"), {"name": "e", "lsb": 12, "width": 9, "encoding": "twos-complement"}]
)


def broken(change):
    data = copy.deepcopy(SAMPLE)
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema="narrowgauge-manifest-2"), "narrowgauge-manifest-2.*narrowgauge-manifest-1"),
        (lambda d: d.pop("schema"), "schema None"),
        (lambda d: d.pop("latency"), "'latency' is missing"),
        (lambda d: d["ports"].pop(), "stream 'i' has roles"),
        (lambda d: d["ports"][1]["fields"][1].update(lsb=5), "breaks the array 'm'"),
        (lambda d: d["ports"][1]["fields"][1].update(width=3), "breaks the array 'm'"),
        (lambda d: d["ports"][1].update(width=20), "outside its 20 bits"),
        (lambda d: d["ports"][1]["fields"][0].update(encoding="gray"), "encoding 'gray'"),
        (lambda d: d["ports"][0].update(role="power"), "role 'power'"),
    ],
)
def test_wrong_manifest_is_named(tmp_path, change, words):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(broken(change)))
    with pytest.raises(ManifestError, match=r"bad\.json: .*" + words):
        Manifest.load(path)


def test_not_json_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("module dot();")
    with pytest.raises(ManifestError, match=r"bad\.json"):
        Manifest.load(tmp_path / "bad.json")


def test_sample_loads(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(SAMPLE))
    m = Manifest.load(tmp_path / "m.json")
    assert (m.top, m.clock, m.reset.name, m.latency, m.throughput, m.unit) == (
        "sample",
        "clk",
        "rst",
        1,
        (1, 1),
        "sample",
    )
    assert [s.name for s in m.inputs] == ["i"]
    assert m.outputs == []
    assert list(m.streams["i"].payload.groups) == ["m", "e"]
    with pytest.raises(KeyError, match="no port 'x'; ports: clk"):
        m.port("x")


def test_text_decodes_every_encoding():
    p = Manifest.from_dict(SAMPLE).port("i__payload")
    assert p.text(p.to_int({"m": [0b1011, 0b0111, 0b1000], "e": 0x1FE})) == "m=[-3 7 -0] e=-2"
    assert decode(0x3FC00000, 32, "float", "fp32") == "1.5 (0x3fc00000)"
    assert decode(0xBF80, 16, "float", "bf16") == "-1.0 (0xbf80)"
    assert decode(0x3C00, 16, "float", "fp16") == "1.0 (0x3c00)"
    assert decode(0x7FC00000, 32, "float", "fp32") == "nan (0x7fc00000)"
    assert decode(0x8, 4, "unsigned") == "8"


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"m": np.zeros((2, 3), np.uint8)}, r"batch holds \['m'\]"),
        ({"m": np.zeros((2, 3), np.uint8), "e": np.zeros(3, np.uint16)}, "differ in number"),
        ({"m": np.zeros((2, 2), np.uint8), "e": np.zeros(2, np.uint16)}, r"shape \(2, 2\), expected \(n, 3\)"),
        ({"m": np.full((2, 3), 16), "e": np.zeros(2, np.uint16)}, r"codes 16\.\.16, legal 0\.\.15"),
        ({"m": np.full((2, 3), -1), "e": np.zeros(2, np.uint16)}, "legal 0..15"),
        ({"m": np.zeros((2, 3)), "e": np.zeros(2, np.uint16)}, "dtype float64"),
    ],
)
def test_bad_batch_is_named(batch, words):
    with pytest.raises(ValueError, match=words):
        Manifest.from_dict(SAMPLE).port("i__payload").pack(batch)


@st.composite
def layouts(draw):
    """A payload of up to four groups with gaps, its width, and random codes for a few vectors."""
    lsb, fields, batch = 0, [], {}
    n = draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for g in range(draw(st.integers(1, 4))):
        lsb += draw(st.sampled_from([0, 0, 1, 7, 64]))
        width, count = draw(st.integers(1, 80)), draw(st.integers(1, 20))
        fields += array(f"f{g}", lsb, width, count)
        lsb += width * count
        codes = np.array([int.from_bytes(rng.bytes(10), "little") >> (80 - width) for _ in range(n * count)], object)
        batch[f"f{g}"] = codes.reshape(n, count).astype(lanes.code_dtype(width))
    return payload(lsb, fields), batch


@given(layouts())
def test_pack_is_the_sum_of_shifted_codes(layout):
    data, batch = layout
    p = Manifest.from_dict(data).port("i__payload")
    n = len(next(iter(batch.values())))
    words = [
        sum(int(c) << (p.groups[b].lsb + k * p.groups[b].width) for b in batch for k, c in enumerate(batch[b][i]))
        for i in range(n)
    ]
    assert p.ints(batch) == words
    back = p.unpack(p.pack(batch))
    for base, codes in batch.items():
        assert back[base].dtype == codes.dtype
        np.testing.assert_array_equal(back[base], codes)
    for word in words:
        assert p.to_int(p.from_int(word)) == word
