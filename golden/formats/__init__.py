"""Frozen descriptions of number formats: elements, shared scales and the blocks they form.

One type, `BlockFormat`, covers BFP/HBFP, MSFP, shared microexponents (MX9/6/4), OCP MX, NVFP4 and block minifloat.
It holds primary facts only; every other figure is a property. No arithmetic lives here: the golden model and the
hardware generators both read these facts and each implements them on its own.

The one formula behind all of them: a block with shared exponent E holds elements of value

    (-1)^sign * significand * 2^(E - microexponent),    E = clamp(e_rule(max |x|) - element.emax)

where `e_rule` is the scale rule (floor, ceil, even) and `element.emax` the exponent of the element's largest binade.
"""

from golden.formats.blocks import BlockFormat, ScaleEncoding, ScaleFormat
from golden.formats.conversions import Rounding, ScaleRule, conversion_loss
from golden.formats.numbers import ElementEncoding, ElementFormat, FloatFormat, Specials

__all__ = [
    "BlockFormat",
    "ElementEncoding",
    "ElementFormat",
    "FloatFormat",
    "Rounding",
    "ScaleEncoding",
    "ScaleFormat",
    "ScaleRule",
    "Specials",
    "conversion_loss",
]
