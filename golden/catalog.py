"""The catalogue of named formats: data, and the one grammar of names.

| name | format | formats.md |
|---|---|---|
| `bfpMxN[eW]` | BFP, M mantissa bits with the sign, block N (`hbfp` too; without N: 64), W exponent bits (10) | 1.1 |
| `mx9` `mx6` `mx4` | shared microexponents | 2.1 |
| `mx_mM_kK1_K2_dD1_D2` | the same family: M magnitude bits, D1-bit exponent per K1, D2-bit microexponent per K2 | 2.2 |
| `mxfp8_e5m2` `mxfp8_e4m3` `mxfp6_e3m2` `mxfp6_e2m3` `mxfp4` `mxint8` | OCP MX | 3.1 |
| `nvfp4` | E2M1 under an E4M3 scale per block and an FP32 scale per tensor | 4 |
| `msfp11` .. `msfp16` | MSFP | 5 |
| `bm_eEmM[xN]` | block minifloat, E exponent and M mantissa bits, block N (without: 48) | 5 |

OCP MX and MSFP names take another block size as `xN` (`mxfp4x16`). Aliases are in `ALIASES`.
"""

import re
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import cache

from golden.formats import (
    BlockFormat,
    ElementEncoding,
    ElementFormat,
    FloatFormat,
    ScaleEncoding,
    ScaleFormat,
    Specials,
)

__all__ = [
    "ALIASES",
    "BFP_BLOCKS",
    "BFP_EXPONENTS",
    "BFP_MANTISSAS",
    "E8M0",
    "ELEMENTS",
    "FLOATS",
    "bfp",
    "block_minifloat",
    "get_float",
    "get_format",
    "list_formats",
    "microexponents",
    "minifloat",
    "msfp",
    "mx",
    "nvfp4",
]

BFP_MANTISSAS = range(2, 17)  # sign included
BFP_BLOCKS = range(1, 1025)
BFP_EXPONENTS = range(5, 11)
_DEFAULT_EXPONENT, _DEFAULT_BLOCK = 10, 64
_MSFP_BLOCK, _OCP_BLOCK, _BM_BLOCK = 16, 32, 48


def minifloat(
    exponent: int, mantissa: int, *, bias: int | None = None, specials: Specials = Specials.NONE
) -> ElementFormat:
    """A minifloat of so many exponent and mantissa bits; its bias is IEEE's, 2^(exponent - 1) - 1, unless given."""
    return ElementFormat(
        encoding=ElementEncoding.FLOAT,
        exponent_bits=exponent,
        mantissa_bits=mantissa,
        fraction_bits=mantissa,
        bias=(1 << exponent - 1) - 1 if bias is None else bias,
        specials=specials,
    )


E8M0 = ScaleFormat(encoding=ScaleEncoding.BIASED, bits=8, bias=127)

# The elements of OCP MX, by the suffix of their format's name.
ELEMENTS = {
    "e5m2": minifloat(5, 2, specials=Specials.IEEE),
    "e4m3": minifloat(4, 3, specials=Specials.NAN),
    "e3m2": minifloat(3, 2),
    "e2m3": minifloat(2, 3),
    "e2m1": minifloat(2, 1),
    "int8": ElementFormat(encoding=ElementEncoding.TWOS_COMPLEMENT, mantissa_bits=7, fraction_bits=6),
}
_OCP = {
    "mxfp8_e5m2": "e5m2",
    "mxfp8_e4m3": "e4m3",
    "mxfp6_e3m2": "e3m2",
    "mxfp6_e2m3": "e2m3",
    "mxfp4": "e2m1",
    "mxint8": "int8",
}
# name -> m, k1, k2, d1, d2
_MICROEXPONENTS = {"mx9": (7, 16, 2, 8, 1), "mx6": (4, 16, 2, 8, 1), "mx4": (2, 16, 2, 8, 1)}

