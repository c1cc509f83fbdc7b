"""Random bugs by Yosys's `mutate`: hundreds in one model, each switched on by a value of an extra input."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hdl.registry import make_config
from hdl.yosys import find_engine
from tb.build import build_bulk
from tb.manifest import Manifest, Port
from tb.mutants.hunt import hunt, prepare
from tb.mutants.plant import SELECT
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
_SELECT_BITS = 16


def scatter(
    unit: dict[str, Any], count: int, vectors: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Record of a unit: how many of `count` random mutants its stimulus caught, where, and all survivors."""
    verilog, data = emitted(make_config(**unit))
    manifest = Manifest.from_dict(data)
    mutated, listed = _mutate(verilog, manifest.top, count, seed)
    select = Port(SELECT, "input", _SELECT_BITS, "data")
    model = build_bulk(mutated, replace(manifest, ports=(*manifest.ports, select)), optimize=False)
    stages = prepare(manifest, vectors, seed)
    if hunt(model, 0, stages):
        raise AssertionError(f"{manifest.top} is wrong without any mutant")
    checks: dict[str, int] = {}
    survivors = []
    for number, command in enumerate(listed, 1):
        catch = hunt(model, number, stages)
        if catch:
            checks[catch.check] = checks.get(catch.check, 0) + 1
        else:
            survivors.append(_describe(command, verilog))
            say(f"{manifest.top}: survivor {number}: {survivors[-1]}")
        if number % 50 == 0:
            say(f"{manifest.top}: {number - len(survivors)} of {number} caught")
    return {
        "configuration": manifest.top,
        "mutants": len(listed),
        "caught": len(listed) - len(survivors),
        "checks": dict(sorted(checks.items())),
        "survivors": survivors,
    }


def _mutate(verilog: str, top: str, count: int, seed: int) -> tuple[str, list[str]]:
    """The unit with all mutants, and the command that made each; value k of the extra input switches on the k-th."""
    engine = find_engine()
    # Flat: the extra input is added to the mutated module only.
    read = ("read_verilog unit.v", f"prep -flatten -top {top}", "memory_map", "opt_clean -purge")
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "unit.v").write_text(verilog, encoding="utf-8")
        mutate = f"mutate -list {count} -seed {seed} -ctrl {SELECT} {_SELECT_BITS} 1 -o mutants.txt"
        engine.run((*read, "write_rtlil unit.il", mutate), folder)
        listed = (folder / "mutants.txt").read_text(encoding="utf-8").splitlines()
        listed = [line for line in listed if line.startswith("mutate ")]
        engine.run(("read_rtlil unit.il", *listed, "opt_clean", "write_verilog -noattr mutated.v"), folder)
        return (folder / "mutated.v").read_text(encoding="utf-8"), listed


def _describe(command: str, verilog: str) -> str:
    """What a mutant does, with the line of the unit's Verilog that it does it to."""
    words = dict(re.findall(r"-(\w+) (\S+)", command))
    what = f"{words['mode']} of {words['cell'].partition('$unit.v')[0]} {words['port']}[{words['portbit']}]"
    where = re.search(r"unit\.v:(\d+)", command)
    return f"{what}: {verilog.splitlines()[int(where[1]) - 1].strip()}" if where else what
