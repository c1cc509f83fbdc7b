"""From tensors to block arrays: `quantize`, for every format, scale rule and rounding (formats.md 0.1-0.10)."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden import elements, nvfp4
from golden.block_array import BlockArray, as_format, from_bits
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.layout import normalized_axis, to_blocked
from golden.rounding import INFINITY
from golden.scales import encode_scales, microexponents, shared_exponents

__all__ = ["DTYPES", "BlockArray", "from_bits", "quantize", "random_words"]

_CHUNK = 1 << 14  # elements converted at a time, so that the intermediate arrays stay in the cache
DTYPES = ("float16", "bfloat16", "float32", "float64")


def quantize(
    x: ArrayLike,
    fmt: BlockFormat | str,
    *,
    axis: int = -1,
    rounding: Rounding | str = Rounding.RNE,
    scale_rule: ScaleRule | str = ScaleRule.FLOOR,
    random: NDArray[np.unsignedinteger[Any]] | None = None,
    random_bits: int | None = None,
    flush_subnormals: bool = False,
) -> BlockArray:
    """Blocks of `fmt` (a format or its name) along `axis` of a float16, bfloat16, float32 or float64 tensor.

    float64 is first rounded RNE to FP32, the narrower types are exact in it. Per block: largest magnitude, `scale_rule`
    (floor, ceil, even; emulator for BFP), clamp to the exponent range; with microexponents the same rule per pair; then
    each element is rounded and saturated. NVFP4 has its own scales, the tensor's from the whole of `x`, and takes no
    other rule. A NaN or infinity poisons its block. `random`, used by SR alone, holds unsigned words of the shape of
    `x`; they have R = `random_bits` bits each, the width of their type unless given.

    `flush_subnormals` (FTZ_IN of formats.md 0.5) takes FP32 subnormals for zeros of their sign before anything else:
    those of float32 and bfloat16, and what float64 rounds to one. Subnormals of float16 are normal in FP32, and stay.
    """
    fmt, rounding, tensor = as_format(fmt), Rounding(rounding), np.asarray(x)
    if tensor.dtype.name not in DTYPES:
        raise TypeError(f"x has dtype {tensor.dtype}: {', '.join(DTYPES)} wanted")
    if fmt.tensor_scale and scale_rule != ScaleRule.FLOOR:
        raise ValueError(
            f"scale_rule '{scale_rule}': {fmt.name} computes its scales, only the default 'floor' is taken"
        )
    axis = normalized_axis(tensor.shape, axis)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # float64 past FLT_MAX is Inf, which poisons
        patterns = tensor.astype(np.float32).view(np.uint32)
    if flush_subnormals:
        patterns = np.where(patterns & INFINITY, patterns, patterns & 0x80000000)  # an exponent field of 0
    bits = to_blocked(patterns, axis, fmt)
    words, word_bits = None, 0
    if rounding is Rounding.SR:
        words, word_bits = random_words(random, random_bits, tensor.shape)
        words = to_blocked(words, axis, fmt).reshape(-1, fmt.block)
    factors = nvfp4.tensor_factors(bits, fmt) if fmt.tensor_scale else None

    rows = bits.reshape(-1, fmt.block)
    stored = _Stored(
        np.empty(rows.shape, elements.code_dtype(fmt.element.bits)),
        np.empty(len(rows), elements.code_dtype(fmt.scale.bits)),
        np.empty((len(rows), fmt.microexponents), np.uint8),
    )
    step = max(1, _CHUNK // fmt.block)
    for part in (slice(start, start + step) for start in range(0, len(rows), step)):
        drawn = None if words is None else words[part]
        made = _convert(rows[part], fmt, rounding, scale_rule, factors, drawn, word_bits)
        for whole, piece in zip(stored, made, strict=True):
            whole[part] = piece
    return BlockArray(
        format=fmt,
        shape=tensor.shape,
        axis=axis,
        codes=stored.codes.reshape(bits.shape),
        scales=stored.scales.reshape(bits.shape[:-1]),
        microexponents=stored.microexponents.reshape(*bits.shape[:-1], -1) if fmt.microexponents else None,
        tensor_scale=None if factors is None else np.asarray(factors[1]),
    )


class _Stored(NamedTuple):
    """Codes (n, block), scales (n) and microexponents (n, pairs) of whole blocks."""

    codes: NDArray[Any]
    scales: NDArray[Any]
    microexponents: NDArray[np.uint8]


def _convert(
    bits: NDArray[np.uint32],
    fmt: BlockFormat,
    rounding: Rounding,
    scale_rule: ScaleRule | str,
    factors: tuple[np.float32, np.float32] | None,
    words: NDArray[np.unsignedinteger[Any]] | None,
    word_bits: int,
) -> _Stored:
    """Whole blocks (n, block) of FP32 patterns; `factors` are the tensor's (encode, decode) under a minifloat scale."""
    magnitudes = bits & 0x7FFFFFFF  # ordered like the values
    maxima = magnitudes.max(axis=-1)
    poison = maxima >= INFINITY
    if poison.any():
        bits, magnitudes = (np.where(poison[:, np.newaxis], np.uint32(0), x) for x in (bits, magnitudes))
        maxima = np.where(poison, np.uint32(0), maxima)
    shifts = np.empty((len(bits), 0), np.uint8)
    places: NDArray[np.int64] | int  # the shared exponents that elements see, less their microexponents
    if factors is None:
        exponents = shared_exponents(maxima, fmt, scale_rule)
        scales = encode_scales(exponents, fmt.scale)
        places = exponents[:, np.newaxis]
        if fmt.microexponents:
            pairs = magnitudes.reshape(len(bits), fmt.microexponents, fmt.subblock).max(axis=-1)
            shifts = microexponents(pairs, places, fmt, scale_rule)
            places = places - np.repeat(shifts, fmt.subblock, axis=-1)
            shifts[poison] = 0
    else:
        scales = nvfp4.block_scales(maxima, factors[0], fmt)
        bits, places = nvfp4.scaled(bits, scales, factors[1], fmt), 0
    codes = elements.encode(bits, places, fmt.element, rounding, words, word_bits)
    return _Stored(codes, np.where(poison, scales.dtype.type(fmt.scale.poison_code), scales), shifts)


def random_words(random: Any, random_bits: int | None, shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
    """The words of SR for a tensor of `shape`, checked, and how many bits each has."""
    if random is None:
        raise ValueError("rounding 'sr' needs random: unsigned words of the shape of x")
    words = np.asarray(random)
    if words.dtype.kind != "u":
        raise TypeError(f"random has dtype {words.dtype}: unsigned words wanted")
    if words.shape != shape:
        raise ValueError(f"random has shape {words.shape}: that of x, {shape}, wanted")
    width = words.dtype.itemsize * 8
    bits = width if random_bits is None else random_bits
    if not 1 <= bits <= width or (bits < width and (words >> bits).any()):
        raise ValueError(f"random_bits {bits}: 1..{width} for {words.dtype} words, which must fit")
    return words, bits
