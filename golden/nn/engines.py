"""Which arithmetic computes a block's exact sum of products, for every pair of formats.

A block's sum is an integer of known width (`golden.sums.sum_bound`) times a power of two, so floats compute it without
rounding as long as it fits their significand, in any order:

| engine | exact sums up to | pairs |
|---|---|---|
| float32 | 24 bits | BFP up to 8 bits, MX9/6/4, MSFP, MXFP6, MXFP4, MXINT8, NVFP4 |
| float64 | 53 bits | MXFP8 E4M3, wide BFP |
| float64x2 | 96 bits | MXFP8 E5M2: a float64 sum with its error beside it, where a block needs that |
| plain | | operands without blocks (FP32, BF16, FP16): one FP32 GEMM, rounded as BLAS likes |

`python -m golden.nn.engines [FORMAT ...]` prints the engine of every pair of formats.
"""

import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from itertools import combinations_with_replacement

from golden.catalog import get_format, list_formats
from golden.formats import BlockFormat
from golden.sums import sum_bound

__all__ = ["Engine", "block_bits", "declared_engine", "engine_table", "span_budget"]


class Engine(StrEnum):
    """How the sum inside a block is computed; the sum over blocks is FP32 in all of them."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    FLOAT64X2 = "float64x2"
    PLAIN = "plain"


def block_bits(a: BlockFormat, b: BlockFormat, run: int | None = None) -> int:
    """Bits of the largest magnitude of a sum of `run` products (a whole block's, unless given), without the sign."""
    return (sum_bound(a, b) // a.block * (a.block if run is None else run)).bit_length()


@cache
def declared_engine(a: BlockFormat | None, b: BlockFormat | None, run: int | None = None) -> Engine:
    """The engine of a pair of formats, None for operands without blocks.

    It is the least that holds any block. Scales at the ends of FP32's range make a single product take float64 in
    place of float32, which gives the same bits.
    """
    if a is None or b is None:
        return Engine.PLAIN
    bits = block_bits(a, b, run)
    return Engine.FLOAT32 if bits <= 24 else Engine.FLOAT64 if bits <= 53 else Engine.FLOAT64X2


def span_budget(run: int) -> int:
    """Bits from the top of a block's largest element to the last place of its smallest that float64 sums allow for.

    Two blocks within their budgets have a sum of `run` products of at most 2 * budget + log2(run) <= 53 bits.
    """
    return (53 - (run - 1).bit_length()) // 2


def engine_table(names: Sequence[str]) -> list[tuple[str, str, int, Engine]]:
    """(a, b, bits of a block's sum without the sign, engine) of every pair of these formats with equal blocks."""
    formats = [get_format(name) for name in names]
    return [
        (a.name, b.name, block_bits(a, b), declared_engine(a, b))
        for a, b in combinations_with_replacement(formats, 2)
        if a.block == b.block
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the table; 2 for an unknown format."""
    try:
        rows = engine_table(arguments or list_formats())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'a':<14} {'b':<14} {'bits':>4}  engine")
    for a, b, bits, engine in rows:
        print(f"{a:<14} {b:<14} {bits:>4}  {engine}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
