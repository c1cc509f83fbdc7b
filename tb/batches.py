"""Batches of transfers, and blocks read out of them: what every model, pattern and test point builds on.

A batch is a dict of base field name (ports.py) -> unsigned codes, (n, N) for array fields, (n,) for scalars, in
stream order. A block's fields carry the prefix of their operand: "" in a converter, "a." and "b." in a dot product,
"a[0]." up to "a[k]." where several blocks enter in one transfer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.catalog import get_format
from golden.f25 import F25_GROUP
from golden.formats import BlockFormat, ElementEncoding

__all__ = [
    "Batch",
    "Config",
    "as_blocks",
    "block_fields",
    "chunked",
    "element_field",
    "exponent_codes",
    "flushes",
    "group_blocks",
    "length",
    "prefixes",
    "rows",
    "scale_field",
    "scale_powers",
    "signed_codes",
    "stitch",
    "tensor_scales",
    "to_code",
    "to_float",
]

Batch = Mapping[str, NDArray[Any]]
Config = Mapping[str, Any]

_CHUNK = 1 << 22  # elements handled at once: int64 temporaries of 32 MiB, whatever the size of the batch


def length(batch: Batch) -> int:
    """Number of transfers in a batch."""
    return len(next(iter(batch.values())))


def rows(batch: Batch, index: Any) -> dict[str, NDArray[Any]]:
    """The transfers that `index` (a slice, an index or mask array) selects."""
    return {name: values[index] for name, values in batch.items()}


def chunked(batch: Batch, width: int) -> Iterator[dict[str, NDArray[Any]]]:
    """A batch in pieces; a transfer has about `width` elements."""
    step = max(1, _CHUNK // width)
    for start in range(0, length(batch), step):
        yield rows(batch, slice(start, start + step))


def stitch(parts: Sequence[Batch]) -> dict[str, NDArray[Any]]:
    """Batches end to end."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def to_float(codes: NDArray[Any], source: str) -> NDArray[np.float32]:
    """FP32, BF16 or FP16 codes as the float32 values they mean, all of them exact."""
    if source == "fp16":
        return codes.astype(np.uint16).view(np.float16).astype(np.float32)
    return (codes.astype(np.uint32) << (16 if source == "bf16" else 0)).view(np.float32)


def to_code(values: NDArray[np.float32], target: str = "fp32") -> NDArray[Any]:
    """Bit patterns of values that the target, FP32, BF16 or FP16, holds exactly."""
    if target == "fp16":
        return values.astype(np.float16).view(np.uint16)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return (bits >> 16).astype(np.uint16) if target == "bf16" else bits


def element_field(fmt: BlockFormat) -> str:
    """What a block's elements are called: `element` in a minifloat format, else `mantissa`."""
    return "element" if fmt.element.is_float else "mantissa"


def scale_field(fmt: BlockFormat) -> str:
    """What a block's scale is called: `exponent`, or `scale` where it is a minifloat."""
    return "exponent" if fmt.scale.minifloat is None else "scale"


def scale_powers(fmt: BlockFormat) -> range:
    """Exponents of the powers of two among a format's scales."""
    minifloat = fmt.scale.minifloat
    return fmt.scale.unit_exponents if minifloat is None else range(minifloat.lsb_exponent, minifloat.emax + 1)


def tensor_scales(config: Config) -> list[str]:
    """Fields of the tensors' scales that a unit takes: a sum over blocks is multiplied by them."""
    if config["unit"] != "dot" or config["accumulate"] == "none":
        return []
    return [
        f"{x}_tensor_scale" for x, key in (("a", "format"), ("b", "format_b")) if get_format(config[key]).tensor_scale
    ]


def flushes(config: Config) -> bool:
    """Whether a converter takes subnormal values for zeros; a configuration that does not say keeps them."""
    return bool(config.get("subnormals", "keep") == "flush")


def as_blocks(fmt: BlockFormat, batch: Batch, *operand: str) -> BlockArray:
    """(n, blocks) blocks from the fields of each prefix `operand`: one block and no prefix unless given."""

    def field(name: str) -> NDArray[Any]:
        return np.stack([batch[prefix + name] for prefix in operand or ("",)], axis=1)

    shared = field("microexponent") if fmt.microexponents else None
    one = 1.0 if fmt.tensor_scale else None  # a block's own result knows no tensor
    return BlockArray.from_codes(
        fmt, field(element_field(fmt)), field(scale_field(fmt)), microexponents=shared, tensor_scale=one
    )


def block_fields(blocks: BlockArray) -> dict[str, NDArray[Any]]:
    """The fields of (n, 1) blocks: the inverse of `as_blocks`."""
    fields = {element_field(blocks.format): blocks.codes[:, 0], scale_field(blocks.format): blocks.scales[:, 0]}
    return fields if blocks.microexponents is None else fields | {"microexponent": blocks.microexponents[:, 0]}


def group_blocks(config: Config) -> int:
    """Blocks of an operand that enter a unit in one transfer: one, or those of 64 elements in the mode `f25`."""
    return F25_GROUP // get_format(config["format"]).block if config.get("mode") == "f25" else 1


def prefixes(config: Config, operand: str) -> list[str]:
    """The prefixes of an operand's blocks in one transfer."""
    if config.get("mode") != "f25":
        return [f"{operand}."]
    return [f"{operand}[{k}]." for k in range(group_blocks(config))]


def signed_codes(fmt: BlockFormat, magnitudes: NDArray[Any], negative: Any) -> NDArray[Any]:
    """Stored elements of magnitude codes 0..2^(bits - 1) - 1 and signs.

    Magnitude codes rise with the magnitude in every encoding; two's complement has no negative zero.
    """
    element, wide = fmt.element, np.asarray(magnitudes).astype(np.int64)
    if element.encoding is ElementEncoding.TWOS_COMPLEMENT:
        codes = np.where(negative, -wide, wide) & ((1 << element.bits) - 1)
    else:
        codes = wide | np.asarray(negative, np.int64) << (element.bits - 1)
    return codes.astype(np.uint8 if element.bits <= 8 else np.uint16)


def exponent_codes(fmt: BlockFormat, values: NDArray[np.int64], poison: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Stored codes of scales 2^values within the format's range, the reserved one where `poison`."""
    minifloat = fmt.scale.minifloat
    if minifloat is not None:
        bits = minifloat.mantissa_bits
        normal = values - minifloat.lsb_exponent - bits  # 0 for the least normal number, whose field is 1
        codes = np.where(normal < 0, 1 << np.clip(normal + bits, 0, bits), np.maximum(normal + 1, 0) << bits)
    else:
        codes = (values + fmt.scale.bias) & ((1 << fmt.scale.bits) - 1)
    return np.where(poison, fmt.scale.poison_code, codes).astype(np.uint16)
