"""Area records: one per unit configuration, from as many syntheses as targets, each netlist checked."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.config import UnitConfig
from hdl.emit import Emitted, emit
from hdl.yosys import Engine, ToolMissing, YosysError, YosysTimeout
from synth import cache
from synth.check import VECTORS, Mismatch, check
from synth.flows import TARGETS, Target
from synth.synthesis import synthesise

__all__ = ["TIMEOUT", "Measurement", "measure", "price"]

TIMEOUT = 600.0

_GATES = ("transistors", "transistors_logic", "gate_equivalents", "gate_equivalents_logic", "flip_flops", "cells")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one netlist, or none and the reason in `status`. `checked_by` is empty if the check was left out."""

    figures: dict[str, Any] | None
    status: str
    checked_by: str
    seconds: float


def price(
    config: UnitConfig,
    targets: Sequence[str],
    engine: Engine,
    *,
    timeout: float = TIMEOUT,
    checked: bool = True,
    netlists: Path | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The record of a unit: JSON-ready, figures None where a target's synthesis or check failed.

    targets   names of synth.flows; "cmos" brings "submodules" along
    timeout   seconds for each synthesis and for each simulation
    checked   False leaves the netlists unchecked, and the record says so
    netlists  folder for the mapped netlists; the cache is not read then
    """
    unit = emit(config, engine)
    names = [name for target in targets for name in ((target, "submodules") if target == "cmos" else (target,))]
    found = {}
    for name in names:
        found[name] = measure(
            unit, TARGETS[name], engine, timeout=timeout, checked=checked, netlists=netlists, progress=progress
        )
    return _record(config, unit, found, engine)


def measure(
    unit: Emitted,
    target: Target,
    engine: Engine,
    *,
    timeout: float = TIMEOUT,
    checked: bool = True,
    netlists: Path | None = None,
    progress: Progress = lambda _: None,
) -> Measurement:
    """Synthesise and check, or take it from the cache. Raises ToolMissing only."""
    key = cache.key_of("1", unit.name, unit.manifest["sha256"], target.sha256, engine.name, str(VECTORS))
    known = cache.load(key)
    if known and not netlists and (known["checked_by"] or not checked):
        progress(f"{unit.name} {target.name}: from the cache")
        return Measurement(known["figures"], "ok", known["checked_by"], known["seconds"])
    try:
        progress(f"{unit.name} {target.name}: synthesis ...")
        made = synthesise(unit, target, engine, timeout=timeout)
        if netlists:
            netlists.mkdir(parents=True, exist_ok=True)
            (netlists / f"{unit.name}.{target.name}.v").write_text(made.netlist)
        checked_by = ""
        if checked:
            progress(f"{unit.name} {target.name}: {made.seconds:.1f} s; checking the netlist ...")
            checked_by = check(unit, made.netlist, engine, provable=not target.is_fpga, timeout=timeout)
            progress(f"{unit.name} {target.name}: {checked_by}")
    except (YosysTimeout, subprocess.TimeoutExpired):
        return _without(f"timeout: stopped after {timeout:g} s", progress, unit, target)
    except Mismatch as error:
        return _without(f"mismatch: {error}", progress, unit, target)
    except ToolMissing:
        raise
    except (YosysError, ValueError) as error:
        return _without(f"failed: {_reason(error)}", progress, unit, target)
    cache.store(key, {"figures": made.figures, "checked_by": checked_by, "seconds": made.seconds})
    return Measurement(made.figures, "ok", checked_by, made.seconds)


def _reason(error: Exception) -> str:
    """The line of Yosys's log that names the error, if there is one."""
    lines = [line for line in str(error).splitlines() if line.startswith("ERROR: ")]
    return lines[-1].removeprefix("ERROR: ") if lines else str(error)


def _without(status: str, progress: Progress, unit: Emitted, target: Target) -> Measurement:
    progress(f"{unit.name} {target.name}: {status}")
    return Measurement(None, status, "", 0.0)


def _record(config: UnitConfig, unit: Emitted, found: Mapping[str, Measurement], engine: Engine) -> dict[str, Any]:
    nothing = Measurement(None, "not asked for", "", 0.0)
    gates = found.get("cmos", nothing).figures or {}
    fpga = {name: m.figures for name, m in found.items() if TARGETS[name].is_fpga}
    return {
        "unit": config.unit,
        "name": unit.name,
        "config": config.to_dict(),
        "verilog_sha256": unit.manifest["sha256"],
        **{name: gates.get(name) for name in (*_GATES, "depth")},
        "by_submodule": found.get("submodules", nothing).figures,
        "luts": {name: figures and figures["luts"] for name, figures in fpga.items()},
        "fpga": fpga,
        "status": {name: m.status for name, m in found.items()},
        "checked_by": {name: m.checked_by or "unchecked" for name, m in found.items() if m.figures is not None},
        "engine": engine.name,
        "script_sha256": {name: TARGETS[name].sha256 for name in found},
        "seconds": {name: m.seconds for name, m in found.items()},
    }
