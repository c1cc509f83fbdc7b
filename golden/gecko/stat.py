"""Where the bits of a tensor go: sign, mantissa, exponent, metadata, in every mode, with the entropy beside them."""

from dataclasses import replace
from typing import Any

import numpy as np

from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.file import read
from golden.gecko.size import Size, candidates, measure
from golden.gecko.values import split

__all__ = ["entropy", "stat", "stat_file", "table"]

_PARTS = ("sign", "mantissa", "exponent", "mask", "metadata", "padding", "descriptor", "total")
_STANDARD_BIAS = 127  # gecko.md 2: b of fixed mode at ne = 8 where nobody programs it


def entropy(symbols: np.ndarray) -> float:
    """Zero-order entropy in bits a symbol of small unsigned numbers: what no code without context can go below."""
    counts = np.bincount(symbols.ravel())
    share = counts[counts > 0] / max(symbols.size, 1)
    return float(abs(-(share * np.log2(share)).sum()))


def stat(bits: np.ndarray, source: Source, **facts: Any) -> dict[str, Any]:
    """Sizes of flat bit patterns in every mode that `facts` (see `size.candidates`) leave open, as plain data.

    `modes` are the candidates, and fixed mode at b = 127 where the exponents are whole; sizes are in bits. `chosen` is
    the index of the cheapest candidate. `entropy` is in bits a value: of the exponent code, of the sign, and of the
    mantissa where it is at most 8 bits long (beyond, a sample says little).
    """
    ways = candidates(bits, source, **facts)
    cost = [measure(bits, d) for d in ways]
    chosen = min(range(len(ways)), key=lambda i: cost[i].coded)
    for d in [d for d in ways if d.mode is Mode.FIXED and d.exponent_bits == 8 and d.bias != _STANDARD_BIAS]:
        if facts.get("bias") is None:
            ways.append(replace(d, bias=_STANDARD_BIAS))
            cost.append(measure(bits, ways[-1]))
    d = ways[0]
    codes, tails = split(bits, d)
    whole = {"exponent": entropy(codes), "sign": 0.0 if d.sign_elided else entropy(tails & 1)}
    if d.mantissa_bits <= 8:
        whole["mantissa"] = entropy(tails if d.sign_elided else tails >> 1)
    return {
        "source": source.name.lower(),
        "values": bits.size,
        "exponent_bits": d.exponent_bits,
        "mantissa_bits": d.mantissa_bits,
        "sign_elided": d.sign_elided,
        "chosen": chosen,
        "entropy": {part: round(bound, 6) for part, bound in whole.items()},
        "modes": [_way(d, size) for d, size in zip(ways, cost, strict=True)],
    }


def stat_file(gck: bytes) -> dict[str, Any]:
    """`stat` of the contents of a `.gck` file in the format that it states, and under `stored` how it was packed."""
    file = read(gck)
    d = file.container.descriptor
    names = ("exponent_bits", "offset", "mantissa_bits", "sign_elided")
    report = stat(file.bits, d.source, zero_mask=None, **{name: getattr(d, name) for name in names})
    way = _way(d, measure(file.bits, d))
    return report | {
        "stored": {name: way[name] for name in ("mode", "bias", "zero_mask", "total")} | {"file": 8 * len(gck)}
    }


def _way(d: Descriptor, size: Size) -> dict[str, Any]:
    uses_bias = d.mode is Mode.FIXED or d.zero_mask
    return {
        "mode": d.mode.name.lower(),
        "bias": d.bias if uses_bias else None,
        "zero_mask": d.zero_mask,
        **{part: bits for part, bits in size.as_dict().items() if part != "values"},
        "exponent_ratio": round(size.exponent_ratio(d.exponent_bits), 6),
        "ratio": round(size.total / (size.values * d.source.bits), 6) if size.values else None,
    }


def table(report: dict[str, Any]) -> str:
    """The report of `stat` as text: bits a value by part, one mode a line, the chosen one marked."""
    values, entropies = max(report["values"], 1), report["entropy"]
    rows: list[list[str]] = [["mode", "b", "mask", *_PARTS, "exp. ratio", f"of {report['source']}"]]
    for i, way in enumerate(report["modes"]):
        name = way["mode"] + (" *" if i == report["chosen"] else "")
        bias, mask = "" if way["bias"] is None else str(way["bias"]), "yes" if way["zero_mask"] else ""
        ratio = "" if way["ratio"] is None else f"{way['ratio']:.3f}"
        parts = (f"{way[part] / values:.3f}" for part in _PARTS)
        rows.append([name, bias, mask, *parts, f"{way['exponent_ratio']:.3f}", ratio])
    bounds = (f"{entropies[part]:.3f}" if part in entropies else "" for part in _PARTS)
    rows.append(["entropy", "", "", *bounds, f"{entropies['exponent'] / report['exponent_bits']:.3f}", ""])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{report['values']} values, {report['source']}, {report['exponent_bits']} exponent and "
        f"{report['mantissa_bits']} mantissa bits; bits a value by part (* cheapest):"
    ]
    for row in rows:
        first, *rest = zip(row, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip())
    if stored := report.get("stored"):
        way = f"{stored['mode']}, b {stored['bias']}, zero mask {'on' if stored['zero_mask'] else 'off'}"
        lines.append(f"stored in {stored['file'] // 8} bytes as {way}")
    return "\n".join(lines)
