"""The Gecko units as Verilog in bulk simulation: every length, every mode and width, real tensors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tb_support import require_verilator

from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.size import choose
from golden.gecko.values import DTYPES, as_bits
from hdl.registry import make_config
from tb.batches import length
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.bulk_check import first_mismatch
from tb.gecko_draw import random_descriptor, random_values
from tb.gecko_tensors import joined
from tb.manifest import Manifest
from tb.models import expected
from tb.regression import emitted
from tb.stimulus_gecko import gecko_batch, tensor_streams

DATA = Path(__file__).parents[1] / "data"
UNITS = [
    (unit, options)
    for unit in ("gecko_encoder", "gecko_decoder", "container_pack", "container_unpack")
    for options in ([{}] if unit.startswith("gecko") else [{"source": "fp32"}, {"source": "bf16"}])
]


class Unit:
    """A unit in bulk simulation; `check` plays streams from reset on and demands the golden outputs."""

    def __init__(self, unit, **options):
        verilog, manifest = emitted(make_config(unit, **options))
        self.manifest = Manifest.from_dict(manifest)
        self.config = self.manifest.config
        model = build_bulk(verilog, self.manifest)
        self.instances = [Bulk(model, initial_seed=seed) for seed in (1, 2, 3)]

    def check(self, inputs, *, stall=0.0, seed=1, timed=False):
        golden = expected(self.config, inputs)
        instance = self.instances[seed % 3]
        instance.reset()
        run = instance.run(inputs, {name: length(b) for name, b in golden.items()}, stall=stall, seed=seed, timed=timed)
        assert first_mismatch(self.manifest, inputs, golden, run.outputs) == ""
        return run

    def close(self):
        for instance in self.instances:
            instance.close()


@pytest.fixture(scope="module", params=UNITS, ids=lambda p: "_".join([p[0], *p[1].values()]))
def unit(request):
    require_verilator()
    name, options = request.param
    unit = Unit(name, zero_mask="on", **options)
    yield unit
    unit.close()


@pytest.mark.parametrize("stall", [0.0, 0.6])
def test_every_length_up_to_130(unit, stall):
    rng, parts = np.random.default_rng(1), []
    for n in range(131):
        d = replace(random_descriptor(unit.config, rng), length=n)
        parts.append(tensor_streams(unit.config, d, random_values(unit.config, d, rng), rng))
    unit.check(joined(parts), stall=stall, seed=2)


@pytest.mark.parametrize("ne", range(1, 9))
def test_every_mode_mask_and_mantissa(unit, ne):
    rng, parts = np.random.default_rng(ne), []
    modes = [(mode, masked) for mode in (Mode.DELTA, Mode.FIXED) for masked in (False, True)] if ne > 1 else []
    for mode, masked in [(Mode.RAW, False), *modes]:
        for wm in range(Source[unit.config["source"].upper()].mantissa_bits + 1) if "source" in unit.config else [0]:
            facts = {"mode": mode, "zero_mask": masked, "exponent_bits": ne, "mantissa_bits": wm}
            facts |= {"bias": int(rng.integers(0, 1 << ne)), "length": int(rng.integers(1, 100))}
            d = replace(random_descriptor(unit.config, rng), **facts, offset=int(rng.integers(0, 256)) * (ne < 8))
            parts.append(tensor_streams(unit.config, d, random_values(unit.config, d, rng), rng, corrupt=0.2))
    unit.check(joined(parts), stall=0.3, seed=ne)


def test_one_stream_slow(unit):
    rng = np.random.default_rng(5)
    for k, slow in enumerate(unit.manifest.streams):
        stall = dict.fromkeys(unit.manifest.streams, 0.0) | {slow: 0.95}
        unit.check(gecko_batch(unit.config, 300, rng), stall=stall, seed=k)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_unit_never_waits_for_itself(unit, side):
    """One side stalls in 3 of 10 cycles, the other never: 0.7 rows a cycle it is."""
    rng, rows = np.random.default_rng(6), 8000
    source = Source[unit.config.get("source", "bf16").upper()]
    d = Descriptor(source=source, length=8 * rows, mantissa_bits=source.mantissa_bits)
    values = rng.standard_normal(d.length, np.float32).view(np.uint32)
    values = values >> 23 & 255 if "tail" in unit.config else values >> (32 - source.bits)
    values = values.astype(np.uint8 if "tail" in unit.config else DTYPES[source])
    slow = "data" if unit.config["unit"] == "container_unpack" else "i"
    slow = unit.manifest.outputs[0].name if side == "outputs" else slow
    inputs = tensor_streams(unit.config, d, values, rng, corrupt=0)
    run = unit.check(inputs, stall=dict.fromkeys(unit.manifest.streams, 0.0) | {slow: 0.3})
    # Raw rows fill a beat each; 2 % are three standard deviations of the stalls.
    assert run.cycles <= 1.02 * rows / 0.7


@pytest.mark.parametrize("unit", [u for u in UNITS if u[0] in ("gecko_encoder", "container_pack")], indirect=True)
@pytest.mark.parametrize(("mode", "more"), [(Mode.RAW, 0), (Mode.FIXED, 1)])
def test_rows_behind_the_group_buffer_leave_as_late_as_documented(unit, mode, more):
    """Row to code 10 or 11 cycles, row to beat 11 or 12, the longer in masked groups (docs/gecko-ports.md)."""
    source, rng = Source[unit.config.get("source", "bf16").upper()], np.random.default_rng(7)
    d = Descriptor(source=source, length=64, mode=mode, mantissa_bits=source.mantissa_bits, zero_mask=bool(more))
    coder = "tail" in unit.config
    values = rng.integers(0, 1 << (8 if coder else source.bits), 64, np.uint64)
    values = values.astype(np.uint8 if coder else DTYPES[source])
    run = unit.check(tensor_streams(unit.config, d, values, rng, late=False), timed=True)
    shown = run.transfers["o"][more:] if coder else run.transfers["data"][:8]
    assert (shown - run.transfers["i"] == (10 if coder else 11) + more).all()


def real_tensors():
    """Of a perceptron and a convolutional network, each with its cheapest descriptor at some mantissa lengths."""
    arrays = {}
    for network in ("digits", "mnist_lenet"):
        with np.load(DATA / f"{network}.npz") as file:
            arrays |= {f"{network} {name}": file[name] for name in file.files if file[name].dtype == np.float32}
    assert len(arrays) >= 20
    for name in sorted(arrays):
        bits, _ = as_bits(np.ascontiguousarray(arrays[name]).reshape(-1)[:5_000])
        for source in Source:
            values = (bits >> (32 - source.bits)).astype(DTYPES[source])
            for wm in (1, 2, source.mantissa_bits):
                yield choose(values, source, mantissa_bits=wm, zero_mask=None, sign_elided=None), values


@pytest.mark.parametrize("source", Source)
def test_real_tensors_come_back_from_the_hardware(source):
    require_verilator()
    pack, unpack = (Unit(f"container_{way}", source=source.name.lower(), zero_mask="on") for way in ("pack", "unpack"))
    cases = [(d, values) for d, values in real_tensors() if d.source is source]
    rng = np.random.default_rng(1)
    packed = pack.check(joined([tensor_streams(pack.config, d, v, rng) for d, v in cases]), stall=0.2)
    inputs = joined([tensor_streams(unpack.config, d, v, rng, corrupt=0) for d, v in cases])
    # Not the model's beats and words, but those of the other unit.
    inputs |= {name: packed.outputs[name] for name in ("data", "meta")}
    inputs["tensor"]["beats"] = packed.outputs["status"]["beats"]
    rows = unpack.check(inputs, stall=0.2).outputs["o"]
    assert not rows["error"].any()
    got = rows["value"][np.arange(8) < rows["count"][:, np.newaxis]]
    kept = [values & np.array(-1 << source.mantissa_bits - d.mantissa_bits).astype(values.dtype) for d, values in cases]
    assert (got == np.concatenate(kept)).all()
    pack.close()
    unpack.close()
