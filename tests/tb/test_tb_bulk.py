"""Bulk driver and compiled lanes: a unit with two inputs and switchable faults, and a generated dot product."""

import dataclasses
import json
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tb_support import require_compiler, require_verilator

from hdl.emit import emit
from hdl.registry import make_config
from tb import bulk_check, lanes
from tb.build import build_bulk, native_lanes
from tb.bulk import Bulk, BulkError
from tb.manifest import Manifest

# o = a + b lane by lane (7 lanes of 11 bits from 10), through one register; `fault` plants what a unit must not do.
ADDER = """
module adder(input clk, input rst, input [2:0] fault,
  input [69:0] a__payload, input a__valid, output a__ready, input [69:0] b__payload, input b__valid, output b__ready,
  output [76:0] o__payload, output o__valid, input o__ready, input [69:0] x, output [69:0] y);
  reg [76:0] sum; reg full; reg [7:0] count, waited; reg [2:0] lost;
  wire take = a__valid & b__valid & (o__ready & o__valid | ~full) & ~(fault == 1 & count == 10);
  wire extra = fault == 4 & count == 20;
  assign a__ready = take, b__ready = take;
  assign o__valid = full & ~(fault == 2 & waited == 3);
  assign o__payload = sum ^ {76'd0, fault == 3 & waited == 2} ^ {74'd0, lost & {3{fault == 5}}};
  assign y = ~x;
  always @(posedge clk) begin
    waited <= full & ~o__ready ? waited + 1 : 0;
    if (take) begin
      sum <= {{1'b0, a__payload[69:60]} + {1'b0, b__payload[69:60]},
        {1'b0, a__payload[59:50]} + {1'b0, b__payload[59:50]},
        {1'b0, a__payload[49:40]} + {1'b0, b__payload[49:40]}, {1'b0, a__payload[39:30]} + {1'b0, b__payload[39:30]},
        {1'b0, a__payload[29:20]} + {1'b0, b__payload[29:20]}, {1'b0, a__payload[19:10]} + {1'b0, b__payload[19:10]},
        {1'b0, a__payload[9:0]} + {1'b0, b__payload[9:0]}};
      full <= 1; count <= count + 1;
    end else if (o__ready & o__valid) begin full <= extra; if (extra) count <= 21; end
    if (rst) begin full <= 0; count <= 0; waited <= 0; end
  end
endmodule
"""


def port(name, direction, width, role, stream=None, lanes_=0):
    w = width // lanes_ if lanes_ else 0
    fields = [{"name": f"v[{k}]", "lsb": k * w, "width": w, "encoding": "unsigned"} for k in range(lanes_)]
    return {"name": name, "direction": direction, "width": width, "role": role, "stream": stream, "fields": fields}


def stream(name, direction, width):
    other = "output" if direction == "input" else "input"
    return [
        port(f"{name}__payload", direction, width, "payload", name, 7),
        port(f"{name}__valid", direction, 1, "valid", name),
        port(f"{name}__ready", other, 1, "ready", name),
    ]


def manifest(ports, clock):
    reset = {"name": "rst", "kind": "synchronous", "active": "high"} if clock else None
    rest = {"schema": "narrowgauge-manifest-1", "command": "", "config": {"unit": "adder"}, "sha256": ""}
    rest |= {"latency": 1, "throughput": {"transfers": 1, "cycles": 1}, "top": "adder", "clock": clock, "reset": reset}
    return Manifest.from_dict({"ports": ports, **rest})


STREAMS = manifest(
    [
        port("clk", "input", 1, "clock"),
        port("rst", "input", 1, "reset"),
        port("fault", "input", 3, "data"),
        *stream("a", "input", 70),
        *stream("b", "input", 70),
        *stream("o", "output", 77),
    ],
    "clk",
)


CLOCKED = [port("clk", "input", 1, "clock"), port("rst", "input", 1, "reset")]


@pytest.fixture(scope="module")
def adder():
    require_verilator()
    return build_bulk(ADDER, STREAMS, optimize=False)


@pytest.fixture(scope="module")
def operands():
    rng = np.random.default_rng(1)
    return {s: {"v": rng.integers(0, 1024, (500, 7), np.uint16)} for s in "ab"}


def total(operands):
    return operands["a"]["v"] + operands["b"]["v"]


@pytest.mark.parametrize("stall", [0.0, 0.4, {"a": 0.9, "b": 0.0, "o": 0.0}, {"a": 0.0, "b": 0.0, "o": 0.9}])
def test_two_streams_meet_under_any_stall(adder, operands, stall):
    with Bulk(adder) as unit:
        for _ in range(2):  # the second run goes on without a reset
            run = unit.run(operands, {"o": 500}, stall=stall, timed=True)
            np.testing.assert_array_equal(run.outputs["o"]["v"], total(operands))
        assert run.transfers["o"].tolist() == sorted(run.transfers["o"])
        assert (run.transfers["o"] > run.transfers["a"]).all()
        assert run.cycles == run.transfers["o"][-1] + 1
        assert (run.cycles == 501) == (stall == 0.0)


def test_stalls_follow_their_seed(adder, operands):
    with Bulk(adder) as unit:
        cycles = [unit.run(operands, {"o": 500}, stall=0.4, seed=s).cycles for s in (1, 1, 2)]
    assert cycles[0] == cycles[1] != cycles[2]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (1, r"hangs: no transfer for 50 cycles .*\(a: 10 of 500; b: 10 of 500; o: 10 of 500\)"),
        (2, "stream o withdrew valid before it was taken"),
        (3, "stream o changed its payload before it was taken"),
    ],
)
def test_broken_stream_is_named(adder, operands, fault, words):
    with Bulk(adder) as unit:
        unit.drive("fault", fault)
        with pytest.raises(BulkError, match=words):
            unit.run(operands, {"o": 500}, stall=0.7, patience=50)
        unit.drive("fault", 0)
        unit.reset()
        np.testing.assert_array_equal(unit.run(operands, {"o": 500}).outputs["o"]["v"], total(operands))


