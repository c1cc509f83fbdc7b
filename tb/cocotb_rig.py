"""What the modules of cocotb tests share: the run's parameters, its tally, and a test's own random numbers.

Parameters: `manifest` (parsed JSON), `seed`, `initial_seed`, `vectors` (input transfers per cell of the matrix) and
`rerun` (the command that repeats the simulation). The report says what all tests together drove.
"""

import random
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tb import runner
from tb.bench_unit import Mismatch, Tally, UnitBench
from tb.manifest import Manifest

__all__ = ["GIVEN", "MANIFEST", "RigNumbers"]

GIVEN = runner.parameters()
MANIFEST = Manifest.from_dict(GIVEN["manifest"])
_TALLY = Tally()


class RigNumbers(UnitBench):
    """Put before a bench: builds it for a test of this name, with random numbers that are the test's own."""

    def __init__(self, dut: Any, test: str) -> None:
        seeds = f"seed {GIVEN['seed']}, initial-value seed {GIVEN['initial_seed']}"
        super().__init__(dut, MANIFEST, _TALLY, seeds=seeds, rerun=GIVEN["rerun"])
        key = [GIVEN["seed"], GIVEN["initial_seed"], crc32(test.encode())]
        self.numbers, self.rng = np.random.default_rng(key), random.Random(repr(key))

    def complain(self, what: str) -> None:
        """End the test."""
        raise Mismatch(f"{MANIFEST.top}: {what}\n{self.origin}")

    def check(self, what: str, measured: NDArray[Any], stated: int) -> None:
        """Demand that all of some cycle counts are what the manifest states."""
        if (measured != stated).any():
            self.complain(f"{what}: {measured.min()}..{measured.max()} cycles, the manifest says {stated}")

    def close(self) -> None:
        """Hand over what all tests so far have driven."""
        runner.report({"vectors": _TALLY.vectors, "cycles": _TALLY.cycles, "hits": dict(_TALLY.hits)})
