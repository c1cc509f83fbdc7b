"""DropBack's initial weights, regenerated from their index instead of stored (policies.md 8).

The hardware unit `dropback_weight` computes the same: a hash of the index, the sum of its four bytes (roughly normal),
one FP32 multiplication.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.rounding import canonical_nan

__all__ = ["BYTE_SUM_DEVIATION", "DEFAULT_SEED", "byte_sums", "index_states", "initial_weights", "scale_of"]

DEFAULT_SEED = 0x9E3779B9
BYTE_SUM_DEVIATION = 147.80054  # sqrt(65535 / 3): deviation of the sum of four uniform bytes
_INDEX_FACTOR, _ZERO_STATE = np.uint32(0x85EBCA6B), np.uint32(0x6D2B79F5)

Words = NDArray[np.uint32]


def index_states(index: NDArray[np.integer[Any]], seed: int = DEFAULT_SEED) -> Words:
    """s of every index (taken modulo 2^32): seed xor index * 0x85EBCA6B, three rounds of xorshift32."""
    s = np.uint32(seed) ^ np.atleast_1d(index).astype(np.uint32) * _INDEX_FACTOR
    s[s == 0] = _ZERO_STATE
    for _ in range(3):
        s ^= s << np.uint32(13)
        s ^= s >> np.uint32(17)
        s ^= s << np.uint32(5)
    return s


def byte_sums(states: Words) -> NDArray[np.int32]:
    """z = sum of the four bytes - 510, in -510..510."""
    return np.ascontiguousarray(states).view(np.uint8).reshape(-1, 4).sum(axis=1, dtype=np.int32) - 510


def scale_of(sigma: float) -> np.float32:
    """c = fl(sigma / 147.80054): what makes z a sample of deviation sigma."""
    return np.float32(sigma / BYTE_SUM_DEVIATION)


def initial_weights(
    index: NDArray[np.integer[Any]], scale: np.float32 | NDArray[np.float32], seed: int = DEFAULT_SEED
) -> NDArray[np.float32]:
    """w0 = fl(z * c) of every index, FP32; one scale c for all, or one each. Any c: NaN gives 0x7FC00000."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return canonical_nan(byte_sums(index_states(index, seed)).astype(np.float32) * np.asarray(scale, np.float32))
