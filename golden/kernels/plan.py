"""Constants of the compiled conversion: what a format and a scale rule mean in terms of FP32 exponent fields.

An integer element of p magnitude bits is a minifloat with p - 1 fraction bits whose only normal binade is its largest,
so one set of constants describes every element. Fields are in place, value << 23, modulo 2^32.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from golden.formats import BlockFormat, ElementFormat, ScaleEncoding, ScaleRule

__all__ = ["PLAN", "covers", "plan"]

PLAN = np.dtype(
    [
        # a block's field: the exponent field of its largest magnitude + carry, clipped to lowest..highest
        ("carry", "u4"),
        ("lowest", "u4"),
        ("highest", "u4"),
        # fields between which the short way is exact
        ("least", "u4"),
        ("most", "u4"),
        # from a block's field to that of the element's lowest normal binade, its base
        ("range", "u4"),
        # from a binade's field: to 2^23 times its last place, down to its last place; from the base: largest element
        ("magic", "u4"),
        ("ulp", "u4"),
        ("limit", "u4"),
        ("zero", "f4"),  # added at the end: -0 keeps the sign of a zero, +0 drops it
        ("subblock", "u4"),
        ("shift", "u4"),  # the largest microexponent, as a field
        # the same format for the long way, in plain exponents
        ("emax", "i4"),
        ("lsb", "i4"),
        ("fraction", "i4"),
        ("lowest_exponent", "i4"),
        ("highest_exponent", "i4"),
        ("max_microexponent", "i4"),
        ("largest", "f8"),
    ],
    align=True,
)
_BIAS = 127


def covers(fmt: BlockFormat, scale_rule: ScaleRule | str) -> bool:
    """Whether the compiled kernels know the format and the rule: all but computed scales and `emulator`.

    Elements of more than 6 exponent bits, which nothing dequantises, are not among them either.
    """
    computed = fmt.scale.encoding is ScaleEncoding.FLOAT
    return not computed and fmt.element.exponent_bits <= 6 and scale_rule in tuple(ScaleRule)


def _fraction_threshold(element: ElementFormat, rule: ScaleRule) -> int:
    """The largest 23-bit fraction of a maximum that does not raise its exponent under the rule."""
    if rule is ScaleRule.CEIL:  # up to the largest element, scaled into [1, 2)
        return (element.max_integer << 24 >> element.max_integer.bit_length()) - (1 << 23)
    if rule is ScaleRule.EVEN:  # below halfway from the last number of p bits to 2
        return (1 << 23) - (1 << 23 - element.precision) - 1
    return (1 << 23) - 1


@cache
def plan(fmt: BlockFormat, rule: ScaleRule) -> NDArray[np.void]:
    """One record of PLAN, shape (1,)."""
    element, scale = fmt.element, fmt.scale
    fraction = element.precision - 1
    span = element.emax - (element.lsb_exponent + fraction)  # binades from the lowest normal one to the largest
    shift = fmt.max_microexponent
    largest = float(element.max_integer) * 2.0**element.lsb_exponent

    def field(value: int) -> int:
        return min(max(value, 0), 255) << 23

    record = {
        "carry": (1 << 23) - 1 - _fraction_threshold(element, rule),
        "lowest": field(scale.lowest + element.emax + _BIAS),
        "highest": field(scale.highest + element.emax + _BIAS),
        # The last place of the lowest binade stays normal, fields of subnormals (0, or 1 by a carry) stay below all ...
        "least": field(max(shift + span + fraction + 1, 2)),
        # ... and 2^23 times the last place of the largest binade is finite.
        "most": field(254 - 23 + fraction),
        "range": field(span),
        "magic": 23 - fraction << 23,
        "ulp": fraction << 23,
        "limit": (int(np.float32(largest).view(np.uint32)) + (span - element.emax - _BIAS << 23)) % (1 << 32),
        "zero": -0.0 if element.keeps_negative_zero else 0.0,
        "subblock": fmt.subblock if fmt.microexponents else 1,
        "shift": field(shift),
        "emax": element.emax,
        "lsb": element.lsb_exponent,
        "fraction": fraction,
        "lowest_exponent": scale.lowest,
        "highest_exponent": scale.highest,
        "max_microexponent": shift,
        "largest": largest,
    }
    made = np.array([tuple(record[name] for name in PLAN.names or ())], PLAN)
    made.flags.writeable = False  # shared by all callers
    return made
