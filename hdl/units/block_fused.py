"""The exact integer sum of a block's products as one compressor tree: `block_sums` in fewer gates, for one block."""

from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib import data

from golden.formats import BlockFormat
from hdl.layouts import elements
from hdl.stream import Pipeline
from hdl.units.block_sum import sum_shape
from hdl.units.core_fused import fused_sum
from hdl.units.factors import decode_element
from hdl.units.specials import find_specials

__all__ = ["fused_block_sum"]


def fused_block_sum(
    m: Module,
    platform: object,
    pipe: Pipeline,
    formats: tuple[BlockFormat, BlockFormat],
    pair: tuple[data.View, data.View],
    *,
    fast: bool,
    **along: Any,
) -> tuple[Value, dict[str, Any]]:
    """The sum of a pair of blocks, in units of their LSBs, and what travels along; see `block_sums`.

    A tree has no level that every bit passes: the registers of the cuts "products" and "half_sums" stand behind it, for
    a retiming tool to move into it.
    """
    total = fused_sum(m, platform, formats, *pair, sum_shape(*formats).width, fast=fast).as_signed()
    a, b = (
        [decode_element(m, element, fmt.element, name=f"{name}_{k}") for k, element in enumerate(elements(block, fmt))]
        for name, block, fmt in zip("ab", pair, formats, strict=True)
    )
    stage = pipe.cut("products", total=total, **find_specials(m, a, b), **along)
    kept = vars(pipe.cut("half_sums", **vars(stage)))
    return kept.pop("total"), kept
