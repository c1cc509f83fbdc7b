"""Is the mapped netlist the unit? Proved where a solver closes, else run against the golden model.

Proof: every flip-flop, matched by name, is cut into an input (its state) and an output (its next state), so what is
left is combinational and compared for every state, reachable or not. Flip-flops that can only hold a constant are
removed before. Otherwise `python -m tb.bulk` runs the netlist, corners first, with stalls, from three power-up states,
and compares every bit with the golden model.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hdl.emit import Emitted, manifest_text
from hdl.yosys import Engine, ToolMissing, YosysError

__all__ = ["VECTORS", "Mismatch", "check", "prove", "simulate"]

VECTORS = 100_000

# Beyond this size no proof was seen to close: Yosys turns a unit's adder tree into a carry-save tree.
PROOF_BYTES = 100_000
PROOF_SECONDS = 30.0

_ROOT = Path(__file__).resolve().parent.parent

# Both sides down to gates and plain flip-flops, by direct expansion: none of the optimisations that made the netlist.
_LOWER = (
    *("proc", "flatten", "memory_map", "opt_expr", "opt_merge", "opt_dff", "opt_clean", "async2sync", "dffunmap"),
    *("techmap", "splitnets -ports", "opt_clean"),
)
_PROOF = (
    *("read_verilog unit.v", "hierarchy -check -top {top}", *_LOWER, "rename {top} gold", "design -stash gold"),
    *("read_verilog netlist.v", "hierarchy -check -top {top}", *_LOWER, "rename {top} gate"),
    "design -copy-from gold -as gold gold",
    "expose -evert-dff -shared gold gate",
    "miter -equiv -flatten gold gate miter",
    "hierarchy -check -top miter",
    "techmap",
    "opt_clean",
    "delete */t:$scopeinfo",
    # a flip-flop that only one side has is still there and would be cut unseen
    "select -assert-none */t:$_*FF*_ */t:$_DLATCH*",
    "tee -q -o proof.txt abc -g AND -script +strash;&get,-n;&cec,-m",
)


class Mismatch(RuntimeError):
    """A netlist that does not do what the unit does; the message shows the first wrong output."""


def check(unit: Emitted, netlist: str, engine: Engine, *, provable: bool, timeout: float | None = None) -> str:
    """How `netlist` was found equal to `unit`, in words. Raises Mismatch; ToolMissing without a simulator."""
    if provable and len(netlist) <= PROOF_BYTES and prove(unit, netlist, engine):
        return "proof: outputs and next states equal for every input and state"
    return simulate(unit, netlist, timeout=timeout)


def prove(unit: Emitted, netlist: str, engine: Engine, *, seconds: float | None = None) -> bool:
    """True if ABC proves it within `seconds` (default PROOF_SECONDS); False says nothing either way."""
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        folder = Path(name)
        (folder / "unit.v").write_text(unit.verilog)
        (folder / "netlist.v").write_text(netlist)
        try:
            engine.run([line.replace("{top}", unit.name) for line in _PROOF], folder, timeout=seconds or PROOF_SECONDS)
        except YosysError:
            return False
        return "Networks are equivalent" in (folder / "proof.txt").read_text()


def simulate(unit: Emitted, netlist: str, *, vectors: int = VECTORS, timeout: float | None = None) -> str:
    """Run `netlist` against the golden model and say what was run. Raises Mismatch, ToolMissing or TimeoutExpired."""
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as name:
        manifest, verilog, result = (Path(name) / file for file in ("unit.json", "netlist.v", "result.json"))
        manifest.write_text(manifest_text(unit.manifest))
        verilog.write_text(netlist)
        command = [sys.executable, "-m", unit.bench, str(manifest), str(verilog), "--vectors", str(vectors)]
        done = subprocess.run(
            [*command, "--json", str(result), "-q"],
            cwd=_ROOT,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 1 and "MISMATCH" in done.stdout:
            raise Mismatch(done.stdout.strip())
        if done.returncode:
            raise ToolMissing(f"bulk simulation failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        record = json.loads(result.read_text())
    if not record["passed"] or record["vectors"] < vectors:
        raise Mismatch(f"only {record['vectors']} of {vectors} vectors agree")
    simulator = f"Verilator {record['versions']['verilator']}"
    return f"bulk: {record['vectors']} vectors against the golden model, seed {record['seed']}, {simulator}"
