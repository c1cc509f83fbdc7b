"""Rule A, the shared exponent of the published HBFP emulators: E = ceil(log2(max + 1e-8)), all in FP32.

Kept for comparison with published runs (`scale_rule="emulator"`); formats.md 1.2 lists what is wrong with it. The
logarithm is replaced by integers: with s = max + 1e-8 = 2^k * (1 + j / 2^23), the correctly rounded FP32 log2 of s
still equals k while j is at most `fraction_limit(k)`, because log2(1 + j / 2^23) is lost beside k. Plain integers.
"""

__all__ = ["EPSILON", "EXPONENTS", "fraction_limit"]

EPSILON = 0x322BCC77  # 1e-8 as FP32
EXPONENTS = range(-27, 128)  # every exponent that max + 1e-8 can have

# (largest |k|, limit), in increasing |k|. Below zero, log2 s lies towards zero from k, where a power of two has half
# the spacing: hence the limits move one exponent later.
_FROM_ZERO = ((3, 0), (7, 1), (15, 2), (31, 5), (63, 11), (127, 22))
_BELOW_ZERO = ((4, 0), (8, 1), (16, 2), (27, 5))


def fraction_limit(k: int) -> int:
    """Largest 23-bit fraction j with which 2^k * (1 + j / 2^23) still has the FP32 logarithm k; k in EXPONENTS."""
    return next(limit for last, limit in (_FROM_ZERO if k >= 0 else _BELOW_ZERO) if abs(k) <= last)
