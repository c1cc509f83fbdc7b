"""Every unit that can be generated, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hdl.config import ConfigError, UnitConfig
from hdl.gecko.decoder import GeckoDecoder, GeckoDecoderConfig
from hdl.gecko.encoder import GeckoEncoder, GeckoEncoderConfig
from hdl.gecko.pack import ContainerPack, ContainerPackConfig
from hdl.gecko.unpack import ContainerUnpack, ContainerUnpackConfig
from hdl.units.convert import Convert, ConvertConfig
from hdl.units.dequantize import Dequantize, DequantizeConfig
from hdl.units.dot import Dot, DotConfig
from hdl.units.dot_core import DotCore, DotCoreConfig
from hdl.units.dot_sliced import DotSliced, DotSlicedConfig
from hdl.units.dropback import DropbackWeight, DropbackWeightConfig
from hdl.units.float_operations import (
    FloatAdd,
    FloatAddConfig,
    FloatFma,
    FloatFmaConfig,
    FloatMultiply,
    FloatMultiplyConfig,
)
from hdl.units.float_sums import FloatAccumulate, FloatAccumulateConfig, FloatDot, FloatDotConfig
from hdl.units.microexponent import MicroexponentShifter, MicroexponentShifterConfig
from hdl.units.quantize import Quantize, QuantizeConfig
from hdl.units.quantize_serial import QuantizeSerial
from hdl.units.tile import Tile, TileConfig
from hdl.units.unit import StreamUnit

__all__ = ["UNITS", "Unit", "make_config", "make_unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's name, what it does in one line, its options and its hardware."""

    summary: str
    config: type[UnitConfig]
    component: Callable[[Any], StreamUnit]

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self.config.unit


def _quantize(config: QuantizeConfig) -> StreamUnit:
    return Quantize(config) if config.beats == 1 else QuantizeSerial(config)


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit("dot product of two blocks, exact inside; FP32, fixed point, or accumulated over blocks", DotConfig, Dot),
        Unit("the integer sum of products inside a dot product, alone and combinational", DotCoreConfig, DotCore),
        Unit("FP32, BF16 or FP16 values to a block", QuantizeConfig, _quantize),
        Unit("a block to FP32, BF16 or FP16 values", DequantizeConfig, Dequantize),
        Unit("a block to a block of another format: exact, or rounded by name", ConvertConfig, Convert),
        Unit("dot product, FP32 accumulation, activation, conversion of the results to a block", TileConfig, Tile),
        Unit(
            "sum of a group's products, shifted by its microexponents: the part of a dot product by itself",
            MicroexponentShifterConfig,
            MicroexponentShifter,
        ),
        Unit("rows of exponents to Gecko row codes and metadata", GeckoEncoderConfig, GeckoEncoder),
        Unit("Gecko row codes and metadata to rows of exponents", GeckoDecoderConfig, GeckoDecoder),
        Unit("FP32 or BF16 values to the beats and metadata of a Gecko container", ContainerPackConfig, ContainerPack),
        Unit("beats and metadata of a Gecko container to FP32 or BF16 values", ContainerUnpackConfig, ContainerUnpack),
        Unit("dot product of HBFP4, HBFP6 or HBFP8 on lanes of HBFP4, in slices", DotSlicedConfig, DotSliced),
        Unit("index of a weight to its initial value, regenerated (DropBack)", DropbackWeightConfig, DropbackWeight),
        Unit("product of two floats", FloatMultiplyConfig, FloatMultiply),
        Unit("sum of two floats", FloatAddConfig, FloatAdd),
        Unit("product of two floats plus a third, rounded once", FloatFmaConfig, FloatFma),
        Unit("running sum of floats", FloatAccumulateConfig, FloatAccumulate),
        Unit("dot product of floats, every step rounded or the exact sum once", FloatDotConfig, FloatDot),
    )
}


def make_config(unit: str, **options: Any) -> UnitConfig:
    """The configuration of a unit; `make_config(**manifest["config"])` reloads one."""
    if unit not in UNITS:
        raise ConfigError("unit", unit, "one of " + ", ".join(UNITS))
    known = UNITS[unit].config.__dataclass_fields__
    for option in options:
        if option not in known:
            raise ConfigError(option, options[option], f"unit {unit} has no such option")
    return UNITS[unit].config(**options)


def make_unit(config: UnitConfig) -> StreamUnit:
    """The component of a configuration."""
    return UNITS[config.unit].component(config)
