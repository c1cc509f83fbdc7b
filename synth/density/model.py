"""What the papers say of density: the published gains, and two models of area (formats.md 1.8)."""

from collections.abc import Mapping

__all__ = ["PEER_FP32", "PUBLISHED", "component_gain", "paper_gain"]

_BLOCKS = (16, 25, 36, 49, 64, 256, 576)

# (format, block) -> gain over FP32 as published (results.md 5).
PUBLISHED: Mapping[tuple[str, int], float] = {
    **{("HBFP4", n): gain for n, gain in zip(_BLOCKS, (15.5, 17.8, 19.3, 20.4, 21.3, 23.4, 23.9), strict=True)},
    **{("HBFP6", n): gain for n, gain in zip(_BLOCKS, (11.2, 12.3, 13.1, 13.6, 13.9, 14.8, 15.0), strict=True)},
    ("HBFP8", 576): 10.0,
    ("BF16", 64): 4.9,
}

# Transistors of HardFloat's FP32 operations, combinational, in the flow of synth.flows `cmos`.
PEER_FP32: Mapping[str, int] = {"multiply": 31_054, "add": 12_918}

_FITTED = {3: 61.53, 5: 98.79, 7: 148.48}  # by magnitude bits

# um^2, a 28 nm library, of the HBFP authors' public area model.
_FP32_ADD, _FP32_MULTIPLY, _FP32_ACCUMULATE, _FP32_RELU = 485.271, 1009.0575, 864.837, 15.309
_BF16_ADD, _BF16_MULTIPLY, _BF16_ACCUMULATE, _BF16_RELU = 173.1375, 135.837, 365.5935, 7.533
_MULTIPLY = {4: 30.861, 6: 69.498, 8: 122.715}  # by mantissa bits, sign included
_ADD = {8: 16.767, 10: 21.384, 12: 26.001, 16: 35.235}  # by width
_TO_BF16 = {4: 91.368, 6: 113.481, 8: 136.9305}
_FROM_BF16 = {4: (35.8144, 136.33), 6: (41.7002, 156.94), 8: (47.7619, 167.75)}  # per value, and once


def _fp32(block: int) -> float:
    return block * _FP32_MULTIPLY + (block - 1) * _FP32_ADD + _FP32_ACCUMULATE + _FP32_RELU


def paper_gain(magnitude_bits: int, block: int) -> float | None:
    """The model fitted to the published table; None where it has no parameter."""
    fitted = _FITTED.get(magnitude_bits)
    return (1494.3285 * block + 394.875) / (fitted * block + 586) if fitted else None


def component_gain(name: str, mantissa_bits: int, block: int) -> float | None:
    """The authors' table of components, added up their way: one converter of the whole block, adders of 2w bits."""
    if name == "BF16":
        own = block * _BF16_MULTIPLY + (block - 1) * _BF16_ADD + _BF16_ACCUMULATE + _BF16_RELU
        return _fp32(block) / own
    if mantissa_bits not in _MULTIPLY:
        return None
    slope, offset = _FROM_BF16[mantissa_bits]
    own = block * _MULTIPLY[mantissa_bits] + (block - 1) * _ADD[2 * mantissa_bits] + _ADD[10] + _TO_BF16[mantissa_bits]
    return _fp32(block) / (own + _BF16_ACCUMULATE + _BF16_RELU + slope * block + offset)
