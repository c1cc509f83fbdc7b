"""Seeded draws for the Gecko units: descriptors, values to go with them, damage to their metadata.

Lengths, widths and exponents come from corners and plain ranges mixed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.gecko.descriptor import ROWS, Descriptor, Mode, Source
from golden.gecko.values import DTYPES
from tb.gecko_tensors import Config, legal

__all__ = ["Rng", "damaged", "noise", "random_descriptor", "random_values"]

Rng = np.random.Generator

_LENGTHS = (0, 1, 7, 8, 9, 56, 57, 63, 64, 65, 127, 128, 129)


def noise(rng: Rng, shape: tuple[int, ...], bits: int) -> NDArray[Any]:
    """Random codes of so many bits."""
    return rng.integers(0, 1 << bits, shape, np.uint64).astype(np.uint32)


def random_descriptor(config: Config, rng: Rng) -> Descriptor:
    """Any legal tensor, up to 130 values."""
    container = config["unit"].startswith("container")
    source = Source[config["source"].upper()] if container else Source.FP32
    ne = _pick(rng, 8, rng.integers(1, 9))
    mode = Mode(int(rng.integers(0, 3))) if ne > 1 else Mode.RAW
    m = source.mantissa_bits
    return Descriptor(
        source=source,
        length=_pick(rng, rng.choice(_LENGTHS), rng.integers(0, 131)),
        mode=mode,
        exponent_bits=ne,
        mantissa_bits=_pick(rng, 0, 1, m, rng.integers(0, m + 1)) if container else 0,
        bias=_pick(rng, 0, rng.integers(0, 1 << ne)),
        offset=int(rng.integers(0, 256)) if container and ne < 8 else 0,
        sign_elided=not container or bool(rng.integers(0, 2)),
        zero_mask=config["zero_mask"] == "on" and mode is not Mode.RAW and bool(rng.random() < 0.7),
    )


def _pick(rng: Rng, *numbers: Any) -> int:
    return int(numbers[rng.integers(0, len(numbers))])


def random_values(config: Config, d: Descriptor, rng: Rng) -> NDArray[Any]:
    """Values for a descriptor: exponents within a narrow or wide spread, with some or many of them at the ends."""
    size = 1 << d.exponent_bits
    spread = min(_pick(rng, 1, 2, 3, 5, size), size)
    centre = _pick(rng, rng.integers(0, size), d.bias)
    codes = (centre + rng.integers(0, spread, d.length) - spread // 2) % size
    edges = rng.choice([0, 0, 1, size >> 1, size - 1, (centre + size // 2) % size], d.length) % size
    codes = np.where(rng.random(d.length) < rng.choice([0, 0.02, 0.5]), edges, codes)
    if rng.random() < 0.2:
        codes = np.where(rng.random(d.length) < 0.5, 0, codes)
    if rng.random() < 0.2:
        codes[rng.integers(0, 8) :: 8] = 0
    if config["unit"].startswith("gecko"):
        return codes.astype(np.uint8)
    return _float_bits(d, codes, rng)


def _float_bits(d: Descriptor, codes: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """Values with these exponent codes; in one tensor of four some that the descriptor rules out."""
    m = d.source.mantissa_bits
    field = codes if d.exponent_bits == 8 else np.where(codes == 0, 0, (codes + d.offset) % 256)
    fraction = rng.integers(0, 1 << m, d.length)
    single = 1 << rng.integers(0, m, d.length)  # NaNs whose only bit may be cut
    fraction = np.choose(rng.integers(0, 4, d.length), [fraction, fraction, single, 0])
    sign = rng.integers(0, 2, d.length)
    bits = (sign << m + 8 | field << m | fraction).astype(DTYPES[d.source])
    if d.length and rng.random() < 0.1:
        bits = legal(bits, d)
        if d.exponent_bits < 8 and rng.random() < 0.5:
            # The field whose code would be 0, were it not kept for zeros.
            bits[rng.integers(0, d.length)] = d.offset << m | rng.integers(0, 1 << m)
        else:
            bits[-1] = (1 << d.source.bits) - 1  # a NaN with a set sign
        return bits
    if rng.random() < 0.25:
        wild = rng.integers(0, 1 << d.source.bits, d.length, np.uint64).astype(bits.dtype)
        return np.where(rng.random(d.length) < rng.choice([0.02, 0.3]), wild, bits)
    return legal(bits, d)


def damaged(word: NDArray[Any], d: Descriptor, rng: Rng) -> NDArray[Any]:
    """Metadata words with flipped bits, random ones, random but legal ones, one damaged among good ones, or good."""
    one = np.arange(len(word)) == rng.integers(0, len(word) + 1)
    match rng.integers(0, 6):
        case 0:
            return noise(rng, word.shape, 24)
        case 1:
            return np.where(one, noise(rng, word.shape, 24), word)
        case 2:
            return np.where(one, word & ~np.uint32(7) | np.uint32(1), word)
        case 3:
            flips = np.uint32(1) << rng.integers(0, 24, word.shape).astype(np.uint32)
            return np.where(rng.random(word.shape) < 0.5, word ^ flips, word)
        case 4:
            fields = rng.integers(0, d.exponent_bits, (len(word), ROWS))
            if d.mode is Mode.DELTA:
                fields[:, 0] = rng.integers(0, 1 + d.zero_mask, len(word))
            fields.reshape(-1)[d.rows :] = 0
            return (fields << 3 * np.arange(ROWS)).sum(axis=1).astype(np.uint32)
    return word
