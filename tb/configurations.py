"""The configurations that the regression runs: two documented lists, no products.

`foundation`: mantissas 2, 3, 4, 5, 6, 8, 12 against blocks 1, 3, 16, 25, 64, 256, 576: 24 of the 49 combinations, every
value in at least three of them. Units, pipelines 0, 1, 3, exponent widths 5..10, roundings, scale rules, sources, lanes
and accumulators are spread over them; 4 x 64, the default, has every unit.
`formats`: every block format in its default mode in the dot product and in both converters, mixed pairs of operands,
microexponents with the reduction `f25`, accumulators, fixed results and tiles over them; NVFP4 in the dot product, the
microexponent shifter, and conversions from block to block.
"""

from functools import cache
from typing import Any

from golden.catalog import get_format
from hdl.config import BlockUnitConfig, UnitConfig
from hdl.registry import make_config

__all__ = ["FORMATS", "FORMAT_LIST", "REGRESSION", "SETS", "configurations", "find", "shape"]

_XORSHIFT = {"rounding": "sr", "random": "xorshift"}
_EVEN = {"scale_rule": "even"}
_ROUND = {"inexact": "round"}
_FLUSH = {"subnormals": "flush"}

REGRESSION: list[dict[str, Any]] = [
    # 4 x 64: every unit with its defaults, and the dot product's other results
    {"unit": "dot"},
    {"unit": "dot", "result": "fixed"},
    {"unit": "dot", "arch": "plain"},
    {"unit": "dot", "format": "bfp4x16", "arch": "speed"},
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
    # subnormals flushed
    {"unit": "quantize"} | _FLUSH,
    {"unit": "quantize", "format": "bfp8x16", "lanes": 4, "scale_rule": "even", "rounding": "sr"} | _FLUSH,
    # DropBack's weights, regenerated
    {"unit": "dropback_weight"},
    {"unit": "dropback_weight", "seed": 0, "pipeline": 0},
    {"unit": "dropback_weight", "seed": 0xFFFFFFFF, "pipeline": 4},
    # HBFP4, HBFP6 and HBFP8 on the lanes of HBFP4
    {"unit": "dot_sliced"},
    {"unit": "dot_sliced", "format": "bfp4x16", "pipeline": 0},
    {"unit": "dot_sliced", "format": "bfp4x3e8", "pipeline": 3},
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


# One name of every format with a power-of-two scale; of the families with sizes the ones that the papers use.
FORMATS = (
    "mx9", "mx6", "mx4", "mxfp8_e5m2", "mxfp8_e4m3", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8",
    "msfp16", "msfp15", "msfp14", "msfp13", "msfp12", "msfp11",
    "bm_e2m5x48", "bm_e4m3x48", "bm_e2m3x48", "bm_e3m2x48", "bm_e2m1x48", "mx_m3_k8_4_d6_2",
)  # fmt: skip

FORMAT_LIST: list[dict[str, Any]] = [
    *({"unit": unit, "format": name} for name in FORMATS for unit in ("dot", "quantize", "dequantize")),
    # weights by activations, and other pairs of widths and encodings
    {"unit": "dot", "format": "mxfp4", "format_b": "mxfp6_e3m2"},
    {"unit": "dot", "format": "mxint8", "format_b": "mxfp4", "accumulate": "fp32"},
    {"unit": "dot", "format": "mxfp8_e4m3", "format_b": "mxfp4", "result": "fixed", "pipeline": 3},
    {"unit": "dot", "format": "mxfp8_e5m2", "format_b": "mxfp8_e4m3", "pipeline": 0},
    {"unit": "dot", "format": "mx9", "format_b": "mx4", "accumulate": "fused"},
    {"unit": "dot", "format": "mx9", "format_b": "mxint8x16"},
    # 64 elements a transfer
    {"unit": "dot", "format": "mx9", "mode": "f25"},
    {"unit": "dot", "format": "mx6", "mode": "f25", "accumulate": "fp32"},
    {"unit": "dot", "format": "mx4", "mode": "f25", "accumulate": "fused", "contexts": 2, "pipeline": 3},
    {"unit": "dot", "format": "mx9", "format_b": "mx4", "mode": "f25", "pipeline": 0},
    {"unit": "dot", "format": "msfp12", "mode": "f25"},
    # accumulators and bare sums
    {"unit": "dot", "format": "mxfp4", "accumulate": "fp32", "pipeline": 3},
    {"unit": "dot", "format": "mxfp6_e2m3", "accumulate": "fused"},
    {"unit": "dot", "format": "mxfp8_e5m2", "accumulate": "fused", "pipeline": 3},
    {"unit": "dot", "format": "mxfp8_e4m3", "accumulate": "fp32", "contexts": 3},
    {"unit": "dot", "format": "mx9", "accumulate": "fp32", "pipeline": 3},
    {"unit": "dot", "format": "mxint8", "result": "fixed"},
    {"unit": "dot", "format": "mx6", "result": "fixed", "pipeline": 0},
    # scales that are numbers: blocks alone, sums under the tensors' scales, by operands of other formats
    {"unit": "dot", "format": "nvfp4"},
    {"unit": "dot", "format": "nvfp4", "result": "fixed", "pipeline": 0},
    {"unit": "dot", "format": "nvfp4", "accumulate": "fp32"},
    {"unit": "dot", "format": "nvfp4", "accumulate": "fused", "contexts": 3, "pipeline": 3},
    {"unit": "dot", "format": "mx9", "format_b": "nvfp4", "accumulate": "fp32", "pipeline": 0},
    {"unit": "dot", "format": "nvfp4", "format_b": "mxfp6_e3m2x16"},
    # the part of the dot product that microexponents need
    {"unit": "microexponent_shifter"},
    {"unit": "microexponent_shifter", "format": "mx6", "pipeline": 0},
    {"unit": "microexponent_shifter", "format": "mx4"},
    {"unit": "microexponent_shifter", "format": "mx_m3_k8_4_d6_2", "pipeline": 3},
    {"unit": "microexponent_shifter", "format": "mx9", "format_b": "mx4"},
    {"unit": "microexponent_shifter", "format": "mxfp4x16", "format_b": "mx9"},
    # block to block, exact and rounded
    {"unit": "convert"},
    {"unit": "convert", "format": "mxfp4", "to": "mxfp8_e4m3"},
    {"unit": "convert", "format": "msfp12", "to": "msfp16", "pipeline": 0},
    {"unit": "convert", "format": "mxint8", "to": "bfp9x32", "scale_rule": "ceil", "pipeline": 3},
    {"unit": "convert", "format": "mx9", "to": "mx6"} | _ROUND,
    {"unit": "convert", "format": "mx9", "to": "mx4", "rounding": "rtz", "pipeline": 3} | _ROUND | _EVEN,
    {"unit": "convert", "format": "mxfp8_e4m3", "to": "mxfp4", "rounding": "rna", "scale_rule": "ceil"} | _ROUND,
    {"unit": "convert", "format": "mxfp8_e5m2", "to": "mxfp6_e3m2"} | _ROUND,
    {"unit": "convert", "format": "bfp8x32", "to": "mxfp4"} | _ROUND,
    # subnormals flushed: microexponents, minifloats, two's complement in several transfers
    {"unit": "quantize", "format": "mx9", "pipeline": 0} | _FLUSH,
    {"unit": "quantize", "format": "mxfp4", "source": "bf16"} | _FLUSH,
    {"unit": "quantize", "format": "mxint8", "lanes": 8, "scale_rule": "ceil", "pipeline": 3} | _FLUSH,
    # conversion of sums
    {"unit": "tile", "format": "mxfp8_e4m3", "to": "mxint8"},
    {"unit": "tile", "format": "mx9", "to": "mxfp4x16", "rounding": "sr"},
    {"unit": "tile", "format": "mxfp4", "format_b": "mxfp6_e3m2", "to": "mxfp8_e5m2x8", "activation": "none"} | _EVEN,
]

SETS = {"foundation": REGRESSION, "formats": FORMAT_LIST}


@cache
def configurations(name: str = "foundation") -> tuple[UnitConfig, ...]:
    """The list of this name as configurations, in order."""
    return tuple(make_config(**options) for options in SETS[name])


def find(name: str) -> list[UnitConfig]:
    """The configuration of a module name, in whichever list it is."""
    return [config for listed in SETS for config in configurations(listed) if config.name == name]


def shape(config: UnitConfig) -> tuple[int, int] | tuple[None, None]:
    """(mantissa with sign, block) of a configuration's format, if it has one."""
    if not isinstance(config, BlockUnitConfig):
        return None, None
    fmt = get_format(config.format)
    return fmt.element.bits, fmt.block
