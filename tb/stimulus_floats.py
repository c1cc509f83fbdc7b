"""Operands of the float units: corners, and random codes that lie where rounding, range and cancellation matter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import floats
from golden.catalog import get_float
from golden.formats import FloatFormat
from tb.batches import Config, stitch

__all__ = ["corner_codes", "float_batch", "float_corners"]

Columns = dict[str, NDArray[Any]]
Rng = np.random.Generator


def corner_codes(fmt: FloatFormat) -> NDArray[Any]:
    """Codes where something changes, of both signs: zero, ends of the subnormals and binades, one, infinity, NaN."""
    ulp, one = 1 << fmt.fraction_bits, fmt.bias << fmt.fraction_bits
    low = [0, 1, 2, 3, ulp // 2, ulp - 1, ulp, ulp + 1, 2 * ulp - 1, 2 * ulp]
    mid = [one + d for d in (-ulp, -2, -1, 0, 1, 2, ulp - 1, ulp, ulp // 2, ulp // 2 + 1)]
    mid += [one - (fmt.fraction_bits + k) * ulp for k in (0, 1, 2)] + [
        one + (fmt.fraction_bits + k) * ulp for k in (0, 1)
    ]
    high = [fmt.infinity - ulp, fmt.infinity - 1, fmt.infinity, fmt.infinity + 1, fmt.nan, fmt.sign - 1]
    codes = np.array(sorted({c for c in [*low, *mid, *high] if 0 <= c < fmt.sign}))
    return np.concatenate([codes, codes + fmt.sign]).astype(floats.float_dtype(fmt))


def _codes(fmt: FloatFormat, shape: tuple[int, ...], rng: Rng) -> NDArray[Any]:
    """Any code, or of few significant bits, or a corner."""
    kind = rng.integers(0, 8, shape)
    codes = rng.integers(0, 1 << fmt.bits, shape)
    keep = rng.integers(0, fmt.fraction_bits + 1, shape)
    short = codes >> keep << keep
    corners = corner_codes(fmt)
    picked = corners[rng.integers(0, len(corners), shape)]
    return np.where(kind == 0, picked, np.where(kind < 4, short, codes)).astype(floats.float_dtype(fmt))


def _near(codes: NDArray[Any], fmt: FloatFormat, rng: Rng) -> NDArray[Any]:
    """Other codes a few binades away, or a few codes: sums that cancel and shifts of every distance."""
    reach = fmt.fraction_bits + 3
    moved = codes.astype(np.int64) + (rng.integers(-reach, reach + 1, codes.shape) << fmt.fraction_bits)
    moved ^= np.where(rng.integers(0, 2, codes.shape), rng.integers(0, 1 << fmt.fraction_bits, codes.shape), 0)
    few = codes.astype(np.int64) + rng.integers(-2, 3, codes.shape)
    found = np.where(rng.integers(0, 3, codes.shape), moved, few) & fmt.sign - 1
    return (found | rng.integers(0, 2, codes.shape) * fmt.sign).astype(codes.dtype)


def _balanced(codes: NDArray[Any], fmt: FloatFormat, rng: Rng) -> NDArray[Any]:
    """Factors whose exponents and these codes' add up to little more or less than the lowest or highest of a number."""
    field = codes.astype(np.int64) >> fmt.fraction_bits & (1 << fmt.exponent_bits) - 1
    ends = np.where(
        rng.integers(0, 2, codes.shape), fmt.bias - fmt.fraction_bits, fmt.bias + (1 << fmt.exponent_bits) - 2
    )
    wanted = ends - field + rng.integers(-3, fmt.fraction_bits + 3, codes.shape)
    wanted = np.clip(wanted, 0, (1 << fmt.exponent_bits) - 2) << fmt.fraction_bits
    low = rng.integers(0, 1 << fmt.fraction_bits, codes.shape) | rng.integers(0, 2, codes.shape) * fmt.sign
    return (wanted | low).astype(codes.dtype)


def float_batch(config: Config, count: int, rng: Rng) -> Columns:
    """Random rows: operands of every kind, partners near each other or near the ends of the range."""
    fmt = get_float(config["float"])
    if config["unit"] == "float_accumulate":
        values = _codes(fmt, (count,), rng)
        values = np.where(rng.random(count) < 0.7, _near(np.roll(values, 1), fmt, rng), values)
        numbers = (values & (fmt.sign - 1)) < fmt.infinity
        values = np.where(numbers | (rng.random(count) < 0.1), values, values & (fmt.infinity >> 1))
        first = (rng.random(count) < 0.15).astype(np.uint8)
        first[:1] = 1
        return {"value": values, "first": first}
    shape = (count, config["length"]) if config["unit"] == "float_dot" else (count,)
    a = _codes(fmt, shape, rng)
    partner = rng.integers(0, 3, count).reshape(count, *[1] * (len(shape) - 1))
    b = np.choose(partner, [_codes(fmt, shape, rng), _near(a, fmt, rng), _balanced(a, fmt, rng)])
    if config["unit"] == "float_dot":
        # A second half that takes back most of the first, without the specials that end every sum in NaN.
        half = config["length"] // 2
        tame = rng.random((count, 1)) < 0.8
        a, b = (np.where(tame & ((x & (fmt.sign - 1)) >= fmt.infinity), x & 3, x).astype(a.dtype) for x in (a, b))
        back = rng.random(count) < 0.3
        a[back, half : 2 * half] = a[back, :half] ^ rng.integers(0, 2, (back.sum(), half), a.dtype)
        b[back, half : 2 * half] = b[back, :half] ^ fmt.sign
        return {"a": a, "b": b}
    if config["unit"] != "float_fma":
        return {"a": a, "b": b}
    product = floats.multiply(a, b, fmt)
    c = np.choose(rng.integers(0, 3, count), [_codes(fmt, shape, rng), _near(product, fmt, rng), product ^ fmt.sign])
    return {"a": a, "b": b, "c": c}


def float_corners(config: Config, rng: Rng) -> Columns:
    """All pairs of corners (of three operands a large draw of all triples), then random rows."""
    fmt, unit = get_float(config["float"]), config["unit"]
    corners = corner_codes(fmt)
    random = float_batch(config, 3000, rng)
    if unit == "float_accumulate":
        pairs = np.stack(np.meshgrid(corners, corners), axis=-1).reshape(-1)
        return stitch([{"value": pairs, "first": np.tile(np.array([1, 0], np.uint8), len(corners) ** 2)}, random])
    a, b = (grid.ravel() for grid in np.meshgrid(corners, corners))
    directed = {"a": a, "b": b}
    if unit == "float_dot":
        n = config["length"]
        order = rng.permutation(len(a) * n)[: len(a) // n * n]
        alike = {name: np.repeat(codes[:, np.newaxis], n, axis=1) for name, codes in directed.items()}
        directed = stitch([alike, {k: codes[order % len(a)].reshape(-1, n) for k, codes in directed.items()}])
    if unit == "float_fma":
        directed = {name: np.tile(codes, 8) for name, codes in directed.items()}
        directed["c"] = rng.choice(corners, len(directed["a"]))
    return stitch([directed, random])
