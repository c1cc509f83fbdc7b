"""The bit-defined parts of the policies once more, value by value in plain integers: the twin that tests compare with.

FP32 values are their 32-bit patterns throughout.
"""

from collections.abc import Sequence

__all__ = ["initial_state", "top_indices", "truncate", "weight_sum", "window", "xorshift"]

_WORD = 0xFFFFFFFF


def truncate(patterns: Sequence[int], n: int) -> list[int]:
    """policies.md 1: keep the top n of 23 fraction bits; NaNs stay NaNs."""

    def is_nan(p: int) -> bool:
        return p & 0x7FFFFFFF > 0x7F800000

    if any(map(is_nan, patterns)):
        n = max(n, 1)
    cut = [p >> (23 - n) << (23 - n) for p in patterns]
    return [q | 0x00400000 if is_nan(p) and not is_nan(q) else q for p, q in zip(patterns, cut, strict=True)]


def window(patterns: Sequence[int], k: int, mode: str, bias: int | None = None) -> list[int]:
    """policies.md 2: the exponents that k bits hold, `bias` None for the tensor's own."""
    fields = [p >> 23 & 0xFF for p in patterns]
    if k == 8 or 255 in fields:
        return list(patterns)
    if mode == "max":
        high = (max([*fields, 1]) - 127) if bias is None else bias
        low = high - (2**k - 2)
    else:
        low, high = -(2 ** (k - 1) - 2), 2 ** (k - 1) - 1
    out = []
    for pattern, field in zip(patterns, fields, strict=True):
        exponent = field - 127
        if field == 0 or exponent < low:
            out.append(0)
        elif exponent > high:
            out.append(pattern & 0x80000000 | ((high + 127) << 23 | 0x7FFFFF if high >= -126 else 0))
        else:
            out.append(pattern)
    return out


def xorshift(s: int) -> int:
    """One round of xorshift32."""
    s ^= s << 13 & _WORD
    s ^= s >> 17
    return s ^ (s << 5 & _WORD)


def initial_state(index: int, seed: int) -> int:
    """policies.md 8: the hash s of a weight's index."""
    s = seed ^ (index * 0x85EBCA6B & _WORD) or 0x6D2B79F5
    for _ in range(3):
        s = xorshift(s)
    return s


def weight_sum(index: int, seed: int) -> int:
    """policies.md 8: z, the sum of the four bytes of s less its mean; w0 = fl(z * c)."""
    return sum(initial_state(index, seed).to_bytes(4, "little")) - 510


def top_indices(updates: Sequence[float], keep: int) -> list[int]:
    """The indices of the `keep` largest, ties to the lower index, in increasing order."""
    return sorted(sorted(range(len(updates)), key=lambda i: (-updates[i], i))[:keep])
