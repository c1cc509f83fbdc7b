"""Every unit against other opponents than the recipe: float dot products in one piece, and MXFP8.

`once`     rounded once, exact: `float_dot --rounded once`, of up to 16 terms; larger units are several and adders
`aligned`  as matrix engines do it: products cut off below the largest one's bits, the sum in FP32, in one piece
"""

from collections.abc import Mapping, Sequence
from typing import Any

from synth.density.rows import Row, block_parts, entry, float_parts, total

__all__ = ["FUSED_TERMS", "OPPONENTS", "OPPOSED", "measure_opponents", "unit_transistors"]

Record = dict[str, Any]

FUSED_TERMS = 16  # of one unit rounded once
OPPOSED = (
    *(f"HBFP{bits}x{block}" for bits in (4, 6) for block in (16, 64)),
    *("MX9x16", "MX6x16", "MX4x16", "MXFP8 E4M3x32", "MXFP6 E2M3x32", "MXFP4x32", "MXINT8x32"),
)
OPPONENTS = ("fp32", "fp32 once", "fp32 aligned", "bf16", "bf16 once", "bf16 aligned", "mxfp8")
_MXFP8 = Row("MXFP8 E4M3", "mxfp8_e4m3", 32)


def measure_opponents(row: Row, pricer: Any) -> Record:
    """Transistors per product of the row's complete unit and of each opponent's, and the gains."""
    parts = _opponents(row.block, pricer)
    own = unit_transistors(block_parts(row, pricer)) / row.block
    per_product = {name: total(found) / row.block for name, found in parts.items()}
    per_product["mxfp8"] = unit_transistors(block_parts(_MXFP8, pricer)) / _MXFP8.block
    return {
        "name": row.name,
        "block": row.block,
        "transistors_per_product": own,
        "opponents_per_product": per_product,
        "gain": {name: per_product[name] / own for name in OPPONENTS},
        "parts": parts,
    }


def unit_transistors(parts: Sequence[Mapping[str, Any]]) -> int:
    """A unit of blocks with a converter of one lane, which keeps up with it."""
    return sum(
        found["transistors"] * found["count"]
        for found in parts
        if not found["role"].startswith(("converter, all", "buffer"))
    )


def _opponents(products: int, pricer: Any) -> dict[str, list[Record]]:
    """Complete units, accumulator and activation included; what is summed in FP32 is accumulated in FP32."""
    found: dict[str, list[Record]] = {}
    for name in ("fp32", "bf16"):
        recipe = float_parts(name, products, pricer)
        add, *ends = recipe[1:]
        pieces = -(-products // FUSED_TERMS)
        fused = entry("dot product", pieces, pricer.fused_dot(name, min(products, FUSED_TERMS)))
        found |= {name: recipe, f"{name} once": [fused, add | {"count": pieces - 1}, *ends]}
        aligned = entry("dot product", 1, pricer.aligned_dot(name, products))
        found[f"{name} aligned"] = [aligned, *float_parts("fp32", products, pricer)[2:]]
    return found
