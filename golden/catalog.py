"""The catalogue of named formats: data, and the one grammar of names.

`bfp4x64` is sign + 3 magnitude bits, block 64, a 10-bit shared exponent; `bfp4x64e8` has an 8-bit one. `hbfp` is
another spelling of `bfp`, and without a block it means 64.
"""

import difflib
import re
from functools import cache

from golden.formats import BlockFormat, ElementEncoding, ElementFormat, ScaleEncoding, ScaleFormat

__all__ = ["BFP_BLOCKS", "BFP_EXPONENTS", "BFP_MANTISSAS", "bfp", "get_format", "list_formats"]

BFP_MANTISSAS = range(2, 17)  # sign included
BFP_BLOCKS = range(1, 1025)
BFP_EXPONENTS = range(5, 11)
_DEFAULT_EXPONENT, _DEFAULT_BLOCK = 10, 64

# The sizes that list_formats() shows; every other member of the grammar works as well.
_LISTED = [f"bfp{mantissa}x{block}" for mantissa in (4, 5, 6, 8, 12, 16) for block in (16, 64, 256, 576)]
_BFP_NAME = re.compile(r"h?bfp(?P<mantissa>\d+)(x(?P<block>\d+)(e(?P<exponent>\d+))?)?")


def _in_range(what: str, value: int, legal: range) -> int:
    if value not in legal:
        raise ValueError(f"{what} {value}: {legal[0]}..{legal[-1]}")
    return value


def bfp(mantissa: int, block: int = _DEFAULT_BLOCK, exponent: int = _DEFAULT_EXPONENT) -> BlockFormat:
    """Block floating point: `mantissa` bits with the sign, one two's-complement exponent per block (formats.md 1.1).

    An element is M * 2^(E - m) with m = mantissa - 1 and |M| <= 2^m - 1, so the mantissa is a pure fraction.
    """
    m = _in_range("mantissa", mantissa, BFP_MANTISSAS) - 1
    _in_range("block", block, BFP_BLOCKS)
    _in_range("exponent", exponent, BFP_EXPONENTS)
    suffix = "" if exponent == _DEFAULT_EXPONENT else f"e{exponent}"
    return BlockFormat(
        name=f"bfp{mantissa}x{block}{suffix}",
        element=ElementFormat(encoding=ElementEncoding.SIGN_MAGNITUDE, mantissa_bits=m, fraction_bits=m),
        scale=ScaleFormat(encoding=ScaleEncoding.TWOS_COMPLEMENT, bits=exponent),
        block=block,
    )


@cache
def get_format(name: str) -> BlockFormat:
    """The format of a catalogue name or alias; an unknown name raises ValueError with the nearest one."""
    if match := _BFP_NAME.fullmatch(name.lower()):
        sizes = {key: int(value) for key, value in match.groupdict().items() if value}
        return bfp(**sizes)
    nearest = difflib.get_close_matches(name.lower(), list_formats(), n=1, cutoff=0.0)
    raise ValueError(f"unknown format {name!r}; did you mean {nearest[0]!r}? (bfpMxN: mantissa M with sign, block N)")


def list_formats() -> list[str]:
    """Canonical names of the catalogue, in order; the `bfpMxN[eW]` grammar admits every size in range."""
    return list(_LISTED)
