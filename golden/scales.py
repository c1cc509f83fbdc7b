"""Shared exponents: from the largest magnitude of a block to its scale, by every scale rule (formats.md 0.7, 0.8)."""

import numpy as np
from numpy.typing import NDArray

from golden import emulator
from golden.elements import code_dtype, unpack
from golden.formats import BlockFormat, ElementFormat, ScaleEncoding, ScaleFormat, ScaleRule

__all__ = [
    "EMULATOR",
    "decode_scales",
    "encode_scales",
    "is_poison",
    "microexponents",
    "scale_significands",
    "shared_exponents",
]

_NOTHING = -(1 << 20)
EMULATOR = "emulator"  # rule A of formats.md 1.2, for BFP only: a compatibility mode, not one of the scale rules


def shared_exponents(
    maxima: NDArray[np.uint32], fmt: BlockFormat, rule: ScaleRule | str, unit: NDArray[np.int64] | int = 0
) -> NDArray[np.int64]:
    """Clamped shared exponents of blocks with these largest magnitudes (FP32 patterns without sign, finite) * 2^unit.

    An all-zero block takes the lowest exponent (under `emulator` what its epsilon makes of it).
    """
    if rule == EMULATOR:
        if fmt.scale.encoding is not ScaleEncoding.TWOS_COMPLEMENT:
            raise ValueError(f"scale_rule 'emulator' is for bfp formats, not {fmt.name}")
        exponents = _emulator_exponents(maxima)
    else:
        exponents = _wanted_exponents(maxima, fmt, ScaleRule(rule)) + unit
    return np.clip(exponents, fmt.scale.lowest, fmt.scale.highest)


def microexponents(
    maxima: NDArray[np.uint32], exponents: NDArray[np.int64], fmt: BlockFormat, rule: ScaleRule | str
) -> NDArray[np.uint8]:
    """How far each pair (..., pairs) of these largest magnitudes stays below its block's exponent (..., 1).

    The rule works on every pair: on the block alone, a pair's own shift would undo it (formats.md 2.2). A zero pair
    takes the largest microexponent.
    """
    distance = exponents - _wanted_exponents(maxima, fmt, ScaleRule(rule))
    return np.clip(distance, 0, fmt.max_microexponent).astype(np.uint8)


def _wanted_exponents(maxima: NDArray[np.uint32], fmt: BlockFormat, rule: ScaleRule) -> NDArray[np.int64]:
    """What the rule asks for before the clamp; a zero asks for less than any block or microexponent reaches."""
    exponents = _rule_exponents(maxima, fmt.element, rule) - fmt.element.emax
    return np.where(maxima == 0, _NOTHING, exponents)


def _rule_exponents(maxima: NDArray[np.uint32], element: ElementFormat, rule: ScaleRule) -> NDArray[np.int64]:
    """e_R(a): floor(log2 a), and one more where the rule asks for it. Zeros give a value without meaning."""
    # frexp is exact on every finite FP32, subnormals included: a = fraction * 2^exponent with fraction in [1/2, 1)
    fraction, exponent = np.frexp(maxima.view(np.float32))
    floor = exponent.astype(np.int64) - 1
    if rule is ScaleRule.FLOOR:
        return floor
    significand = np.ldexp(fraction, 24).astype(np.int64)  # the 24 bits of a FP32, left-aligned: exact
    if rule is ScaleRule.CEIL:
        largest = element.max_integer
        return floor + ((significand << largest.bit_length()) > (largest << 24))
    # RNE to p bits carries into the next binade from halfway above the last p-bit number on: that one is odd.
    return floor + (significand >= (1 << 24) - (1 << 23 - element.precision))


def _emulator_exponents(maxima: NDArray[np.uint32]) -> NDArray[np.int64]:
    sums = (maxima.view(np.float32) + np.uint32(emulator.EPSILON).view(np.float32)).view(np.uint32)
    k = (sums >> 23).astype(np.int64) - 127
    limits = np.array([emulator.fraction_limit(k) for k in emulator.EXPONENTS])
    return k + ((sums & 0x7FFFFF) > limits[k - emulator.EXPONENTS[0]])


def encode_scales(exponents: NDArray[np.int64], scale: ScaleFormat) -> NDArray[np.uint8 | np.uint16]:
    """Stored codes of shared exponents, lowest..highest."""
    codes = (exponents + scale.bias) & ((1 << scale.bits) - 1)
    return codes.astype(code_dtype(scale.bits))


def is_poison(codes: NDArray[np.uint8 | np.uint16], scale: ScaleFormat) -> NDArray[np.bool_]:
    """Which stored codes say poison."""
    return (codes & scale.poison_mask) == scale.poison_code


def decode_scales(codes: NDArray[np.uint8 | np.uint16], scale: ScaleFormat) -> NDArray[np.int64]:
    """Shared exponents behind stored codes (the poison code decodes as highest + 1).

    Of a minifloat scale, the exponent of its significand's last bit.
    """
    wide = codes.astype(np.int64)
    if scale.minifloat is not None:
        return unpack(codes, scale.minifloat)[2]
    if scale.encoding is ScaleEncoding.TWOS_COMPLEMENT:
        return wide - (wide >> (scale.bits - 1) << scale.bits)
    return wide - scale.bias


def scale_significands(codes: NDArray[np.uint8 | np.uint16], scale: ScaleFormat) -> NDArray[np.int64]:
    """Signed integers that multiply 2^exponent: 1 but for a minifloat scale; a received negative scale is negative."""
    if scale.minifloat is None:
        return np.ones(codes.shape, np.int64)
    negative, significand, _ = unpack(codes, scale.minifloat)
    return np.where(negative, -significand, significand)
