"""The ratio table of gecko.md 6 on synthetic data: what Gecko does to exponents that have no correlation.

A ratio is (exponent codes + zero masks + width metadata) / (values * ne bits); 1 is the uncompressed exponent field.
Every number is that of the codec's exact size count. 2^18 values of a seeded Gaussian, in BF16 by truncation.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.size import measure
from golden.gecko.stat import entropy
from golden.gecko.values import codes_of

__all__ = ["ROWS", "Row", "qe_max_window", "ratio_table", "ratios"]

_VALUES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of the table: the data, how it is coded, and the ratio that gecko.md 6 (relu with mask: 5) states."""

    data: str
    mode: Mode
    stated: float
    bias: int = 0
    exponent_bits: int = 8
    zero_mask: bool = False


def _row(data: str, mode: Mode, stated: float, **facts: Any) -> Row:
    return Row(data=data, mode=mode, stated=stated, **facts)


ROWS = (
    _row("gaussian", Mode.DELTA, 0.571),
    _row("gaussian", Mode.FIXED, 0.629, bias=127),
    _row("gaussian", Mode.FIXED, 0.464, bias=122),
    _row("abs-gaussian", Mode.DELTA, 0.572),
    _row("abs-gaussian", Mode.FIXED, 0.453, bias=126),
    _row("relu", Mode.DELTA, 1.044),
    _row("relu", Mode.FIXED, 1.044, bias=127),
    _row("relu", Mode.DELTA, 0.63, bias=126, zero_mask=True),
    _row("relu", Mode.DELTA, 0.65, bias=127, zero_mask=True),
    _row("relu", Mode.FIXED, 0.52, bias=126, zero_mask=True),
    _row("relu", Mode.FIXED, 0.56, bias=127, zero_mask=True),
    _row("qe-max", Mode.DELTA, 1.12, exponent_bits=3),
    _row("qe-max", Mode.DELTA, 1.01, exponent_bits=4),
    _row("qe-max", Mode.DELTA, 0.84, exponent_bits=5),
    _row("qe-max", Mode.FIXED, 1.09, bias=4, exponent_bits=3),
    _row("qe-max", Mode.FIXED, 0.89, bias=11, exponent_bits=4),
    _row("qe-max", Mode.FIXED, 0.71, bias=27, exponent_bits=5),
)


def qe_max_window(bits: np.ndarray, source: Source, exponent_bits: int) -> tuple[np.ndarray, int]:
    """Keep the 2^k - 1 binades that end at the largest magnitude's, flush the rest to +0: (bit patterns, offset).

    The recommended Quantum Exponent of policies.md 2, for finite values; k = 8 keeps everything.
    """
    if exponent_bits == 8:
        return bits, 0
    field = bits >> source.mantissa_bits & 255
    below = max(int(field.max(initial=0)), 1) - ((1 << exponent_bits) - 1)  # the highest exponent field not kept
    return np.where(field > max(below, 0), bits, 0).astype(bits.dtype), below % 256


def _data(name: str, values: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(values)
    x = {"gaussian": 0.05 * x, "abs-gaussian": np.abs(x), "relu": np.maximum(x, 0.0), "qe-max": x}[name]
    return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def ratios(seed: int = 0, values: int = _VALUES) -> list[dict[str, Any]]:
    """Every row of the table with the ratio measured on `values` values, beside the one that gecko.md 6 states."""
    table = []
    for row in ROWS:
        bits, offset = qe_max_window(_data(row.data, values, seed), Source.BF16, row.exponent_bits)
        plain = Descriptor(source=Source.BF16, length=values, mantissa_bits=7, exponent_bits=row.exponent_bits)
        d = replace(plain, offset=offset, mode=row.mode, bias=row.bias, zero_mask=row.zero_mask)
        facts = {"data": row.data, "exponent_bits": row.exponent_bits, "mode": row.mode.name.lower()}
        measured = {
            "ratio": round(measure(bits, d).exponent_ratio(d.exponent_bits), 4),
            "stated": row.stated,
            "entropy_bound": round(entropy(codes_of(bits, d)) / d.exponent_bits, 4),
        }
        bias = row.bias if row.mode is Mode.FIXED or row.zero_mask else None
        table.append(facts | {"bias": bias, "zero_mask": row.zero_mask} | measured)
    return table


def ratio_table(rows: list[dict[str, Any]]) -> str:
    """The result of `ratios` as text."""
    line = "{data:<13}{exponent_bits:>3}  {mode:<6}{b:>4}  {mask:<4}{ratio:>8.3f}{stated:>12.3f}{entropy_bound:>9.3f}"
    head = f"{'data':<13}{'ne':>3}  {'mode':<6}{'b':>4}  {'mask':<4}{'ratio':>8}{'gecko.md 6':>12}{'entropy':>9}"
    shown = (row | {"b": row["bias"] or "", "mask": "yes" if row["zero_mask"] else ""} for row in rows)
    return "\n".join([head, *(line.format_map(row) for row in shown)])
