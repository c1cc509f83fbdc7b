"""The cocotb bench on good units, on planted bugs and on manifests that lie; the command line around it."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tb_support import require_verilator

import golden
from golden.catalog import get_format
from hdl.registry import make_config
from tb.__main__ import main
from tb.chain import Chain, Compared, Difference, Golden
from tb.digits import DATA, run_format
from tb.regression import Settings, emitted, run_unit

ROOT = Path(__file__).parent.parent.parent
QUICK = Settings(seed=5, initial_seeds=(1, 2), vectors=40)

GOOD = [
    {"unit": "dot", "format": "bfp2x1", "pipeline": 0},
    {"unit": "dot", "format": "bfp3x3", "accumulate": "fp32", "contexts": 3, "pipeline": 3},
    {"unit": "quantize", "format": "bfp4x8", "rounding": "sr", "lanes": 2, "pipeline": 0},
    {"unit": "dequantize", "format": "bfp4x8e9", "lanes": 4},
    {"unit": "tile", "format": "bfp4x4"},
]


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_verilator()


def small():
    return emitted(make_config(**GOOD[0]))


def check(verilog, manifest, **changes):
    return run_unit(verilog, manifest | changes, Settings(seed=5, initial_seeds=(3,), vectors=30), "python -m tb")


def failed(outcome, test):
    """The complaint of one test, "" if it passed."""
    (text,) = (text for name, text in outcome.tests.items() if name.startswith(test))
    return text


@pytest.mark.parametrize("options", GOOD, ids=lambda o: make_config(**o).name)
def test_unit_passes_and_hits_every_point(options):
    verilog, manifest = emitted(make_config(**options))
    outcome = run_unit(verilog, manifest, QUICK, "python -m tb")
    assert outcome.failures == []
    assert outcome.passed
    # corners, nine cells, latency, reset, ready: under two seeds, and the test points
    assert len(outcome.tests) == 2 * (1 + 9 + 1 + 1 + 1) + 1
    assert outcome.vectors > 2 * 9 * QUICK.vectors
    assert outcome.cycles > outcome.vectors
    again = run_unit(verilog, manifest, QUICK, "python -m tb")
    assert not again.built
    assert (again.vectors, again.cycles, again.testpoints) == (outcome.vectors, outcome.cycles, outcome.testpoints)


def wrapped(verilog, manifest, body):
    """The unit as `inner` in a module of its own name that lets a bug in."""
    top = manifest["top"]
    ports = {port["name"]: port for port in manifest["ports"]}
    declared = ",\n".join(
        f"{p['direction']} [{p['width'] - 1}:0] {name}" if p["width"] > 1 else f"{p['direction']} {name}"
        for name, p in ports.items()
    )
    wires = "\n".join(f"wire [{ports[name]['width'] - 1}:0] n_{name};" for name in ports)
    connections = ", ".join(f".{name}(n_{name})" for name in ports)
    return (
        re.sub(rf"\b{top}(?=\b|_)", "inner", verilog)
        + f"\nmodule {top}({declared});\n{wires}\ninner inner({connections});\nassign n_clk = clk;\n{body}\nendmodule\n"
    )


STRAIGHT = {
    "n_rst": "rst",
    "n_i__payload": "i__payload",
    "n_i__valid": "i__valid",
    "i__ready": "n_i__ready",
    "n_o__ready": "o__ready",
    "o__valid": "n_o__valid",
    "o__payload": "n_o__payload",
}


def body(declarations="", **changes):
    return declarations + "\n".join(f"assign {name} = {value};" for name, value in (STRAIGHT | changes).items())


def test_unstable_payload_combinational_ready_and_hang_are_caught_apart():
    verilog, manifest = small()
    declarations = """
        reg stalled; reg [5:0] count;
        always @(posedge clk) stalled <= ~rst & o__valid & ~o__ready;
        always @(posedge clk) count <= rst ? 0 : count + {5'b0, o__valid & o__ready};
        wire stuck = count >= 36;
    """
    bug = body(
        declarations,
        o__valid="n_o__valid & ~stuck",
        n_o__ready="o__ready & ~stuck",
        o__payload="n_o__payload ^ {31'b0, stalled}",
        i__ready="n_i__ready & (o__ready | ~n_o__valid)",
        n_i__valid="i__valid & (o__ready | ~n_o__valid)",
    )
    outcome = check(wrapped(verilog, manifest, bug), manifest)
    assert "no transfer for 4000 cycles: stream o gave 36 of" in failed(outcome, "corners_at_full_rate")
    assert failed(outcome, "matrix/idle=never/backpressure=never") == ""
    for idle in ("never", "coin", "bursts"):
        assert "stream o changed its payload to" in failed(outcome, f"matrix/idle={idle}/backpressure=coin")
    assert "followed o__ready" in failed(outcome, "ready_is_registered")
    assert "does not name that path" in failed(outcome, "ready_is_registered")
    assert failed(check(verilog, manifest), "ready_is_registered") == ""


def test_wrong_bit_and_reset_that_does_not_clear_are_caught_apart():
    verilog, manifest = small()
    declarations = """
        reg [7:0] count; reg [15:0] age = 0; reg once = 0;
        always @(posedge clk) begin
            count <= rst ? 0 : count + {7'b0, o__valid & o__ready};
            if (rst) once <= 1;
            if (once) age <= age + {15'b0, ~&age};
        end
    """
    # wrong: the 38th output after a reset; deaf: resets from the 100th cycle of the simulation on
    bug = body(declarations, o__payload="n_o__payload ^ {31'b0, count == 37}", n_rst="rst & (age < 100)")
    outcome = check(wrapped(verilog, manifest, bug), manifest)
    story = failed(outcome, "corners_at_full_rate")
    assert "output transfer 37 differs" in story
    assert "seed 5, initial-value seed 3" in story
    assert "input transfer 37, which completes it:" in story
    assert "a.mantissa = [" in story
    assert "expected" in story
    assert "(0x" in story
    assert "to repeat it: python -m tb --seed 5 --initial-seed 3 --vectors 30" in story
    assert "output valid right after reset" in failed(outcome, "reset_in_mid_stream")
    assert "differs" in outcome.log
    assert outcome.tests["test points"] == ""  # a run that ended early is no news about them


@pytest.mark.parametrize(
    ("test", "complaint", "lie"),
    [
        ("latency", "the manifest says 7", {"latency": 7}),
        ("corners_at_full_rate", "the manifest says 2", {"throughput": {"transfers": 1, "cycles": 2}}),
        ("ready_is_registered", "the manifest names", {"combinational_paths": [["o__ready", "i__ready"]]}),
    ],
)
def test_a_manifest_that_lies_is_caught(test, complaint, lie):
    verilog, manifest = small()
    outcome = check(verilog, manifest, **lie)
    assert complaint in failed(outcome, test)
    assert sum(bool(text) for text in outcome.tests.values()) == 1


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_command_line_writes_reports(tmp_path, jobs):
    files = {"--junit": tmp_path / "out" / "j.xml", "--json": tmp_path / "r.json"}
    words = ["--only", "dot_bfp_m2_b1_p0", "--vectors", "30", "--seed", "9", "-j", jobs]
    words += [str(word) for pair in files.items() for word in pair]
    done = subprocess.run([sys.executable, "-m", "tb", *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 passed, 0 failed" in done.stdout
    assert "[1/1] pass  dot_bfp_m2_b1_p0" in done.stderr
    record = json.loads(files["--json"].read_text())
    (entry,) = record["configurations"]
    assert entry["passed"] is True
    assert entry["seed"] == record["seed"] == 9
    assert entry["testpoints"]["poison in a"] > 0
    assert {"vectors", "cycles", "build_seconds", "run_seconds", "config"} <= entry.keys()
    suite = ElementTree.parse(files["--junit"]).getroot().find("testsuite")
    assert int(suite.get("tests")) == len(suite.findall("testcase")) == 3 * 13 + 1
    assert suite.get("failures") == "0"


def test_command_line_checks_any_verilog_of_a_manifest(tmp_path, capsys):
    verilog, manifest = small()
    lie = dict(manifest, latency=7)
    (tmp_path / "unit.json").write_text(json.dumps(lie))
    (tmp_path / "other.v").write_text(verilog)
    words = ["--manifest", str(tmp_path / "unit.json"), "--verilog", str(tmp_path / "other.v")]
    assert main([*words, "--initial-seed", "2", "--vectors", "20", "--junit", str(tmp_path / "j.xml"), "-q"]) == 1
    captured = capsys.readouterr()
    assert "the manifest says 7" in captured.err
    assert f"to repeat it: python -m tb --manifest {words[1]} --verilog {words[3]} --seed 1" in captured.err
    assert "failed: dot_bfp_m2_b1_p0" in captured.out
    failures = ElementTree.parse(tmp_path / "j.xml").getroot().iter("failure")
    assert ["the manifest says 7" in failure.text for failure in failures] == [True]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--seed", "-1"], "--seed -1: 0.."),
        (["--verilog", "x.v"], "--verilog needs --manifest"),
        (["--manifest", "nowhere.json"], "nowhere.json: no such file"),
        (["--mantissa", "7"], "no configuration matches"),
        (["--unit", "adder"], "invalid choice"),
    ],
)
def test_usage_errors_exit_with_2(words, complaint, capsys):
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1


def test_a_manifest_that_is_none_is_a_usage_error(tmp_path, capsys):
    (tmp_path / "unit.json").write_text("{}")
    (tmp_path / "unit.v").write_text("module unit; endmodule")
    assert main(["--manifest", str(tmp_path / "unit.json")]) == 2
    assert "schema" in capsys.readouterr().err


def test_verilog_that_does_not_compile_is_a_failing_tool(tmp_path, capsys):
    (tmp_path / "unit.json").write_text(json.dumps(small()[1]))
    (tmp_path / "unit.v").write_text("module unit; this is not Verilog")
    assert main(["--manifest", str(tmp_path / "unit.json")]) == 3
    error = capsys.readouterr().err
    assert "verilator" in error
    assert "Traceback" not in error


def test_list_filters(capsys):
    assert main(["--list", "--unit", "tile", "--block", "25"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names
    assert all(name.startswith("tile_") and "_b25" in name for name in names)


def test_units_of_any_format_are_chained():
    """Every bit is compared on the way: Difference is raised at the first wrong one."""
    name = "mxfp4"
    x, w = (np.random.default_rng(1).standard_normal((rows, 80), np.float32) for rows in (3, 4))
    chain = Chain(name)
    compared = Compared(chain, Golden(name))
    sums = compared.product(compared.quantize(x), compared.quantize(w))
    assert compared.dequantize(compared.quantize(sums)).shape == (3, 4)
    blocks = -(-80 // get_format(name).block)
    assert chain.passed == {"quantize": (3 + 4) * blocks + 3, "dot": 3 * 4 * blocks, "dequantize": 3}


def test_a_wrong_microexponent_is_a_difference():
    blocks = golden.quantize(np.ones((1, 16), np.float32), "mx9")
    other = replace(blocks, microexponents=blocks.microexponents ^ 1)

    class One:
        def __init__(self, made):
            self.quantize = lambda x: made

    with pytest.raises(Difference, match=r"microexponent\[0, 0, 0\] is 0x1"):
        Compared(One(other), One(blocks)).quantize(None)


def test_real_tensors_pass_and_a_wrong_bit_does_not(monkeypatch):
    with np.load(DATA) as file:
        tensors = dict(file)
    tensors["test_images"], tensors["test_labels"] = tensors["test_images"][:60], tensors["test_labels"][:60]
    result = run_format("bfp4x16", tensors)
    assert result["correct_rtl"] == result["correct_golden"] > 50
    assert result["correct_fp32"] > 50
    assert result["bits_compared"] > 3_000_000

    right = Chain.product

    def product(self, a, b):
        sums = right(self, a, b)
        sums.view(np.uint32)[3, 5] ^= 1
        return sums

    monkeypatch.setattr(Chain, "product", product)
    with pytest.raises(Difference, match=r"bfp4x16, layer 1, x w: sum\[3, 5\] is 0x"):
        run_format("bfp4x16", tensors)
