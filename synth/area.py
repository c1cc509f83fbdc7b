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
from synth.library import Library
from synth.library_flow import library_targets
from synth.synthesis import synthesise
from synth.timing import arrival

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
    library: Library | None = None,
    sta: str | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The record of a unit: JSON-ready, figures None where a target's synthesis or check failed.

    targets   names of synth.flows; "cmos" brings "submodules" along
    timeout   seconds for each synthesis and for each simulation
    checked   False leaves the netlists unchecked, and the record says so
    netlists  folder for the mapped netlists; the cache is not read then
    library   its targets are measured too
    sta       program that times the netlists of `library`
    """
    unit = emit(config, engine)
    names = [name for target in targets for name in ((target, "submodules") if target == "cmos" else (target,))]
    wanted = {name: TARGETS[name] for name in names} | (library_targets(library) if library else {})
    found = {
        name: measure(
            unit, target, engine, timeout=timeout, checked=checked, netlists=netlists, sta=sta, progress=progress
        )
        for name, target in wanted.items()
    }
    return _record(config, unit, wanted, found, engine) | _library_record(library, found)


def _library_record(library: Library | None, found: Mapping[str, Measurement]) -> dict[str, Any]:
    if library is None:
        return {}
    figures = {name: found[name].figures for name in library_targets(library)}
    own = {"name": library.name, "sha256": library.sha256, "time_unit": library.time_unit}
    return {"library": own | {"figures": figures}}


def measure(
    unit: Emitted,
    target: Target,
    engine: Engine,
    *,
    timeout: float = TIMEOUT,
    checked: bool = True,
    netlists: Path | None = None,
    sta: str | None = None,
    progress: Progress = lambda _: None,
) -> Measurement:
    """Synthesise and check, or take it from the cache. Raises ToolMissing only.

    `sta` adds "arrival_ps" to the figures of a netlist of library cells.
    """
    parts = ["2", unit.name, unit.manifest["sha256"], target.sha256, engine.name, str(VECTORS)]
    key = cache.key_of(*parts, *(["timed"] if sta and target.liberty else []))
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
        if sta and made.mapped:
            clock = unit.manifest.get("clock")
            late = arrival(made.mapped, unit.name, clock, target.liberty, sta, timeout=timeout)
            made.figures["arrival_ps"] = late
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


def _record(
    config: UnitConfig,
    unit: Emitted,
    targets: Mapping[str, Target],
    found: Mapping[str, Measurement],
    engine: Engine,
) -> dict[str, Any]:
    nothing = Measurement(None, "not asked for", "", 0.0)
    gates = found.get("cmos", nothing).figures or {}
    fpga = {name: m.figures for name, m in found.items() if targets[name].is_fpga}
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
        "script_sha256": {name: target.sha256 for name, target in targets.items()},
        "seconds": {name: m.seconds for name, m in found.items()},
    }