# Two of these choose between formats of one width: the element that training uses most (formats.md 3.4).
ALIASES = {"mxfp8": "mxfp8_e4m3", "mxfp6": "mxfp6_e3m2", "mxfp4_e2m1": "mxfp4"}


def _in_range(what: str, value: int, legal: range) -> int:
    if value not in legal:
        raise ValueError(f"{what} {value}: {legal[0]}..{legal[-1]}")
    return value


def _sized(name: str, block: int, usual: int) -> str:
    return name if block == usual else f"{name}x{block}"


def _magnitude(mantissa_bits: int, fraction_bits: int) -> ElementFormat:
    return ElementFormat(
        encoding=ElementEncoding.SIGN_MAGNITUDE, mantissa_bits=mantissa_bits, fraction_bits=fraction_bits
    )


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
        element=_magnitude(m, m),
        scale=ScaleFormat(encoding=ScaleEncoding.TWOS_COMPLEMENT, bits=exponent),
        block=block,
    )


def microexponents(m: int, k1: int = 16, k2: int = 2, d1: int = 8, d2: int = 1) -> BlockFormat:
    """Shared microexponents (formats.md 2): an element is M * 2^(E - t - (m - 1)) with |M| <= 2^m - 1.

    E takes `d1` bits per `k1` elements, t takes `d2` per `k2` of them; m does not count the sign.
    """
    _in_range("m", m, range(1, 16))
    _in_range("k1", k1, BFP_BLOCKS)
    _in_range("d1", d1, range(2, 11))
    _in_range("d2", d2, range(1, 4))
    sizes = (m, k1, k2, d1, d2)
    named = next((name for name, facts in _MICROEXPONENTS.items() if facts == sizes), None)
    return BlockFormat(
        name=named or f"mx_m{m}_k{k1}_{k2}_d{d1}_{d2}",
        element=_magnitude(m, m - 1),
        scale=ScaleFormat(encoding=ScaleEncoding.BIASED, bits=d1, bias=(1 << d1 - 1) - 1),
        block=k1,
        subblock=k2,
        microexponent_bits=d2,
    )


def msfp(bits: int, block: int = _MSFP_BLOCK) -> BlockFormat:
    """MSFP11..16 (formats.md 5): `bits` counts 8 exponent bits, the sign and 2..7 magnitude bits.

    An element is M * 2^(E - (m - 1)). The published format truncates: `rounding="rtz"`.
    """
    m = _in_range("msfp", bits, range(11, 17)) - 9
    _in_range("block", block, BFP_BLOCKS)
    return BlockFormat(
        name=_sized(f"msfp{bits}", block, _MSFP_BLOCK), element=_magnitude(m, m - 1), scale=E8M0, block=block
    )


def mx(element: str, block: int = _OCP_BLOCK) -> BlockFormat:
    """OCP MX (formats.md 3): an element of `ELEMENTS` under an E8M0 scale."""
    if element not in ELEMENTS:
        raise ValueError(f"element {element!r}: one of {', '.join(ELEMENTS)}")
    _in_range("block", block, BFP_BLOCKS)
    name = next(name for name, wanted in _OCP.items() if wanted == element)
    return BlockFormat(name=_sized(name, block, _OCP_BLOCK), element=ELEMENTS[element], scale=E8M0, block=block)


def nvfp4() -> BlockFormat:
    """NVFP4 (formats.md 4): E2M1 elements, an E4M3 scale per 16 of them, an FP32 scale per tensor, out of band."""
    scale = ScaleFormat(encoding=ScaleEncoding.FLOAT, bits=8, minifloat=ELEMENTS["e4m3"])
    return BlockFormat(name="nvfp4", element=ELEMENTS["e2m1"], scale=scale, block=16, tensor_scale=True)


