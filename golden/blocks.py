"""Block arrays: tensors stored in blocks with a shared exponent; `quantize` makes them, `BlockArray` reads them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden import elements
from golden.catalog import get_format
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.layout import blocked_shape, from_blocked, normalized_axis, to_blocked
from golden.packing import pack_fields, unpack_fields
from golden.rounding import INFINITY, NAN, to_fp32
from golden.scales import decode_scales, encode_scales, shared_exponents

__all__ = ["BlockArray", "from_bits", "quantize"]

_CHUNK = 1 << 14  # elements converted at a time, so that the intermediate arrays stay in the cache
_DTYPES = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BlockArray:
    """A tensor of `shape` in blocks of `format` along `axis` (0 <= axis < ndim).

    `codes` are the stored unsigned elements (..., blocks, block), `scales` the stored shared exponents (..., blocks),
    where ... are the other axes of the tensor in order. `microexponents` (..., blocks, pairs) and `tensor_scale` are
    None for formats without them.
    """

    format: BlockFormat
    shape: tuple[int, ...]
    axis: int
    codes: NDArray[Any]
    scales: NDArray[Any]
    microexponents: NDArray[Any] | None = None
    tensor_scale: NDArray[np.float32] | None = None

    @classmethod
    def from_codes(
        cls,
        fmt: BlockFormat | str,
        codes: ArrayLike,
        scales: ArrayLike,
        *,
        shape: tuple[int, ...] | None = None,
        axis: int = -1,
    ) -> Self:
        """A block array of given codes (..., blocks, block) and scales (..., blocks), any code that fits its width.

        Codes that a converter never makes (negative zero, poison with a payload) are taken as they are. Without
        `shape` the tensor is (..., blocks * block).
        """
        fmt = _format(fmt)
        codes, scales = np.asarray(codes), np.asarray(scales)
        if codes.ndim < 2 or codes.shape[-1] != fmt.block or codes.shape[:-1] != scales.shape:
            raise ValueError(
                f"codes {codes.shape}, scales {scales.shape}: (..., blocks, {fmt.block}) and (..., blocks) wanted"
            )
        shape = (*codes.shape[:-2], codes.shape[-2] * fmt.block) if shape is None else tuple(shape)
        axis = normalized_axis(shape, axis)
        if blocked_shape(shape, axis, fmt) != codes.shape:
            raise ValueError(f"shape {shape} along axis {axis} is not codes {codes.shape}")
        return cls(
            format=fmt,
            shape=shape,
            axis=axis,
            codes=_stored("codes", codes, fmt.element.bits),
            scales=_stored("scales", scales, fmt.scale.bits),
        )

    @property
    def poison(self) -> NDArray[np.bool_]:
        """Which blocks (..., blocks) took in a NaN or an infinity."""
        return self.scales == self.format.scale.poison_code

    @property
    def mantissas(self) -> NDArray[np.int64]:
        """Signed integers (..., blocks, block), units of 2^(exponent + element.lsb_exponent); 0 in poisoned blocks."""
        return np.where(self.poison[..., np.newaxis], 0, elements.decode(self.codes, self.format.element))

    @property
    def exponents(self) -> NDArray[np.int64]:
        """Shared exponents (..., blocks) behind the stored scales; without meaning where poisoned."""
        return decode_scales(self.scales, self.format.scale)

    def dequantize(self) -> NDArray[np.float32]:
        """The values as float32 of the tensor's shape: RNE of the exact ones; poisoned blocks are all 0x7FC00000."""
        lsb = self.exponents[..., np.newaxis] + self.format.element.lsb_exponent
        values = np.where(self.poison[..., np.newaxis], NAN.view(np.float32), to_fp32(self.mantissas, lsb))
        return from_blocked(values, self.shape, self.axis)

    def to_bits(self) -> NDArray[np.uint8]:
        """Little-endian memory image (..., blocks, format.bytes), pads included."""
        return pack_fields(
            [(self.codes, self.format.element.bits), (self.scales[..., np.newaxis], self.format.scale.bits)]
        )