def test_excess_output_is_named(adder, operands):
    with Bulk(adder) as unit:
        unit.drive("fault", 4)
        few = {s: {"v": operands[s]["v"][:20]} for s in "ab"}
        with pytest.raises(BulkError, match="stream o gave 1 transfers too many"):
            unit.run(few, {"o": 20})


def test_power_up_values_show(adder, operands):
    wrong = []
    for seed in (1, 2, 3, 4):
        with Bulk(adder, initial_seed=seed) as unit:
            unit.drive("fault", 5)
            wrong.append(unit.run(operands, {"o": 500}).outputs["o"]["v"][0, 0])
    assert len(set(wrong)) > 1


def test_two_models_in_two_threads(adder, operands):
    results = {}

    def work(k):
        with Bulk(adder, initial_seed=k) as unit:
            results[k] = [unit.run(operands, {"o": 500}, stall=0.1, seed=j).outputs["o"]["v"] for j in range(50)]

    threads = [threading.Thread(target=work, args=(k,)) for k in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in (1, 2):
        for got in results[k]:
            np.testing.assert_array_equal(got, total(operands))


def test_wrong_arguments_are_named(adder, operands):
    with Bulk(adder) as unit:
        with pytest.raises(ValueError, match=r"streams \['a'\], the unit has \['a', 'b'\]"):
            unit.run({"a": operands["a"]}, {"o": 1})
        with pytest.raises(ValueError, match=r"stall 1\.0"):
            unit.run(operands, {"o": 500}, stall=1.0)
        with pytest.raises(ValueError, match="bits above its 70"):
            unit.run_rows({s: np.full((1, 9), 255, np.uint8) for s in "ab"}, {"o": 1})
        with pytest.raises(ValueError, match=r"fault 8: 0\.\.7"):
            unit.drive("fault", 8)
    with pytest.raises(ValueError, match="initial_seed 0"):
        Bulk(adder, initial_seed=0)
    other = manifest([*CLOCKED, port("absent", "input", 1, "data")], "clk")
    with pytest.raises(BulkError, match="no port absent"):
        Bulk(dataclasses.replace(adder, manifest=other))


def test_data_ports_without_clock(adder):
    combinational = manifest([port("x", "input", 70, "data"), port("y", "output", 70, "data")], None)
    words = [0, 1, (1 << 70) - 1, 0x123456789ABCDEF01]
    with Bulk(dataclasses.replace(adder, manifest=combinational)) as unit:
        out = unit.evaluate({"x": np.array(words, object)})
    assert out["y"].tolist() == [w ^ ((1 << 70) - 1) for w in words]


@given(st.integers(1, 64), st.integers(1, 70), st.integers(0, 130), st.integers(0, 6), st.integers(0, 2**32))
def test_compiled_lanes_equal_numpy(width, count, lsb, n, seed):
    require_compiler()
    rng = np.random.default_rng(seed)
    codes = (rng.integers(0, 1 << 64, (n, count), np.uint64) >> np.uint64(64 - width)).astype(lanes.code_dtype(width))
    below = rng.integers(0, 256, (n, lanes.row_bytes(lsb + count * width)), np.uint8)
    packed, unpacked = {}, {}
    for library in (None, native_lanes()):
        lanes.accelerate(library)
        rows = below.copy()
        lanes.insert(rows, codes, lsb, width)
        packed[library] = rows
        unpacked[library] = lanes.extract(below, count, lsb, width)
    numpy, compiled = packed
    np.testing.assert_array_equal(packed[numpy], packed[compiled])
    np.testing.assert_array_equal(unpacked[numpy], unpacked[compiled])


@pytest.fixture(scope="module")
def dot():
    require_verilator()
    return emit(make_config("dot", format="bfp4x3", pipeline=1))


def test_dot_agrees_with_the_golden_model(dot, tmp_path, capsys):
    (tmp_path / "dot.json").write_text(json.dumps(dot.manifest))
    (tmp_path / "dot.v").write_text(dot.verilog)
    files = [str(tmp_path / "dot.json"), str(tmp_path / "dot.v")]
    assert bulk_check.main([*files, "--vectors", "3000", "--seed", "5", "--json", str(tmp_path / "record")]) == 0
    record = json.loads((tmp_path / "record").read_text())
    assert record["passed"]
    assert record["vectors"] >= 3000
    assert str(tmp_path) not in json.dumps(record)
    assert "vectors agree" in capsys.readouterr().out


def test_one_wrong_bit_is_shown_decoded(dot, monkeypatch):
    true = bulk_check.expected

    def one_bit_off(config, batch):
        out = {base: codes.copy() for base, codes in true(config, batch).items()}
        out["value"][17] ^= 1
        return out

    monkeypatch.setattr(bulk_check, "expected", one_bit_off)
    record = bulk_check.check(Manifest.from_dict(dot.manifest), dot.verilog, vectors=2000)
    assert not record.passed
    for words in ("seed 1, chunk 0", "1 of ", "first output 17", "input 17: a.mantissa=[", "expected value=", "got "):
        assert words in record.failure


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["absent.json", "absent.v"], "absent.json: No such file"),
        (["x", "y", "--vectors", "0"], "--vectors 0: 1.."),
        (["x", "y", "--seed", "-1"], "--seed -1: 0.."),
        (["x"], "VERILOG.v"),
        ([sys.executable, "y"], f"{sys.executable}: "),
    ],
)
def test_usage_errors_exit_2(arguments, complaint, capsys):
    assert bulk_check.main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert complaint in shown
