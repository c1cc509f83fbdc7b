"""Bulk simulation: the emitted Verilog as a shared library, fed with NumPy arrays, millions of vectors a second.

    with Bulk(build_bulk(verilog, manifest)) as unit:
        result = unit.run({"i": batch}, {"o": n}, stall=0.3, seed=7)
        result.outputs["o"]["value"]

A batch is what `tb.ports` defines. All streams of a unit play at once, each input idle and each output unready with
the chance `stall` in a cycle. The driver keeps the stream rules (valid stays until taken, payload stable) and demands
them of the unit. The interpreter lock is free while the unit runs: two units in two threads use two cores.

`python -m tb.bulk MANIFEST.json VERILOG.v` compares any Verilog of that interface with the golden model (`bulk_check`).
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tb import lanes
from tb.build import Model, native_lanes
from tb.manifest import Manifest
from tb.ports import Batch, Port

__all__ = ["Bulk", "BulkError", "Run"]

_HANG, _VALID_DROPPED, _PAYLOAD_CHANGED = 1, 2, 3


class BulkError(AssertionError):
    """The unit hung, broke the stream rules or produced too much; the message says which stream and how far it came."""


class _Stream(ctypes.Structure):  # mirrors bulk_shim.cpp
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("valid", "ready", "payload", "rows", "cycles")),
        *((name, ctypes.c_uint64) for name in ("n", "done", "excess")),
        *((name, ctypes.c_uint32) for name in ("width", "stall")),
    )


class _Port(ctypes.Structure):
    _fields_ = (("storage", ctypes.c_void_p), ("rows", ctypes.c_void_p), ("bytes", ctypes.c_uint32))


class _Outcome(ctypes.Structure):
    _fields_ = (("cycles", ctypes.c_uint64), ("status", ctypes.c_uint32), ("stream", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class Run:
    """What came out: per output stream its batch, the cycles used, and if asked for the cycle of every transfer."""

    outputs: dict[str, Batch]
    cycles: int
    transfers: dict[str, np.ndarray]


class Bulk:
    """One instance of a built unit, reset and ready. Not thread-safe itself; use one instance per thread.

    `initial_seed` (1..2**31-1) draws the power-up values of all registers.
    """

    def __init__(self, model: Model, *, initial_seed: int = 1) -> None:
        if not 1 <= initial_seed < 2**31:
            raise ValueError(f"initial_seed {initial_seed}: 1..{2**31 - 1}")
        lanes.accelerate(native_lanes())
        self.manifest: Manifest = model.manifest
        self._library = _load(str(model.path))
        self._unit = ctypes.c_void_p(self._library.ng_new(initial_seed))
        self.close = weakref.finalize(self, self._library.ng_free, self._unit)
        for port in self.manifest.ports:
            self._storage(port)  # a port that the Verilog lacks is an error now
        for port in self.manifest.data_ports("input"):
            self.drive(port.name, 0)
        self._clock = self._storage(self.manifest.port(self.manifest.clock)) if self.manifest.clock else None
        self.reset()

    def __enter__(self) -> Bulk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self, cycles: int = 2) -> None:
        """Withdraw all valids and readies and hold the unit in reset for `cycles` clock edges."""
        for stream in self.manifest.streams.values():
            self._byte(stream.valid if stream.direction == "input" else stream.ready).value = 0
        if self.manifest.reset is None:
            return
        active = self.manifest.reset.active == "high"
        line = self._byte(self.manifest.port(self.manifest.reset.name))
        line.value = active
        self._library.ng_clock(self._unit, self._clock, cycles)
        line.value = not active

    def run(
        self,
        inputs: Mapping[str, Mapping[str, Any]],
        counts: Mapping[str, int],
        *,
        stall: float | Mapping[str, float] = 0.0,
        seed: int = 1,
        patience: int = 10_000,
        timed: bool = False,
    ) -> Run:
        """Send every input batch and collect `counts` transfers of each output stream; state carries over to the next.

        stall     chance in [0, 1) of an idle cycle, for all streams or by stream name
        seed      of the stalls and of the scrambled payloads between transfers
        patience  cycles without a transfer that count as a hang
        timed     also return the cycle of every transfer
        Raises `BulkError` on a hang, a broken stream rule or an output beyond `counts`.
        """
        streams = self.manifest.streams
        rows = {name: streams[name].payload.pack(batch) for name, batch in inputs.items()}
        got, cycles, transfers = self.run_rows(rows, counts, stall=stall, seed=seed, patience=patience, timed=timed)
        return Run({name: streams[name].payload.unpack(r) for name, r in got.items()}, cycles, transfers)

    def run_rows(
        self,
        inputs: Mapping[str, np.ndarray],
        counts: Mapping[str, int],
        *,
        stall: float | Mapping[str, float] = 0.0,
        seed: int = 1,
        patience: int = 10_000,
        timed: bool = False,
    ) -> tuple[dict[str, np.ndarray], int, dict[str, np.ndarray]]:
        """`run` on packed rows (`Port.pack`): (rows by output stream, cycles, cycle of every transfer if `timed`)."""
        ins, outs = self.manifest.inputs, self.manifest.outputs
        for given, expected in ((inputs, ins), (counts, outs)):
            if given.keys() != {s.name for s in expected}:
                raise ValueError(f"streams {sorted(given)}, the unit has {[s.name for s in expected]}")
        buffers = {s.name: self._rows(s.payload, inputs[s.name]) for s in ins}
        buffers |= {s.name: np.zeros((counts[s.name], lanes.row_bytes(s.payload.width)), np.uint8) for s in outs}
        transfers = {name: np.zeros(len(rows), np.uint64) for name, rows in buffers.items()} if timed else {}

        def table(chosen):
            entries = []
            for s in chosen:
                chance = stall[s.name] if isinstance(stall, Mapping) else stall
                if not 0 <= chance < 1:
                    raise ValueError(f"stall {chance}: at least 0, below 1")
                storage = [self._storage(port) for port in (s.valid, s.ready, s.payload)]
                times = transfers[s.name].ctypes.data if timed else None
                data = buffers[s.name]
                tail = (len(data), 0, 0, s.payload.width, round(chance * 65536))
                entries.append(_Stream(*storage, data.ctypes.data, times, *tail))
            return (_Stream * len(entries))(*entries)

        i, o, outcome = table(ins), table(outs), _Outcome()
        drain = 2 * self.manifest.latency + 8  # any output that the last input could still cause shows by then
        arguments = (i, len(i), o, len(o), patience, drain, seed, ctypes.byref(outcome))
        self._library.ng_run(self._unit, self._clock, *arguments)
        progress = "; ".join(f"{s.name}: {e.done} of {e.n}" for s, e in zip(ins + outs, [*i, *o], strict=True))
        if outcome.status in (_VALID_DROPPED, _PAYLOAD_CHANGED):
            what = "withdrew valid" if outcome.status == _VALID_DROPPED else "changed its payload"
            name = outs[outcome.stream].name
            raise BulkError(
                f"{self.manifest.top}: stream {name} {what} before it was taken, cycle {outcome.cycles} ({progress})"
            )
        for stream, entry in zip(outs, o, strict=True):
            if entry.excess:
                raise BulkError(
                    f"{self.manifest.top}: stream {stream.name} gave {entry.excess} transfers too many ({progress})"
                )
        if outcome.status == _HANG:
            raise BulkError(
                f"{self.manifest.top} hangs: no transfer for {patience} cycles up to {outcome.cycles} ({progress})"
            )
        return {s.name: buffers[s.name] for s in outs}, outcome.cycles, transfers

    def evaluate(self, inputs: Mapping[str, Any]) -> Batch:
        """A unit without streams: drive its data ports row by row, one batch over all ports in and one out.

        Outputs are read `latency` cycles after their inputs, one row a cycle; without a clock, at once.
        """
        ins, outs = self.manifest.data_ports("input"), self.manifest.data_ports("output")
        packed = [port.pack({base: inputs[base] for base in port.groups}) for port in ins]
        if not packed or len({len(p) for p in packed}) != 1:
            raise ValueError(f"{self.manifest.top}: data ports {[p.name for p in ins]} need the same number of rows")
        results = [np.zeros((len(packed[0]), lanes.row_bytes(p.width)), np.uint8) for p in outs]

        def table(ports, rows):
            entries = [_Port(self._storage(p), r.ctypes.data, r.shape[1]) for p, r in zip(ports, rows, strict=True)]
            return (_Port * len(entries))(*entries)

        i, o = table(ins, packed), table(outs, results)
        latency = self.manifest.latency if self._clock else 0
        self._library.ng_rows(self._unit, self._clock, i, len(i), o, len(o), len(packed[0]), latency)
        return {base: c for port, r in zip(outs, results, strict=True) for base, c in port.unpack(r).items()}

    def drive(self, name: str, value: int) -> None:
        """Hold a data port at a value (0 until then), e.g. a select that stays during a run; from the next cycle on."""
        port = self.manifest.port(name)
        if not 0 <= value < 1 << port.width:
            raise ValueError(f"{name} {value}: 0..{(1 << port.width) - 1}")
        size = lanes.row_bytes(port.width)
        ctypes.memmove(self._storage(port), value.to_bytes(size, "little"), size)

    def _storage(self, port: Port) -> int:
        pointer = self._library.ng_port(self._unit, port.name.encode())
        if not pointer:
            raise BulkError(f"{self.manifest.top}: the Verilog has no port {port.name}")
        return pointer

    def _byte(self, port: Port) -> ctypes.c_uint8:
        return ctypes.c_uint8.from_address(self._storage(port))

    @staticmethod
    def _rows(port: Port, rows: np.ndarray) -> np.ndarray:
        """Checked: a stray bit above the port's width would corrupt the model."""
        shape = ("n", lanes.row_bytes(port.width))
        if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != shape[1]:
            raise ValueError(f"{port.name}: rows {rows.dtype}{rows.shape}, expected uint8{shape}")
        if port.width % 8 and len(rows) and rows[:, -1].max() >> port.width % 8:
            raise ValueError(f"{port.name}: bits above its {port.width} are set")
        return np.ascontiguousarray(rows)


def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    pointer, number, word = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
    library.ng_new.restype = library.ng_port.restype = pointer
    for name, arguments in {
        "ng_new": [ctypes.c_int32],
        "ng_free": [pointer],
        "ng_port": [pointer, ctypes.c_char_p],
        "ng_clock": [pointer, pointer, number],
        "ng_run": [pointer, pointer, pointer, word, pointer, word, number, number, number, pointer],
        "ng_rows": [pointer, pointer, pointer, word, pointer, word, number, number],
    }.items():
        getattr(library, name).argtypes = arguments
    return library


if __name__ == "__main__":
    from tb.bulk_check import main

    sys.exit(main())
