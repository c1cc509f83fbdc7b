"""The manifest: what a test bench knows of a generated unit, read from the JSON file beside its Verilog."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tb.ports import ManifestError, Port

__all__ = ["SCHEMA", "Manifest", "ManifestError", "Reset", "Stream"]

SCHEMA = "narrowgauge-manifest-1"


@dataclass(frozen=True, slots=True)
class Stream:
    """A valid/ready stream; `direction` is that of the payload, seen from the unit."""

    name: str
    direction: str
    payload: Port
    valid: Port
    ready: Port


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset port: `kind` synchronous or asynchronous, `active` high or low."""

    name: str
    kind: str
    active: str


@dataclass(frozen=True)
class Manifest:
    """A unit as its generator describes it; `config` reloads through `hdl.registry.make_config`."""

    top: str
    config: dict[str, Any]
    clock: str | None  # None: a combinational unit without a clock port
    reset: Reset | None
    ports: tuple[Port, ...] = dataclasses.field(repr=False)
    latency: int
    throughput: tuple[int, int]  # transfers, cycles
    command: str
    sha256: str

    @classmethod
    def load(cls, path: str | Path) -> Manifest:
        """Read a manifest file; `ManifestError` if it is not one."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except ValueError as error:  # a ManifestError, bad JSON, or not even text
            raise ManifestError(f"{path}: {error}") from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Build from parsed JSON (`hdl.emit.emit(...).manifest`)."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise ManifestError(
                f"schema {schema!r}, this bench reads {SCHEMA!r}; regenerate with python -m hdl.generate"
            )
        try:
            reset, throughput = data["reset"], data["throughput"]
            manifest = cls(
                top=data["top"],
                config=dict(data["config"]),
                clock=data["clock"],
                reset=Reset(reset["name"], reset["kind"], reset["active"]) if reset else None,
                ports=tuple(Port.from_dict(p) for p in data["ports"]),
                latency=data["latency"],
                throughput=(throughput["transfers"], throughput["cycles"]),
                command=data["command"],
                sha256=data["sha256"],
            )
        except KeyError as error:
            raise ManifestError(f"key {error} is missing") from None
        _ = manifest.streams  # an incomplete stream is an error at once, not at first use
        return manifest

    @cached_property
    def unit(self) -> str:
        """Name of the unit in the registry and in `tb.models.MODELS`."""
        return self.config["unit"]

    @cached_property
    def streams(self) -> dict[str, Stream]:
        """Streams by name, in port order."""
        parts: dict[str, dict[str, Port]] = {}
        for port in self.ports:
            if port.stream is not None:
                parts.setdefault(port.stream, {})[port.role] = port
        for name, roles in parts.items():
            if roles.keys() != {"payload", "valid", "ready"}:
                raise ManifestError(f"stream {name!r} has roles {sorted(roles)}, needs payload, ready and valid")
        return {name: Stream(name, roles["payload"].direction, **roles) for name, roles in parts.items()}

    @property
    def inputs(self) -> list[Stream]:
        """Streams into the unit."""
        return [s for s in self.streams.values() if s.direction == "input"]

    @property
    def outputs(self) -> list[Stream]:
        """Streams out of the unit."""
        return [s for s in self.streams.values() if s.direction == "output"]

    def data_ports(self, direction: str) -> list[Port]:
        """Ports of role "data" (no handshake) in one direction, "input" or "output"."""
        return [p for p in self.ports if p.role == "data" and p.direction == direction]

    def port(self, name: str) -> Port:
        """Port by Verilog name."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(f"{self.top} has no port {name!r}; ports: {', '.join(p.name for p in self.ports)}")
