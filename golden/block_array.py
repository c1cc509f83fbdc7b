"""Block arrays: tensors stored in blocks with a shared exponent, as every other module reads them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden import elements
from golden.catalog import get_format
from golden.formats import BlockFormat
from golden.layout import blocked_shape, from_blocked, normalized_axis
from golden.packing import pack_fields, unpack_fields
from golden.rounding import NAN, to_float, unpack_fp32
from golden.scales import decode_scales, is_poison, scale_significands

__all__ = ["BlockArray", "as_format", "from_bits"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BlockArray:
    """A tensor of `shape` in blocks of `format` along `axis` (0 <= axis < ndim).

    `codes` are the stored unsigned elements (..., blocks, block), `scales` the stored shared exponents (..., blocks),
    where ... are the other axes of the tensor in order. `microexponents` (..., blocks, pairs) and the FP32
    `tensor_scale` () are None for formats without them.
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
        microexponents: ArrayLike | None = None,
        tensor_scale: ArrayLike | None = None,
        shape: tuple[int, ...] | None = None,
        axis: int = -1,
    ) -> Self:
        """A block array of given codes (..., blocks, block) and scales (..., blocks), any code that fits its width.

        Codes that a converter never makes (negative zero, specials, poison with a payload) are taken as they are.
        `microexponents` (..., blocks, pairs) and `tensor_scale`, a positive FP32, are for the formats that have them.
        Without `shape` the tensor is (..., blocks * block).
        """
        fmt = as_format(fmt)
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
            microexponents=_checked_microexponents(microexponents, scales.shape, fmt),
            tensor_scale=_checked_tensor_scale(tensor_scale, fmt),
        )

    @property
    def poison(self) -> NDArray[np.bool_]:
        """Which blocks (..., blocks) took in a NaN or an infinity."""
        return is_poison(self.scales, self.format.scale)

    @property
    def mantissas(self) -> NDArray[np.int64]:
        """Signed integers (..., blocks, block) as stored: 0 in poisoned blocks and for elements that are not numbers.

        Their unit is 2^(exponent - microexponent + element.lsb_exponent), times a minifloat scale's significand.
        """
        return np.where(self.poison[..., np.newaxis], 0, elements.decode(self.codes, self.format.element))

    @property
    def exponents(self) -> NDArray[np.int64]:
        """Shared exponents (..., blocks) behind the stored scales; without meaning where poisoned."""
        return decode_scales(self.scales, self.format.scale)

    @property
    def integers(self) -> NDArray[np.int64]:
        """The values (..., blocks, block) as integers in their block's unit, tensor scale apart.

        Microexponents are applied as left shifts and a minifloat scale's significand as a factor, so nothing is lost.
        """
        integers = self.mantissas
        if self.microexponents is not None:
            shifts = self.format.max_microexponent - self.microexponents.astype(np.int64)
            integers = integers << np.repeat(shifts, self.format.subblock, axis=-1)
        if self.format.scale.minifloat is not None:
            integers = integers * scale_significands(self.scales, self.format.scale)[..., np.newaxis]
        return integers

    @property
    def unit_exponents(self) -> NDArray[np.int64]:
        """Exponents (..., blocks) of the units of `integers`."""
        return self.exponents + self.format.unit_exponent

    @property
    def specials(self) -> NDArray[np.float32]:
        """Infinities and NaN among the elements (..., blocks, block), all NaN where poisoned; +0 elsewhere."""
        found = elements.specials(self.codes, self.format.element)
        return np.where(self.poison[..., np.newaxis], NAN.view(np.float32), found)

    def dequantize(self, target: str = "fp32") -> NDArray[np.float32]:
        """The values as float32 of the tensor's shape: RNE of the exact ones; poisoned blocks are all 0x7FC00000.

        The one rounding is to `target`: fp32, bf16 or fp16, whose values float32 holds.
        """
        integers, exponents = self.integers, self.unit_exponents[..., np.newaxis]
        if self.tensor_scale is not None:
            _, significand, exponent = unpack_fp32(self.tensor_scale.view(np.uint32))
            integers, exponents = integers * significand, exponents + exponent
        negated = scale_significands(self.scales, self.format.scale)[..., np.newaxis] < 0
        values = elements.restore(to_float(integers, exponents, target), self.codes, self.format.element, negated)
        return from_blocked(np.where(self.poison[..., np.newaxis], NAN.view(np.float32), values), self.shape, self.axis)

    def to_bits(self) -> NDArray[np.uint8]:
        """Little-endian memory image (..., blocks, format.bytes), pads included; a tensor scale stays outside."""
        fields = [(self.codes, self.format.element.bits)]
        if self.microexponents is not None:
            fields.append((self.microexponents, self.format.microexponent_bits))
        return pack_fields([*fields, (self.scales[..., np.newaxis], self.format.scale.bits)])


