"""The dot-product cores that public ones are compared with: peers, targets, and the least that their arithmetic takes.

Peers are the best public RTL of the same function, priced in the same flow (`TARGETS["cmos"]`): MX-for-FPGA's dot
products, which take two's complement where ours take signs and magnitudes, and return the bare integer sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from golden.formats import BlockFormat, ElementEncoding
from synth.liberty import CELLS

__all__ = ["GATE_FUNCTIONS", "GOALS", "OWN_GATES", "Gates", "Goal", "thinned"]

_SIGNS = "sign and magnitude"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Areas of the cells that a core's least area is made of."""

    full_adder: float
    nand: float
    xor: float
    aoi22: float


# What a library's cells for them compute. An inverted exclusive-or does as well.
GATE_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "nand": ("!(A*B)",),
    "xor": ("A^B", "!(A^B)"),
    "aoi22": ("!((A*B)+(C*D))",),
}

OWN_GATES = Gates(
    full_adder=CELLS["FA"].area, nand=CELLS["NAND2"].area, xor=CELLS["XOR2"].area, aoi22=CELLS["AOI22"].area
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`options` of unit dot_core; `peer_transistors` of the best public core; `target` for ours, at most.

    peer_areas, target_areas   the same in other libraries, by the library's name: the peer's area by ABC alone; ours
                               at most by ABC alone and with the library's adder cells
    """

    name: str
    options: Mapping[str, Any]
    domain: str
    peer: str
    peer_transistors: int
    target: int
    peer_areas: Mapping[str, int] = field(default_factory=dict)
    target_areas: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def floor(self, operands: tuple[BlockFormat, BlockFormat], width: int, gates: Gates = OWN_GATES) -> dict[str, Any]:
        """The least that this way of multiplying and adding takes.

        bits              partial products and signs: what has to be added up
        full_adders       one takes one bit away, `width` bits stay
        area              those adders and the gates that make the bits, each by its cheapest library cell, and nothing
                          else; None where a product is shifted, for which no least is known
        """
        from hdl.units.core_lanes import BOOTH_BITS  # Amaranth: wrong options should not wait for it

        a, b = (fmt.element for fmt in operands)
        if a.is_float or b.is_float:
            return self._shifted(operands, width)
        lanes = operands[0].block
        if a.encoding is ElementEncoding.SIGN_MAGNITUDE:
            left = thinned(a.mantissa_bits, b.mantissa_bits)
            products = a.mantissa_bits * b.mantissa_bits
            bits, area = lanes * (products + 1), lanes * (products * gates.nand + (left + 1) * gates.xor)
        elif min(a.bits, b.bits) < BOOTH_BITS:
            bits = lanes * a.bits * b.bits
            area = bits * gates.nand
        else:
            rows = (b.bits + 1) // 2
            bits = lanes * rows * (a.bits + 2)
            area = lanes * rows * (a.bits + 1) * (gates.aoi22 + gates.xor)
        return {"bits": bits, "full_adders": bits - width, "area": area + (bits - width) * gates.full_adder}

    @staticmethod
    def _shifted(operands: tuple[BlockFormat, BlockFormat], width: int) -> dict[str, Any]:
        """Lanes of a multiplier, an exponent adder and a shifter: its places and the sign go into the heap."""
        a, b = (fmt.element for fmt in operands)
        significands = (a.precision, b.precision)
        places = sum(significands) + (1 << a.exponent_bits) + (1 << b.exponent_bits) - 4
        bits = operands[0].block * (places + 1)
        multiplier = significands[0] * significands[1] - sum(significands)
        # exponents of two bits are not added, their moves are told apart
        exponents = 0 if a.exponent_bits == b.exponent_bits == 2 else min(a.exponent_bits, b.exponent_bits) - 1
        adders = bits - width + operands[0].block * (multiplier + exponents)
        return {"bits": bits, "full_adders": adders, "area": None}


def thinned(a_bits: int, b_bits: int) -> int:
    """Bits of an a_bits x b_bits product once full adders alone have taken what they can within it."""
    columns = [0] * (a_bits + b_bits)
    for i in range(a_bits):
        for j in range(b_bits):
            columns[i + j] += 1
    for k, height in enumerate(columns):
        adders = max(0, (height - 1) // 2)
        columns[k] -= 2 * adders
        if adders:
            columns[k + 1] += adders
    return sum(columns)


def _mx(name: str) -> str:
    return f"MX-for-FPGA {name}"


GOALS: Mapping[str, Goal] = {
    goal.name: goal
    for goal in (
        Goal(
            name="bfp4x64",
            options={"format": "bfp4x64"},
            domain=f"{_SIGNS}, -7..7",
            peer=_mx("INT4, k = 64"),
            peer_transistors=60_924,
            target=34_500,
            peer_areas={"osu018_stdcells": 304_849},
            target_areas={"osu018_stdcells": (167_000, 140_000)},
        ),
        Goal(
            name="int4x64",
            options={"format": "bfp4x64", "encoding": "twos"},
            domain="two's complement, -8..7",
            peer=_mx("INT4, k = 64"),
            peer_transistors=60_924,
            target=41_000,
            peer_areas={"osu018_stdcells": 304_849},
        ),
        Goal(
            name="bfp6x32",
            options={"format": "bfp6x32"},
            domain=f"{_SIGNS}, -31..31",
            peer=_mx("INT6, k = 32"),
            peer_transistors=62_180,
            target=40_500,
            peer_areas={"osu018_stdcells": 315_027},
        ),
        Goal(
            name="mxint8x32",
            options={"format": "mxint8"},
            domain="two's complement, -128..127",
            peer=_mx("INT8, k = 32"),
            peer_transistors=109_126,
            target=70_500,
            peer_areas={"osu018_stdcells": 539_925},
        ),
        Goal(
            name="mxfp4x32",
            options={"format": "mxfp4"},
            domain="E2M1, every code",
            peer=_mx("MXFP4, k = 32, exact"),
            peer_transistors=22_480,
            target=17_984,
            peer_areas={"osu018_stdcells": 113_860},
        ),
        Goal(
            name="mxfp6_e2m3x32",
            options={"format": "mxfp6_e2m3"},
            domain="E2M3, every code",
            peer=_mx("MXFP6 E2M3, k = 32, exact"),
            peer_transistors=49_618,
            target=39_694,
            peer_areas={"osu018_stdcells": 252_038},
        ),
        Goal(
            name="mxfp8_e4m3x32",
            options={"format": "mxfp8_e4m3"},
            domain="E4M3, every code but NaN",
            peer=_mx("MXFP8 E4M3, k = 32, exact"),
            peer_transistors=97_956,
            target=78_364,
            peer_areas={"osu018_stdcells": 497_579},
        ),
    )
}
