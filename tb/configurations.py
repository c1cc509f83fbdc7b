"""The configurations that the regression runs: a documented list, not a product.

Mantissas 2, 3, 4, 5, 6, 8, 12 against blocks 1, 3, 16, 25, 64, 256, 576: 24 of the 49 combinations, every value in at
least three of them. Units, pipelines 0, 1, 3, exponent widths 5..10, roundings, scale rules, sources, lanes and
accumulators are spread over them; 4 x 64, the default, has every unit.
"""

from functools import cache
from typing import Any

from golden.catalog import get_format
from hdl.config import BlockUnitConfig, UnitConfig
from hdl.registry import make_config

__all__ = ["REGRESSION", "configurations", "shape"]

_XORSHIFT = {"rounding": "sr", "random": "xorshift"}
_EVEN = {"scale_rule": "even"}

REGRESSION: list[dict[str, Any]] = [
    # 4 x 64: every unit with its defaults, and the dot product's other results
    {"unit": "dot"},
    {"unit": "dot", "result": "fixed"},
    {"unit": "dot", "accumulate": "fp32"},
    {"unit": "dot", "accumulate": "fused", "pipeline": 3},
    {"unit": "quantize"},
    {"unit": "quantize", "rounding": "sr", "lanes": 16},
    {"unit": "dequantize"},
    {"unit": "tile"},
    # mantissa 2
    {"unit": "dot", "format": "bfp2x1", "pipeline": 0},
    {"unit": "quantize", "format": "bfp2x16", "source": "bf16", "scale_rule": "ceil", "rounding": "rtz"},
    {"unit": "dequantize", "format": "bfp2x64", "lanes": 16, "pipeline": 0},
    # mantissa 3
    {"unit": "dot", "format": "bfp3x3", "accumulate": "fp32", "contexts": 3, "pipeline": 3},
    {"unit": "tile", "format": "bfp3x25e9", "to": "bfp4x25", "rounding": "sr", "pipeline": 0},
    {"unit": "quantize", "format": "bfp3x256e5", "source": "fp16", "rounding": "rna", "lanes": 16, "pipeline": 3},
    # mantissa 4
    {"unit": "dot", "format": "bfp4x3", "pipeline": 0},
    {"unit": "tile", "format": "bfp4x16", "to": "bfp8x16", "contexts": 2, "pipeline": 3},
    {"unit": "quantize", "format": "bfp4x576e8", "rounding": "sr", "lanes": 64, "random_bits": 5, "pipeline": 3},
    # mantissa 5
    {"unit": "quantize", "format": "bfp5x1e9", "scale_rule": "even", "pipeline": 0},
    {"unit": "dot", "format": "bfp5x25", "result": "fixed", "pipeline": 3},
    {"unit": "dequantize", "format": "bfp5x256e8", "lanes": 32},
    # mantissa 6
    {"unit": "dot", "format": "bfp6x3e8", "accumulate": "fused", "contexts": 4, "pipeline": 0},
    {"unit": "dot", "format": "bfp6x64", "format_b": "bfp4x64", "accumulate": "fp32"},
    {"unit": "dot", "format": "bfp6x576", "pipeline": 3},
    # mantissa 8
    {"unit": "dequantize", "format": "bfp8x1", "pipeline": 3},
    {"unit": "quantize", "format": "bfp8x16", "lanes": 4} | _XORSHIFT | _EVEN,
    {"unit": "dot", "format": "bfp8x64", "accumulate": "fused", "contexts": 2},
    {"unit": "quantize", "format": "bfp8x64e6", "rounding": "rne", "scale_rule": "ceil", "lanes": 1},
    {"unit": "dot", "format": "bfp8x256", "format_b": "bfp4x256e5"},
    # mantissa 12
    {"unit": "quantize", "format": "bfp12x3e7", "source": "bf16", "pipeline": 3} | _XORSHIFT,
    {"unit": "tile", "format": "bfp12x25", "to": "bfp5x3", "accumulate": "fused", "activation": "none"} | _EVEN,
    {"unit": "dot", "format": "bfp12x64e6", "accumulate": "fp32", "pipeline": 3},
    {"unit": "dot", "format": "bfp12x576e8"},
    # Gecko, which has no blocks: every unit with and without zero masks, sources, tails and pipelines spread over them
    {"unit": "gecko_encoder"},
    {"unit": "gecko_encoder", "zero_mask": "on", "tail": 5, "pipeline": 0},
    {"unit": "gecko_encoder", "zero_mask": "on", "pipeline": 3},
    {"unit": "gecko_decoder", "zero_mask": "on"},
    {"unit": "gecko_decoder", "tail": 24, "pipeline": 1},
    {"unit": "gecko_decoder", "zero_mask": "on", "tail": 8, "pipeline": 0},
    {"unit": "container_pack"},
    {"unit": "container_pack", "source": "bf16", "zero_mask": "on"},
    {"unit": "container_pack", "zero_mask": "on", "pipeline": 0},
    {"unit": "container_pack", "source": "bf16", "pipeline": 5},
    {"unit": "container_unpack"},
    {"unit": "container_unpack", "source": "bf16", "zero_mask": "on"},
    {"unit": "container_unpack", "zero_mask": "on", "pipeline": 1},
    {"unit": "container_unpack", "source": "bf16", "pipeline": 0},
]


@cache
def configurations() -> tuple[UnitConfig, ...]:
    """The list as configurations, in order."""
    return tuple(make_config(**options) for options in REGRESSION)


def shape(config: UnitConfig) -> tuple[int, int] | tuple[None, None]:
    """(mantissa with sign, block) of a configuration's format, if it has one."""
    if not isinstance(config, BlockUnitConfig):
        return None, None
    fmt = get_format(config.format)
    return fmt.element.bits, fmt.block
