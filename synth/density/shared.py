"""What a second level of scales costs: the statements of the shared-microexponents paper, at its 64 products a unit.

A unit is a core per block, and the reduction of the blocks' sums in 25-bit fixed point to FP32 (formats.md 2.5). Its
opponent is a unit of 64 FP8 (E4M3) products under one scale, exact. The paper's cost is area times memory, the latter
counted in transfers of 64 bytes for a tile of 256 elements, over that of the FP8 unit.
"""

from functools import partial
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.catalog import get_format
from golden.formats import BlockFormat
from hdl.float.raw import FP32, FixedToRaw
from hdl.float.round import RoundFloat
from hdl.layouts import block_layout
from hdl.units.block_sum import sum_exponents
from hdl.units.dot_core import core_shape
from hdl.units.f25 import F25_ELEMENTS, align_and_add, f25_blocks, f25_exponents
from hdl.units.scales import read_scale
from synth.density.parts import SumToFloat

__all__ = ["PAPER_COST", "PAPER_STEPS", "SHARED", "STEPS", "GroupToFloat", "measure_shared"]

Record = dict[str, Any]

_FP8 = "mxfp8_e4m3x64"
_FP8_CORES = (16, 32)
_FP8_BITS = 8  # the scale of a tensor takes no room
_TILE, _TRANSFER = 256, 64 * 8  # elements, bits
_MAGNITUDES = {"MX9": 7, "MX6": 4, "MX4": 2}

# (elements that share a microexponent, its bits): the catalogue's MX9, MX6, MX4 and one step from them
_BASE = (2, 1)
STEPS = {"k2 8 to 2": ((8, 1), _BASE), "k2 2 to 1": (_BASE, (1, 1)), "d2 1 to 2": (_BASE, (2, 2))}
PAPER_STEPS = {"k2 8 to 2": "+3 %", "k2 2 to 1": "+30 to +40 %", "d2 1 to 2": "+30 to +50 %"}
PAPER_COST = {"MX6": "about 1/2", "MX4": "about 1/4"}  # of FP8's
SHARED = {
    name: {pair: f"mx_m{bits}_k16_{pair[0]}_d8_{pair[1]}" for pair in ((8, 1), _BASE, (1, 1), (2, 2))}
    for name, bits in _MAGNITUDES.items()
}


class GroupToFloat(wiring.Component):
    """The sums of a group's blocks and both operands' stored exponents to FP32. Combinational."""

    def __init__(self, fmt: BlockFormat) -> None:
        self._format, blocks = fmt, f25_blocks(fmt)
        operand = data.ArrayLayout(block_layout(fmt), blocks)
        sums = data.ArrayLayout(core_shape(fmt, fmt), blocks)
        super().__init__({"a": In(operand), "b": In(operand), "sums": In(sums), "value": Out(FP32)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m, fmt = Module(), self._format
        pairs = [
            [read_scale(m, block, fmt, name=f"{name}_{k}") for name, block in zip("ab", pair, strict=True)]
            for k, pair in enumerate(zip(self.a, self.b, strict=True))
        ]
        reach, width = sum_exponents(fmt, fmt), core_shape(fmt, fmt).width
        exponents = [Signal(range(reach[0], reach[-1] + 1), name=f"exponent_{k}") for k in range(len(pairs))]
        m.d.comb += [out.eq(a.exponent + b.exponent) for out, (a, b) in zip(exponents, pairs, strict=True)]
        total, exponent = align_and_add(m, list(self.sums), exponents, width, reach)
        magnitude = Signal(len(total) - 1)
        m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), f25_exponents(reach, width, len(pairs)))
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
        m.d.comb += [
            magnitude.eq(Mux(total < 0, -total, total)),
            to_raw.magnitude.eq(magnitude),
            to_raw.exponent.eq(exponent),
            rounder.sign.eq(total < 0),
            rounder.biased.eq(to_raw.biased),
            rounder.significand.eq(to_raw.significand),
            rounder.nan.eq(Cat(scale.poison for pair in pairs for scale in pair).any()),
            self.value.eq(rounder.value),
        ]
        return m


def measure_shared(pricer: Any) -> Record:
    """Units of 64 products: transistors, transfers of a tile, and cost over FP8's, of MX9, MX6, MX4 and around them."""
    fp8 = get_format(_FP8)
    conversion = pricer.part(f"sum_to_float_{fp8.name}", partial(SumToFloat, fp8, fp8), f"{fp8.name} sum to FP32")
    opponent = _record(pricer.core_on_line(fp8, _FP8_CORES).transistors, 1, conversion.transistors, _FP8_BITS)
    units = {}
    for formats in SHARED.values():
        for name in formats.values():
            fmt = get_format(name)
            group = pricer.part(f"group_to_float_{fmt.name}", partial(GroupToFloat, fmt), f"{fmt.name}, 64 products")
            bits = fmt.bits / fmt.block
            units[fmt.name] = _record(pricer.core(fmt).transistors, f25_blocks(fmt), group.transistors, bits)
    for unit in (opponent, *units.values()):
        unit["cost"] = unit["transistors"] * unit["transfers"] / (opponent["transistors"] * opponent["transfers"])
    return {"products": F25_ELEMENTS, "fp8": opponent, "units": units}


def _record(core: int, cores: int, conversion: int, bits: float) -> Record:
    transfers = -(-_TILE * bits // _TRANSFER)
    found = {"core": core, "cores": cores, "to FP32": conversion, "bits_per_element": bits}
    return found | {"transistors": core * cores + conversion, "transfers": int(transfers)}
