"""Random bugs by Yosys's `mutate`: hundreds in one model, each switched on by a value of an extra input.

Many change nothing: a padding zero made a zero, a bit that nobody reads. What no vector catches is therefore given to
a solver, with all registers cut open: proved the same, or left over. Of the rest, some still change nothing, where no
unit ever is (a register behind a valid bit that is low), some are resets and paces that only the cocotb bench looks at;
whatever remains then is for a person to judge.
"""

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hdl.registry import make_config
from hdl.yosys import find_engine
from tb.build import build_bulk
from tb.manifest import Manifest
from tb.mutants.hunt import bench, hunt, prepare
from tb.mutants.plant import SELECT, SELECT_BITS
from tb.ports import Port
from tb.regression import emitted

__all__ = ["UNITS", "scatter"]

# Small ones of every kind: their combinational logic is that of larger ones, and the model carries all mutants at once.
UNITS: list[dict[str, Any]] = [
    {"unit": "dot", "format": "bfp4x4"},
    {"unit": "dot", "format": "bfp4x3", "accumulate": "fp32", "contexts": 2},
    {"unit": "quantize", "format": "bfp4x3"},
    {"unit": "quantize", "format": "bfp4x4e6", "lanes": 2, "rounding": "sr"},
    {"unit": "dequantize", "format": "bfp4x4", "lanes": 2},
    {"unit": "tile", "format": "bfp3x3"},
]
_REPORT = 50  # mutants
_PROOF_SECONDS = 20


def scatter(
    unit: dict[str, Any], count: int, vectors: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Record of a unit: how many of `count` random mutants its stimulus caught, where, and all survivors."""
    verilog, data = emitted(make_config(**unit))
    manifest = Manifest.from_dict(data)
    netlist, mutated, mutations = _mutate(verilog, manifest.top, count, seed)
    select = Port(SELECT, "input", SELECT_BITS, "data")
    model = build_bulk(mutated, replace(manifest, ports=(*manifest.ports, select)), optimize=False)
    stages = prepare(manifest, vectors, seed)
    if hunt(model, 0, stages):
        raise AssertionError(f"{manifest.top} is wrong without any mutant")
    checks: dict[str, int] = {}
    escaped = []
    for number, mutation in enumerate(mutations, 1):
        catch = hunt(model, number, stages)
        if catch:
            checks[catch.check] = checks.get(catch.check, 0) + 1
        else:
            escaped.append(mutation)
        if number % _REPORT == 0:
            say(f"{manifest.top}: {number - len(escaped)} of {number} caught")
    # A register that is cut open cannot be a register with a wrong bit: those stay for the bench.
    cut = [mutation for mutation in escaped if " -port Q " in mutation]
    same, unproved = _settle(netlist, manifest.top, [mutation for mutation in escaped if mutation not in cut])
    say(f"{manifest.top}: {len(same)} of {len(escaped)} escaped mutants proved to change nothing")
    survivors = []
    for mutation in [*unproved, *cut]:
        if bench(_mutant(netlist, mutation), data, seed):
            checks["bench"] = checks.get("bench", 0) + 1
        else:
            survivors.append(_describe(mutation, verilog))
            say(f"{manifest.top}: survivor: {survivors[-1]}")
    return {
        "configuration": manifest.top,
        "mutants": len(mutations),
        "caught": len(mutations) - len(same) - len(survivors),
        "unchanged": len(same),
        "checks": dict(sorted(checks.items())),
        "survivors": survivors,
    }


def _mutate(verilog: str, top: str, count: int, seed: int) -> tuple[str, str, list[str]]:
    """RTLIL of the unit, Verilog with all mutants, the commands; input value k switches on what the k-th command does.

    The commands are given without their switch, as they apply to a module `top` of their own.
    """
    # Flat: the extra input is added to the mutated module only.
    read = ("read_verilog unit.v", f"prep -flatten -top {top}", "memory_map", "opt_clean -purge")
    mutate = f"mutate -list {count} -seed {seed} -ctrl {SELECT} {SELECT_BITS} 1 -o mutants.txt"
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder, engine = Path(name), find_engine()
        (folder / "unit.v").write_text(verilog, encoding="utf-8")
        engine.run((*read, "write_rtlil unit.il", mutate), folder)
        lines = (folder / "mutants.txt").read_text(encoding="utf-8").splitlines()
        switched = [line for line in lines if line.startswith("mutate ")]
        engine.run(("read_rtlil unit.il", *switched, "opt_clean", "write_verilog -noattr mutated.v"), folder)
        netlist, mutated = ((folder / file).read_text(encoding="utf-8") for file in ("unit.il", "mutated.v"))
    return netlist, mutated, [re.sub(r"-ctrl \S+ \d+ \d+ ", "", line) for line in switched]


def _mutant(netlist: str, mutation: str) -> str:
    """Verilog of one mutant."""
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "unit.il").write_text(netlist, encoding="utf-8")
        find_engine().run(("read_rtlil unit.il", mutation, "opt_clean", "write_verilog -noattr mutant.v"), folder)
        return (folder / "mutant.v").read_text(encoding="utf-8")


def _settle(netlist: str, top: str, mutations: list[str]) -> tuple[list[str], list[str]]:
    """Mutations that a solver proves to change no output and no next state from any state at all, and the others."""
    script = ["read_rtlil unit.il", f"rename {top} gold", "read_rtlil unit.il", f"rename {top} gate"]
    script.append("design -save pair")
    for mutation in mutations:
        script += [
            "design -load pair",
            mutation.replace(f"-module {top} ", "-module gate "),
            "dffunmap",
            "expose -dff -evert-dff",
            "opt_clean",
            "miter -equiv -flatten -ignore_gold_x gold gate miter",
            "hierarchy -top miter",
            "opt -full",
            f"sat -prove trigger 0 -enable_undef -set-def-inputs -timeout {_PROOF_SECONDS} miter",
        ]
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "unit.il").write_text(netlist, encoding="utf-8")
        log = find_engine().run(script, folder)
    verdicts = ["no model found" in part for part in log.split("Executing SAT pass")[1:]]
    if len(verdicts) != len(mutations):
        raise AssertionError(f"{len(verdicts)} verdicts on {len(mutations)} mutants of {top}")
    same = [mutation for mutation, proved in zip(mutations, verdicts, strict=True) if proved]
    return same, [mutation for mutation in mutations if mutation not in same]


def _describe(mutation: str, verilog: str) -> str:
    """What a mutant does, with the line of the unit's Verilog that it does it to."""
    words = dict(re.findall(r"-(\w+) (\S+)", mutation))
    what = f"{words['mode']} of {words['cell'].partition('$unit.v')[0]} {words['port']}[{words['portbit']}]"
    where = re.search(r"unit\.v:(\d+)", mutation)
    return f"{what}: {verilog.splitlines()[int(where[1]) - 1].strip()}" if where else what