def from_bits(
    bits: ArrayLike,
    fmt: BlockFormat | str,
    shape: tuple[int, ...],
    axis: int = -1,
    *,
    tensor_scale: ArrayLike | None = None,
) -> BlockArray:
    """The block array of a memory image (..., blocks, format.bytes), as `to_bits` makes it for a tensor of `shape`.

    `tensor_scale` comes beside the image for formats that have one.
    """
    fmt, image = as_format(fmt), np.asarray(bits)
    axis = normalized_axis(tuple(shape), axis)
    wanted = (*blocked_shape(tuple(shape), axis, fmt)[:-1], fmt.bytes)
    if image.dtype != np.uint8 or image.shape != wanted:
        raise ValueError(f"bits {image.dtype} {image.shape}: uint8 {wanted} wanted for {fmt.name} of shape {shape}")
    groups = [(fmt.block, fmt.element.bits), (1, fmt.scale.bits)]
    if fmt.microexponents:
        groups.insert(1, (fmt.microexponents, fmt.microexponent_bits))
    codes, *shifts, scales = unpack_fields(image, groups)
    return BlockArray.from_codes(
        fmt,
        codes,
        scales[..., 0],
        microexponents=shifts[0] if shifts else None,
        tensor_scale=tensor_scale,
        shape=shape,
        axis=axis,
    )


def as_format(fmt: BlockFormat | str) -> BlockFormat:
    """A format, by itself or by its catalogue name."""
    return get_format(fmt) if isinstance(fmt, str) else fmt


def _stored(what: str, values: NDArray[Any], bits: int) -> NDArray[Any]:
    if values.dtype.kind not in "ui" or (values < 0).any() or (values >> bits).any():
        raise ValueError(f"{what}: integers 0..{(1 << bits) - 1} wanted")
    return values.astype(elements.code_dtype(bits))


def _checked_microexponents(values: ArrayLike | None, blocks: tuple[int, ...], fmt: BlockFormat) -> NDArray[Any] | None:
    if not fmt.microexponents:
        if values is not None:
            raise ValueError(f"microexponents: {fmt.name} has none")
        return None
    wanted = (*blocks, fmt.microexponents)
    if values is None or np.shape(values) != wanted:
        raise ValueError(f"microexponents {np.shape(values) if values is not None else None}: {wanted} wanted")
    return _stored("microexponents", np.asarray(values), fmt.microexponent_bits)


def _checked_tensor_scale(value: ArrayLike | None, fmt: BlockFormat) -> NDArray[np.float32] | None:
    if not fmt.tensor_scale:
        if value is not None:
            raise ValueError(f"tensor_scale: {fmt.name} has none")
        return None
    scale = np.asarray(np.nan if value is None else value, np.float32)
    if scale.shape != () or not 0 < scale < np.inf:
        raise ValueError(f"tensor_scale {value!r}: one positive finite FP32 wanted for {fmt.name}")
    return scale