def from_bits(bits: ArrayLike, fmt: BlockFormat | str, shape: tuple[int, ...], axis: int = -1) -> BlockArray:
    """The block array of a memory image (..., blocks, format.bytes), as `to_bits` makes it for a tensor of `shape`."""
    fmt, image = _format(fmt), np.asarray(bits)
    axis = normalized_axis(tuple(shape), axis)
    wanted = (*blocked_shape(tuple(shape), axis, fmt)[:-1], fmt.bytes)
    if image.dtype != np.uint8 or image.shape != wanted:
        raise ValueError(f"bits {image.dtype} {image.shape}: uint8 {wanted} wanted for {fmt.name} of shape {shape}")
    codes, scales = unpack_fields(image, [(fmt.block, fmt.element.bits), (1, fmt.scale.bits)])
    return BlockArray.from_codes(fmt, codes, scales[..., 0], shape=shape, axis=axis)


def quantize(
    x: ArrayLike,
    fmt: BlockFormat | str,
    *,
    axis: int = -1,
    rounding: Rounding | str = Rounding.RNE,
    scale_rule: ScaleRule | str = ScaleRule.FLOOR,
    random: NDArray[np.unsignedinteger[Any]] | None = None,
    random_bits: int | None = None,
) -> BlockArray:
    """Blocks of `fmt` (a format or its name) along `axis` of a float16, bfloat16, float32 or float64 tensor.

    float64 is first rounded RNE to FP32, the narrower types are exact in it. Per block: largest magnitude, `scale_rule`
    (floor, ceil, even; emulator for BFP), clamp to the exponent range; then each element is rounded and saturated.
    A NaN or infinity poisons its block. `random`, used by SR alone, holds unsigned words of the shape of `x`; they have
    R = `random_bits` bits each, the width of their type unless given.
    """
    fmt, rounding, tensor = _format(fmt), Rounding(rounding), np.asarray(x)
    if tensor.dtype.name not in _DTYPES:
        raise TypeError(f"x has dtype {tensor.dtype}: {', '.join(_DTYPES)} wanted")
    axis = normalized_axis(tensor.shape, axis)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # float64 past FLT_MAX is Inf, which poisons
        bits = to_blocked(tensor.astype(np.float32).view(np.uint32), axis, fmt)
    words, word_bits = None, 0
    if rounding is Rounding.SR:
        words, word_bits = _random_words(random, random_bits, tensor.shape)
        words = to_blocked(words, axis, fmt)

    codes = np.empty(bits.shape, elements.code_dtype(fmt.element.bits))
    scales = np.empty(bits.shape[:-1], elements.code_dtype(fmt.scale.bits))
    rows, flat_codes, flat_scales = bits.reshape(-1, fmt.block), codes.reshape(-1, fmt.block), scales.reshape(-1)
    flat_words = None if words is None else words.reshape(-1, fmt.block)
    step = max(1, _CHUNK // fmt.block)
    for part in (slice(start, start + step) for start in range(0, len(rows), step)):
        drawn = None if flat_words is None else flat_words[part]
        flat_codes[part], flat_scales[part] = _convert(rows[part], fmt, rounding, scale_rule, drawn, word_bits)
    return BlockArray(format=fmt, shape=tensor.shape, axis=axis, codes=codes, scales=scales)


def _convert(
    bits: NDArray[np.uint32],
    fmt: BlockFormat,
    rounding: Rounding,
    scale_rule: ScaleRule | str,
    words: NDArray[np.unsignedinteger[Any]] | None,
    word_bits: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes (n, block) and scales (n) of whole blocks of FP32 patterns."""
    maxima = (bits & 0x7FFFFFFF).max(axis=-1)  # magnitudes are ordered like their patterns
    poison = maxima >= INFINITY
    exponents = shared_exponents(np.where(poison, np.uint32(0), maxima), fmt, scale_rule)
    finite = np.where(poison[:, np.newaxis], np.uint32(0), bits)
    codes = elements.encode(finite, exponents[:, np.newaxis], fmt.element, rounding, words, word_bits)
    return codes, encode_scales(exponents, maxima, fmt.scale)


def _random_words(random: Any, random_bits: int | None, shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
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


def _format(fmt: BlockFormat | str) -> BlockFormat:
    return get_format(fmt) if isinstance(fmt, str) else fmt


def _stored(what: str, values: NDArray[Any], bits: int) -> NDArray[Any]:
    if values.dtype.kind not in "ui" or (values < 0).any() or (values >> bits).any():
        raise ValueError(f"{what}: integers 0..{(1 << bits) - 1} wanted")
    return values.astype(elements.code_dtype(bits))
