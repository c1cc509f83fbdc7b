"""Random words for stochastic rounding, reproducible in any order and on any backend (formats.md 0.2).

`counter_words` derives the word of a slot from (seed, tensor, step, slot) alone: training and the random-word port of
the RTL use it. `lane_words` reproduces the generator inside a converter, one xorshift32 per lane.
"""

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_LANE_SEED", "counter_key", "counter_words", "lane_words", "top_bits"]

DEFAULT_LANE_SEED = 0x9E3779B9
_GOLDEN_RATIO, _INDEX_FACTOR, _ZERO_STATE = 0x9E3779B9, 0x85EBCA6B, 0x6D2B79F5

_MASK = 0xFFFFFFFF

Words = NDArray[np.uint32]


def _mix(x: Any) -> Any:
    """Of an integer, or of every word of an array."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & _MASK
    x = (x ^ (x >> 15)) * 0x846CA68B & _MASK
    return x ^ (x >> 16)


def counter_key(tensor: str, step: int, seed: int = 0) -> int:
    """The 32-bit key of `tensor` at `step`; the word of slot i is mix(key ^ (i * 0x85EBCA6B mod 2^32))."""
    name = crc32(tensor.encode()) + _GOLDEN_RATIO * step & _MASK
    return int(_mix(seed & _MASK ^ _mix(name)))


def counter_words(tensor: str, step: int, slots: int | NDArray[np.integer[Any]], seed: int = 0) -> Words:
    """32-bit words of the slots (an array of indices, or the first so many) of `tensor` ("layer/role") at `step`.

    A slot is an element's index in block order, pads included.
    """
    index = np.arange(slots) if isinstance(slots, int) else np.asarray(slots)
    key = np.uint32(counter_key(tensor, step, seed))
    words: Words = _mix(key ^ index.astype(np.uint32) * np.uint32(_INDEX_FACTOR))
    return words


def top_bits(words: Words, bits: int) -> NDArray[np.unsignedinteger[Any]]:
    """The R = `bits` (1..32) uppermost bits of each word, in the smallest unsigned type that holds them."""
    if not 1 <= bits <= 32:
        raise ValueError(f"bits {bits}: 1..32")
    return (words >> (32 - bits)).astype(np.min_scalar_type((1 << bits) - 1))


def _xorshift(state: Words) -> Words:
    state = state ^ (state << np.uint32(13))
    state = state ^ (state >> np.uint32(17))
    return state ^ (state << np.uint32(5))


def lane_words(
    blocks: int, block: int, lanes: int, bits: int, seed: int = DEFAULT_LANE_SEED
) -> NDArray[np.unsignedinteger[Any]]:
    """Words (blocks, block) of R = `bits` bits that a converter of so many lanes draws from reset on.

    Element i of a block uses lane i mod lanes; all lanes step together, so a last, partly used step draws for all.
    """
    state = np.uint32(seed) ^ np.arange(lanes, dtype=np.uint32) * np.uint32(_INDEX_FACTOR)
    state[state == 0] = _ZERO_STATE
    for _ in range(3):
        state = _xorshift(state)
    steps = -(-block // lanes)
    draws = np.empty((blocks * steps, lanes), np.uint32)
    for draw in draws:
        draw[:] = state = _xorshift(state)
    return top_bits(draws.reshape(blocks, steps * lanes)[:, :block], bits)