def block_minifloat(exponent: int, mantissa: int, block: int = _BM_BLOCK) -> BlockFormat:
    """Block minifloat BM(exponent, mantissa) (formats.md 5): no specials, bias 2^(exponent - 1), at most 8 bits.

    The stored scale is the exponent of the block's largest binade, so that its range does not depend on the element.
    """
    _in_range("exponent", exponent, range(1, 6))
    _in_range("mantissa", mantissa, range(8 - exponent))
    _in_range("block", block, BFP_BLOCKS)
    element = minifloat(exponent, mantissa, bias=1 << exponent - 1)
    return BlockFormat(
        name=f"bm_e{exponent}m{mantissa}x{block}",
        element=element,
        scale=ScaleFormat(encoding=ScaleEncoding.BIASED, bits=8, bias=127 + element.emax),
        block=block,
    )


_GRAMMAR: dict[str, Callable[..., BlockFormat]] = {
    r"h?bfp(?P<mantissa>\d+)(x(?P<block>\d+)(e(?P<exponent>\d+))?)?": bfp,
    r"mx_m(?P<m>\d+)_k(?P<k1>\d+)_(?P<k2>\d+)_d(?P<d1>\d+)_(?P<d2>\d+)": microexponents,
    r"msfp(?P<bits>\d+)(x(?P<block>\d+))?": msfp,
    r"bm_e(?P<exponent>\d+)m(?P<mantissa>\d+)(x(?P<block>\d+))?": block_minifloat,
}
_OCP_NAME = re.compile(rf"(?P<name>{'|'.join(_OCP)})(x(?P<block>\d+))?")

# What list_formats() shows; every other member of the grammar works as well.
_LISTED = [
    *(f"bfp{mantissa}x{block}" for mantissa in (4, 5, 6, 8, 12, 16) for block in (16, 64, 256, 576)),
    *_MICROEXPONENTS,
    *_OCP,
    "nvfp4",
    *(f"msfp{bits}" for bits in range(16, 10, -1)),
    *(f"bm_e{exponent}m{mantissa}x48" for exponent, mantissa in ((2, 5), (4, 3), (2, 3), (3, 2), (2, 1))),
]


@cache
def get_format(name: str) -> BlockFormat:
    """The format of a catalogue name or alias; an unknown name raises ValueError with the nearest one."""
    wanted = name.lower()
    wanted = ALIASES.get(wanted, wanted)
    if wanted in _MICROEXPONENTS:
        return microexponents(*_MICROEXPONENTS[wanted])
    if wanted == "nvfp4":
        return nvfp4()
    if match := _OCP_NAME.fullmatch(wanted):
        return mx(_OCP[match["name"]], int(match["block"] or _OCP_BLOCK))
    for pattern, make in _GRAMMAR.items():
        if match := re.fullmatch(pattern, wanted):
            return make(**{key: int(value) for key, value in match.groupdict().items() if value})
    nearest = max([*_LISTED, *ALIASES], key=lambda known: SequenceMatcher(None, known, wanted).ratio())
    raise ValueError(
        f"unknown format {name!r}; did you mean {nearest!r}? "
        "(bfpMxN, mx_mM_kK1_K2_dD1_D2, msfp11..16, bm_eEmMxN or a name of list_formats())"
    )


def list_formats() -> list[str]:
    """Canonical names of the catalogue, in order; the grammar admits every other size in range."""
    return list(_LISTED)


# Scalar floats: exponent bits, fraction bits. The last two are OCP's FP8.
FLOATS = {"fp32": (8, 23), "bf16": (8, 7), "fp16": (5, 10), "e4m3": (4, 3), "e5m2": (5, 2)}


def get_float(name: str) -> FloatFormat:
    """A scalar float of `FLOATS`, or `eXmY`: IEEE-like with X exponent and Y fraction bits, up to FP32's 8 and 23."""
    if name in FLOATS:
        return FloatFormat(name, *FLOATS[name], finite=name == "e4m3")
    if match := re.fullmatch(r"e(\d)m(\d\d?)", name):
        exponent, fraction = int(match[1]), int(match[2])
        if exponent in range(2, 9) and fraction in range(1, 24):
            return FloatFormat(name, exponent, fraction)
    raise ValueError(f"one of {', '.join(FLOATS)}, or eXmY with X in 2..8 and Y in 1..23")
