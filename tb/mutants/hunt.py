"""The hunt for one bug: corners, then random transfers, under every regime of stalls, until an answer is wrong.

What a unit is driven with and what it should answer is worked out once per configuration and serves all its mutants.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tb.batches import length
from tb.build import Model
from tb.bulk import Bulk, BulkError
from tb.bulk_check import REGIMES, stalls
from tb.manifest import Manifest
from tb.models import completing, expected
from tb.mutants.plant import SELECT
from tb.plan import hit_masks
from tb.ports import Batch
from tb.regression import Settings, run_unit
from tb.stimulus import corner_batch, random_batch

__all__ = ["Catch", "Stage", "bench", "hunt", "prepare"]

_INSTANCES = 3  # with different power-up values, in turn
_CHUNK = 2000
_PATIENCE = 4000  # cycles: above any latency and any pause of the configurations
_BROKEN = {
    "hangs": "no more transfers",
    "withdrew valid": "withdraws valid",
    "changed its payload": "changes a waiting payload",
    "too many": "transfers too many",
}


@dataclass(frozen=True)
class Stage:
    """One run from reset: its name, what goes in, what should come out, both also as packed rows."""

    check: str
    stall: dict[str, float]
    seed: int
    inputs: Batch
    golden: Batch
    sent: NDArray[np.uint8]
    wanted: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Catch:
    """The first thing that was wrong: in which check, how, at which test point, after how many input transfers.

    `point` is the test point that the first wrong answer's input hits and that is best correlated with wrong answers in
    its run; "" if there is none: wrong answers everywhere, or a broken handshake.
    """

    check: str
    symptom: str
    point: str
    vectors: int
    detail: str

    def record(self) -> dict[str, Any]:
        """JSON entry."""
        return asdict(self)


def prepare(manifest: Manifest, vectors: int, seed: int) -> list[Stage]:
    """The runs of a hunt: corners under every regime, then random ones up to `vectors` transfers."""
    stages: list[Stage] = []
    driven = 0
    while driven < vectors or len(stages) < 2 * len(REGIMES):
        number = len(stages)
        rng = np.random.default_rng([seed, number])
        batch = (
            corner_batch(manifest.config, rng) if number < len(REGIMES) else random_batch(manifest.config, _CHUNK, rng)
        )
        golden = expected(manifest.config, batch)
        check = f"{'corners' if number < len(REGIMES) else 'random'}, {REGIMES[number % len(REGIMES)]}"
        sent, wanted = manifest.inputs[0].payload.pack(batch), manifest.outputs[0].payload.pack(golden)
        stages.append(Stage(check, stalls(manifest, number), seed + number, batch, golden, sent, wanted))
        driven += length(batch)
    return stages


def hunt(model: Model, select: int, stages: list[Stage]) -> Catch | None:
    """Drive variant `select` of a model, fresh from power-up, through the stages; None if every answer was right."""
    units = [Bulk(model, initial_seed=k + 1) for k in range(_INSTANCES)]
    driven = 0
    try:
        for unit in units:
            unit.drive(SELECT, select)
        for number, stage in enumerate(stages):
            catch = _run(units[number % _INSTANCES], stage, driven)
            if catch:
                return catch
            driven += len(stage.sent)
    finally:
        for unit in units:
            unit.close()
    return None


def bench(verilog: str, manifest: dict[str, Any], seed: int) -> Catch | None:
    """The cocotb bench, for what right answers in the right order do not show: pace, latency, combinational paths."""
    outcome = run_unit(verilog, manifest, Settings(seed=seed, initial_seeds=(1,)), "python -m tb")
    for name, text in outcome.tests.items():
        if text:
            test = name.partition(" [")[0]
            return Catch(f"bench, {test}", "wrong handshake", "", outcome.vectors, text.partition("\n")[0])
    return None


def _run(unit: Bulk, stage: Stage, driven: int) -> Catch | None:
    manifest = unit.manifest
    source, sink = manifest.inputs[0].name, manifest.outputs[0].name
    unit.reset()
    try:
        got, _, _ = unit.run_rows(
            {source: stage.sent}, {sink: len(stage.wanted)}, stall=stage.stall, seed=stage.seed, patience=_PATIENCE
        )
    except BulkError as error:
        text = str(error)
        symptom = next(symptom for words, symptom in _BROKEN.items() if words in text)
        taken = re.search(rf"\b{source}: (\d+) of", text)  # the driver's account of how far it came
        return Catch(stage.check, symptom, "", driven + int(taken[1] if taken else len(stage.sent)), text)
    wrong = (got[sink] != stage.wanted).any(axis=1)
    if not wrong.any():
        return None
    at = int(np.argmax(wrong))
    completes = completing(manifest.config, stage.inputs)
    port = manifest.outputs[0].payload
    wanted, seen = (port.text(int.from_bytes(rows[at].tobytes(), "little")) for rows in (stage.wanted, got[sink]))
    detail = f"output {at}: expected {wanted}, got {seen}"
    return Catch(stage.check, "wrong bits", _point(manifest, stage, wrong), driven + int(completes[at]) + 1, detail)


def _point(manifest: Manifest, stage: Stage, wrong: NDArray[np.bool_]) -> str:
    """The test point at the first wrong answer that is best correlated with all wrong answers."""
    best, name = 0.0, ""
    completes = completing(manifest.config, stage.inputs)
    for point, mask in hit_masks(manifest.config, stage.inputs, stage.golden).items():
        # Points of a converter count blocks, the others input transfers; each answer has one of either.
        hits = (
            mask[completes] if len(mask) == len(stage.sent) else mask[np.arange(len(wrong)) * len(mask) // len(wrong)]
        )
        if not hits[np.argmax(wrong)] or hits.all() or wrong.all():
            continue
        correlation = float(np.corrcoef(hits, wrong)[0, 1])
        if correlation > best:
            best, name = correlation, point
    return name
