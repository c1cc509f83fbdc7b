"""From a configuration to Verilog text and its manifest, the same bytes on every machine."""

import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Shape
from amaranth.lib import data, wiring

from hdl.arith.adders import CellPlatform
from hdl.config import UnitConfig
from hdl.header import render_header
from hdl.layouts import field_map
from hdl.registry import make_unit
from hdl.units.unit import StreamUnit
from hdl.yosys import Engine, find_engine

__all__ = ["SCHEMA", "Emitted", "emit", "manifest_text", "project_version", "verilog_of"]

SCHEMA = "narrowgauge-manifest-1"

# Registers and memories get no initial values: reset defines whatever matters, and simulators are to start the rest at
# random. Private aliases go; named signals, stages and submodules stay.
_SCRIPT = (
    "read_rtlil unit.il",
    "proc -noopt -norom",
    "delete */t:$meminit*",
    "setattr -unset init */w:*",
    "rename -hide */w:*.*",
    "opt_clean",
    "rename -hide */w:*$*",
    "opt_dff -nosdff -simple-dffe",  # enables first, or a constant in a datapath would pass for a reset
    "opt_dff */t:$dff",
    "memory_collect",
    "pmuxtree",
    "wreduce",
    "opt_clean -purge",
    "wreduce",
    "opt_clean -purge",
    "write_verilog -noattr unit.v",
)


@dataclass(frozen=True, slots=True)
class Emitted:
    """A generated unit: `name` is module and file name, `manifest` is JSON-ready."""

    name: str
    verilog: str
    manifest: dict[str, Any]

    @property
    def bench(self) -> str:
        """Module that drives the two files against the golden model: streams, or plain ports without a clock."""
        if self.manifest["clock"]:
            return "tb.bulk"
        return "tb.floats" if self.manifest["config"]["unit"].startswith("float_") else "tb.core"


def project_version() -> str:
    """Version of this project, from its installed metadata."""
    try:
        return version("narrowgauge")
    except PackageNotFoundError:
        return "0+uninstalled"


def _rtlil(component: wiring.Component, name: str) -> str:
    """RTLIL of a component under a name, submodules named `<name>_<path>`, no wire declared signed.

    Signedness is a property of RTLIL's cells. write_verilog prints the operands of unsigned cells as they are, and
    Verilog would extend those that are declared signed by their sign.
    """
    cells = CellPlatform(name)
    text = rtlil.convert(component, name=name, platform=cells, emit_src=False)
    text = re.sub(r"^(  wire .*?) signed +(?=\\)", r"\1 ", text, flags=re.MULTILINE)
    text = re.sub(rf"\\{re.escape(name)}\.([\w.]+)", lambda k: f"\\{name}_{k[1].replace('.', '_')}", text)
    return text + cells.modules()


def emit(config: UnitConfig, engine: Engine | None = None) -> Emitted:
    """Verilog and manifest of a unit. Raises ToolMissing or YosysError."""
    engine = engine or find_engine()
    unit = make_unit(config)
    body = verilog_of(unit, config.name, engine)
    manifest = _manifest(unit, engine, hashlib.sha256(body.encode()).hexdigest())
    return Emitted(config.name, render_header(config, manifest) + "\n" + body, manifest)


def verilog_of(component: wiring.Component, name: str, engine: Engine) -> str:
    """Verilog of any component under a name, without Yosys's banner: ours takes its place in a unit's file."""
    with tempfile.TemporaryDirectory(prefix="narrowgauge-") as folder:
        (Path(folder) / "unit.il").write_text(_rtlil(component, name))
        engine.run(_SCRIPT, Path(folder))
        return (Path(folder) / "unit.v").read_text().split("\n", 1)[1].lstrip("\n")


def _manifest(unit: StreamUnit, engine: Engine, sha256: str) -> dict[str, Any]:
    config = unit.config
    return {
        "schema": SCHEMA,
        "generator": {"name": "narrowgauge", "version": project_version(), "yosys": engine.version},
        "command": config.command(),
        "config": config.to_dict(),
        "top": config.name,
        "clock": "clk" if unit.clocked else None,
        "reset": {"name": "rst", "kind": "synchronous", "active": "high"} if unit.clocked else None,
        "latency": unit.latency,
        "throughput": unit.throughput,
        "rounding": unit.rounding_points,
        "critical_path": unit.critical_path,
        "combinational_paths": [],
        "sha256": sha256,
        "ports": _ports(unit),
    }


def _ports(unit: StreamUnit) -> list[dict[str, Any]]:
    if not unit.clocked:
        return [_data_port(str(path[0]), member) for path, member, _ in unit.signature.flatten(unit)]
    ports: list[dict[str, Any]] = [
        {"name": "clk", "direction": "input", "width": 1, "role": "clock", "fields": []},
        {"name": "rst", "direction": "input", "width": 1, "role": "reset", "fields": []},
    ]
    for path, member, _ in unit.signature.flatten(unit):
        stream_name, role = str(path[0]), str(path[-1])
        shape = member.shape
        ports.append(
            {
                "name": "__".join(map(str, path)),
                "direction": "input" if member.flow == wiring.In else "output",
                "width": shape.size if isinstance(shape, data.Layout) else 1,
                "role": role,
                "stream": stream_name,
                "fields": [f.to_dict() for f in field_map(shape)] if role == "payload" else [],
            }
        )
    return ports


def _data_port(name: str, member: wiring.Member) -> dict[str, Any]:
    return {
        "name": name,
        "direction": "input" if member.flow == wiring.In else "output",
        "width": Shape.cast(member.shape).width,
        "role": "data",
        "fields": [f.to_dict() for f in field_map(member.shape, name)],
    }


def manifest_text(manifest: dict[str, Any]) -> str:
    """The manifest as the JSON text that is written: one field of a port to a line."""
    text = json.dumps(manifest, indent=1)
    return re.sub(r"\{\s+(\"name\": [^{}\[\]]+?)\s+\}", lambda k: "{" + re.sub(r"\s+", " ", k[1]) + "}", text) + "\n"
