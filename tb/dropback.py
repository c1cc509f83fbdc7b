"""The bench of DropBack's weight regenerator: its model, its batches, its test points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.policies.regenerate import byte_sums, index_states, initial_weights
from tb.batches import Batch, Config, stitch
from tb.operands import Rng, choice
from tb.testpoints import Point

__all__ = ["DROPBACK_POINTS", "DropbackView", "dropback_batch", "dropback_corners", "dropback_model", "index_of"]

Columns = dict[str, NDArray[Any]]
_WORD = (1 << 32) - 1
_FACTOR, _ROUNDS = 0x85EBCA6B, 3
_KINDS = {"weight": 6, "any": 2, "few bits": 4, "small": 2, "large": 2, "subnormal": 2, "special": 1}
_SPECIAL = np.array([0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 1, 0x007FFFFF, 0x00800000], np.uint32)


def _back(word: int, shift: int) -> int:
    """x where x ^ (x << shift) = word, to the left for positive shifts, else to the right."""
    x = word
    for _ in range(32 // abs(shift)):
        x = word ^ (x << shift & _WORD if shift > 0 else x >> -shift)
    return x


def index_of(state: int, seed: int) -> int:
    """The index whose hash is `state` (not 0): every step of the hash is one to one."""
    for _ in range(_ROUNDS):
        for shift in (5, -17, 13):
            state = _back(state, shift)
    return (state ^ seed) * pow(_FACTOR, -1, 1 << 32) & _WORD


def dropback_model(config: Config, inputs: Batch) -> Columns:
    """Output transfers."""
    scale = inputs["scale"].astype(np.uint32).view(np.float32)
    return {"value": initial_weights(inputs["index"], scale, config["seed"]).view(np.uint32)}


def dropback_batch(config: Config, count: int, rng: Rng) -> Columns:
    """Indices in runs and anywhere; scales as of weights, anything, of few bits, at both ends of the range."""
    anywhere = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    index = np.where(rng.random(count) < 0.5, np.arange(count, dtype=np.uint32), anywhere)
    kinds, sign = choice(_KINDS, count, rng), rng.integers(0, 2, count, np.uint32) << 31
    fraction = rng.integers(0, 1 << 23, count, dtype=np.uint32)

    def scales(low: int, high: int) -> NDArray[Any]:
        return rng.integers(low, high, count, dtype=np.uint32) << 23

    patterns = {
        "weight": scales(110, 122) | fraction,
        "few bits": scales(0, 255) | fraction & rng.choice(np.array([0, 1 << 22, 7 << 20, 1, 3], np.uint32), count),
        "small": scales(1, 26) | fraction,
        "large": scales(244, 255) | fraction,
        "subnormal": fraction >> rng.integers(0, 23, count, dtype=np.uint32),
        "special": rng.choice(_SPECIAL, count),
    }
    chosen = np.select([kinds == kind for kind in patterns], list(patterns.values()), scales(0, 256) | fraction)
    return {"index": index.astype(np.uint32), "scale": (chosen ^ sign).astype(np.uint32)}


def dropback_corners(config: Config, rng: Rng) -> Columns:
    """The ends of the byte sum, zero, and the index that hashes to zero, under scales of every kind."""
    seed = config["seed"]
    states = [_WORD, 1, 1 << 8, 1 << 24, 0xFF00FF00, 0x80807FFF, *((0xFFFFFFFF << k) & _WORD for k in range(1, 32))]
    listed = [index_of(state, seed) for state in states] + [seed * pow(_FACTOR, -1, 1 << 32) & _WORD, 0, _WORD]
    zeros = np.flatnonzero(byte_sums(index_states(np.arange(1 << 14), seed)) == 0)[:6]
    index = np.repeat(np.array([*listed, *zeros], np.uint32), 60)
    directed = dropback_batch(config, len(index), rng) | {"index": rng.permutation(index)}
    return stitch([directed, dropback_batch(config, 3000, rng)])


class DropbackView:
    """Facts about a batch: byte sums, scales and what of their exact product FP32 drops."""

    def __init__(self, config: Config, inputs: Batch, outputs: Batch) -> None:
        index, self.seed = inputs["index"], config["seed"]
        self.mixed = np.uint32(self.seed) ^ index.astype(np.uint32) * np.uint32(_FACTOR)
        self.z = byte_sums(index_states(index, self.seed))
        self.scale = inputs["scale"].astype(np.uint32)
        self.value = outputs["value"].astype(np.uint32)
        field = self.scale >> 23 & 0xFF
        self.subnormal_scale = (field == 0) & ((self.scale & 0x7FFFFF) != 0)
        self.infinite = (self.scale & 0x7FFFFFFF) == 0x7F800000
        self.nan = (self.scale & 0x7FFFFFFF) > 0x7F800000
        self.finite = field < 255
        with np.errstate(invalid="ignore"):
            exact = self.z * np.where(self.finite, self.scale, 0).astype(np.uint32).view(np.float32).astype(np.float64)
        # 9 + 24 bits: float64 holds the exact product, and every float32
        got = np.where(self.value >> 23 & 0xFF == 255, 0, self.value).astype(np.uint32).view(np.float32)
        error = np.abs(got.astype(np.float64)) - np.abs(exact)
        spacing = 2.0 ** (np.maximum((self.value >> 23 & 0xFF).astype(np.int64), 1) - 150)
        kept = self.finite & (self.value >> 23 & 0xFF < 255)
        self.exact, self.up, self.down = kept & (error == 0) & (exact != 0), kept & (error > 0), kept & (error < 0)
        # A half of the last place, on either side of a power of two
        self.tie = kept & ((np.abs(error) == spacing / 2) | (-error == spacing / 4) & (self.value & 0x7FFFFF == 0))


DROPBACK_POINTS = [
    Point("largest byte sum", lambda v: v.z == 510),
    Point("least byte sum", lambda v: v.z == -509),  # the hash is never 0
    Point("byte sum of zero", lambda v: v.z == 0),
    Point("byte sum of zero under a negative scale", lambda v: (v.z == 0) & (v.scale >> 31 == 1) & v.finite),
    Point("index that hashes to zero", lambda v: v.mixed == 0),
    Point("exact product", lambda v: v.exact),
    Point("rounds up", lambda v: v.up),
    Point("rounds down", lambda v: v.down),
    Point("tie rounds up", lambda v: v.tie & v.up),
    Point("tie rounds down", lambda v: v.tie & v.down),
    Point("subnormal scale", lambda v: v.subnormal_scale & (v.z != 0)),
    Point("subnormal weight", lambda v: (v.value >> 23 & 0xFF == 0) & (v.value & 0x7FFFFF != 0)),
    Point("subnormal scale, normal weight", lambda v: v.subnormal_scale & (v.value >> 23 & 0xFF != 0)),
    Point("overflow", lambda v: v.finite & (v.value & 0x7FFFFFFF == 0x7F800000)),
    Point("scale of zero", lambda v: v.scale & 0x7FFFFFFF == 0),
    Point("infinite scale", lambda v: v.infinite & (v.z != 0)),
    Point("infinite scale, byte sum of zero", lambda v: v.infinite & (v.z == 0)),
    Point("NaN", lambda v: v.nan),
    Point("negative weight", lambda v: (v.z < 0) & (v.scale >> 31 == 0) & v.finite),
]
