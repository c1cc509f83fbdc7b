"""From blocks to blocks of another format: exact, or rounded where that is asked for by name.

A block becomes what `golden.quantize` would make of its exact values (formats.md 0.2-0.8), also of those that FP32 does
not hold. Elements have at most 16 significant bits, so that FP32 holds their integers, in the unit of their block.
"""

import numpy as np
from numpy.typing import NDArray

from golden import elements
from golden.block_array import BlockArray, as_format
from golden.formats import BlockFormat, Rounding, ScaleEncoding, ScaleRule, conversion_loss
from golden.scales import encode_scales, microexponents, shared_exponents

__all__ = ["INEXACT", "convert"]

INEXACT = ("refuse", "round")  # what to do where a format cannot hold every block of another


def convert(
    blocks: BlockArray,
    fmt: BlockFormat | str,
    *,
    inexact: str = "refuse",
    rounding: Rounding | str = Rounding.RNE,
    scale_rule: ScaleRule | str = ScaleRule.FLOOR,
) -> BlockArray:
    """Blocks of `fmt`, block for block; both formats have one block length and power-of-two scales.

    Raises ValueError where some block of the one format has values that the other cannot hold, whatever `blocks` holds,
    unless `inexact` is "round": then shared exponents, microexponents and elements are made anew, by `scale_rule` and
    `rounding` (rne, rna, rtz), from the exact values. A NaN or an infinity among the elements poisons its block.
    """
    source, fmt, rounding, rule = blocks.format, as_format(fmt), Rounding(rounding), ScaleRule(scale_rule)
    if inexact not in INEXACT:
        raise ValueError(f"inexact {inexact!r}: one of {', '.join(INEXACT)}")
    if rounding is Rounding.SR:
        raise ValueError("rounding 'sr': one of rne, rna, rtz; draw from dequantised values instead")
    for one in (source, fmt):
        if one.scale.encoding is ScaleEncoding.FLOAT:
            raise ValueError(f"{one.name}: formats whose scale is a power of two wanted")
    if source.block != fmt.block:
        raise ValueError(f"{source.name} to {fmt.name}: one block length wanted")
    if inexact == "refuse" and (loss := conversion_loss(source, fmt, rule)):
        raise ValueError(f"{source.name} to {fmt.name}: {loss}; inexact='round' rounds")

    poison = blocks.poison | (blocks.specials != 0).any(axis=-1)
    rows = _patterns(blocks).reshape(-1, fmt.block)
    rows = np.where(poison.reshape(-1, 1), np.uint32(0), rows)
    magnitudes, unit = rows & 0x7FFFFFFF, blocks.unit_exponents.reshape(-1)
    exponents = shared_exponents(magnitudes.max(axis=-1), fmt, rule, unit)
    places = (exponents - unit)[:, np.newaxis]  # the shared exponents, as seen from the unit
    shifts = None
    if fmt.microexponents:
        pairs = magnitudes.reshape(len(rows), fmt.microexponents, fmt.subblock).max(axis=-1)
        shifts = microexponents(pairs, places, fmt, rule)
        places = places - np.repeat(shifts, fmt.subblock, axis=-1)
        shifts[poison.reshape(-1)] = 0
        shifts = shifts.reshape(*poison.shape, -1)
    codes = elements.encode(rows, places, fmt.element, rounding)
    scales = encode_scales(exponents, fmt.scale).reshape(poison.shape)
    return BlockArray(
        format=fmt,
        shape=blocks.shape,
        axis=blocks.axis,
        codes=codes.reshape(blocks.codes.shape),
        scales=np.where(poison, scales.dtype.type(fmt.scale.poison_code), scales),
        microexponents=shifts,
    )


def _patterns(blocks: BlockArray) -> NDArray[np.uint32]:
    """Elements (..., blocks, block) in the unit of their block, exact; the zero of a minifloat has a sign."""
    values = elements.restore(blocks.integers.astype(np.float32), blocks.codes, blocks.format.element)
    return values.view(np.uint32)
