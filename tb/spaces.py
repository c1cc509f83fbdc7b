"""The jobs of `tb.volume`: a million random vectors for each default unit and each format, and small spaces in full."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from golden.formats import Rounding, ScaleRule
from hdl.config import UnitConfig
from hdl.registry import make_config
from tb.configurations import FORMATS
from tb.operands import choice, exponents
from tb.shifter import all_inputs, input_count
from tb.stimulus import corner_batch, random_batch
from tb.stimulus_gecko import long_tensor

__all__ = ["FORMAT_JOBS", "JOBS", "SETS", "STRUCTURED_SUMS", "Job"]

Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """`batch(chunk number, seed)` makes the input transfers of a chunk; `vectors` is about how many all chunks hold."""

    name: str
    text: str
    config: UnitConfig
    chunks: int
    vectors: int
    batch: Callable[[int, int], Batch]


_RANDOM_VECTORS, _RANDOM_CHUNK = 1_000_000, 20_000


def _random(name: str, **options: Any) -> Job:
    config = make_config(**options)
    plain = config.to_dict()

    def batch(number: int, seed: int) -> Batch:
        rng = np.random.default_rng([seed, number])
        return corner_batch(plain, rng) if number < 2 else random_batch(plain, _RANDOM_CHUNK, rng)

    chunks = _RANDOM_VECTORS // _RANDOM_CHUNK + 2
    return Job(f"random-{name}", f"corners and random vectors, {config.name}", config, chunks, _RANDOM_VECTORS, batch)


_LONG = 160_000  # values of a long tensor


def _gecko(name: str, **options: Any) -> Job:
    """Ten million values in long tensors, through a Gecko unit with zero masks."""
    config = make_config(zero_mask="on", **options)
    plain, chunks = config.to_dict(), 10_000_000 // _LONG + 1

    def batch(number: int, seed: int) -> Batch:
        return long_tensor(plain, _LONG, np.random.default_rng([seed, number]))

    return Job(name, f"ten million values in long tensors, {config.name}", config, chunks, chunks * _LONG // 8, batch)


# Exponents of a pair whose mantissas run through all codes: mostly such that no result is lost to the ends of FP32.
_PAIR_EXPONENTS = {"common": 20, "subnormal": 2, "overflow": 2, "edge": 1, "uniform": 1}


def _code_pairs() -> Job:
    """Every pair of mantissa codes of three elements of four bits: 2^12 x 2^12, minus zeros included."""
    config, fmt = make_config(unit="dot", format="bfp4x3"), get_format("bfp4x3")
    side, per_chunk = 1 << fmt.element_bits, 1 << 7

    def unpacked(words: NDArray[np.int64]) -> NDArray[np.uint8]:
        shifts = np.arange(fmt.block) * fmt.element.bits
        return (words[:, np.newaxis] >> shifts & (1 << fmt.element.bits) - 1).astype(np.uint8)

    def batch(number: int, seed: int) -> Batch:
        rng = np.random.default_rng([seed, number])
        n = per_chunk * side
        kinds = choice(_PAIR_EXPONENTS, n, rng)
        a, b = exponents(fmt, fmt, kinds, rng, np.zeros(n, np.bool_))
        pairs = np.arange(n) + number * n
        return {
            "a.mantissa": unpacked(pairs // side),
            "a.exponent": a,
            "b.mantissa": unpacked(pairs % side),
            "b.exponent": b,
        }

    return Job("code-pairs", "every pair of codes of bfp4x3", config, side // per_chunk, side * side, batch)


def _fp16(rounding: str, rule: str) -> Job:
    """Every FP16 code beside an element that sets the shared exponent: zero, or a power of two from 2^-24 to 2^15."""
    options: dict[str, Any] = {"source": "fp16", "rounding": rounding, "scale_rule": rule}
    config = make_config(unit="quantize", format="bfp4x2", **options)
    leaders = np.array([0.0, *np.exp2(np.arange(-24.0, 16.0))], np.float16).view(np.uint16)

    def batch(number: int, seed: int) -> Batch:
        codes = np.arange(1 << 16, dtype=np.uint16)
        inputs: Batch = {"value": np.stack([codes, np.full_like(codes, leaders[number])], axis=1)}
        if rounding == Rounding.SR:
            inputs["random"] = np.random.default_rng([seed, number]).integers(0, 256, inputs["value"].shape, np.uint8)
        return inputs

    text = f"every FP16 value under every shared exponent, {rounding}, {rule}"
    return Job(f"fp16-{rounding}-{rule}", text, config, len(leaders), len(leaders) << 16, batch)


# Integer sums of a 12-bit, 16-element dot product: signs, ends of the range, ties and a carry at 24 bits.
STRUCTURED_SUMS = (
    0,
    1,
    -1,
    3,
    (1 << 24) + 1,
    -(1 << 24) - 3,
    (1 << 25) - 1,
    -(1 << 25) - 6,
    16 * 2047**2,
    -16 * 2047**2,
)


@cache
def _operands_of(total: int, block: int, top: int) -> tuple[list[int], list[int]]:
    """Signed mantissas a, b with sum(a * b) == total; a zero is made of products that cancel."""
    if total == 0:
        return [top, top] + [0] * (block - 2), [1, -1] + [0] * (block - 2)
    a, b, rest = [], [], abs(total)
    while rest:
        factor = min(top, max(rest // top, 1))
        a.append(top if rest >= top else rest)
        b.append(factor)
        rest -= a[-1] * b[-1]
    sign = 1 if total > 0 else -1
    pad = [0] * (block - len(a))
    return [sign * x for x in a] + pad, b + pad


def _exponent_pairs() -> Job:
    """Every pair of stored exponents, poison included, on each of the structured sums."""
    config, fmt = make_config(unit="dot", format="bfp12x16"), get_format("bfp12x16")
    m, top, side = fmt.element.mantissa_bits, fmt.element.max_code, 1 << fmt.scale.bits

    def codes(values: list[int]) -> NDArray[np.uint16]:
        return np.array([abs(v) | (v < 0) << m for v in values], np.uint16)

    def batch(number: int, seed: int) -> Batch:
        a, b = _operands_of(STRUCTURED_SUMS[number % 10], fmt.block, top)
        first = np.arange(number // 10 * 64, number // 10 * 64 + 64)
        n = len(first) * side
        return {
            "a.mantissa": np.broadcast_to(codes(a), (n, fmt.block)),
            "a.exponent": np.repeat(first, side).astype(np.uint16),
            "b.mantissa": np.broadcast_to(codes(b), (n, fmt.block)),
            "b.exponent": np.tile(np.arange(side), len(first)).astype(np.uint16),
        }

    chunks = side // 64 * len(STRUCTURED_SUMS)
    return Job(
        "exponent-pairs", "every pair of exponents on ten sums, bfp12x16", config, chunks, chunks * 64 * side, batch
    )


def _all_groups(name: str) -> Job:
    """Every pair of products under every pair of microexponents."""
    config = make_config("microexponent_shifter", format=name)
    total = input_count(config.to_dict())
    size = min(total, 1 << 16)

    def batch(number: int, seed: int) -> Batch:
        return all_inputs(config.to_dict(), number * size, (number + 1) * size)

    return Job(f"shifter-{name}-all", f"every input, {config.name}", config, total // size, total, batch)


JOBS = (
    _random("dot", unit="dot"),
    _random("dot-fixed", unit="dot", result="fixed"),
    _random("dot-fp32", unit="dot", accumulate="fp32"),
    _random("dot-fused", unit="dot", accumulate="fused"),
    _random("quantize", unit="quantize"),
    _random("quantize-sr", unit="quantize", rounding="sr"),
    _random("quantize-flush", unit="quantize", subnormals="flush"),
    _random("dequantize", unit="dequantize"),
    _random("tile", unit="tile"),
    _gecko("gecko-encoder", unit="gecko_encoder"),
    _gecko("gecko-decoder", unit="gecko_decoder"),
    _gecko("container-pack-fp32", unit="container_pack"),
    _gecko("container-pack-bf16", unit="container_pack", source="bf16"),
    _gecko("container-unpack-fp32", unit="container_unpack"),
    _gecko("container-unpack-bf16", unit="container_unpack", source="bf16"),
    _code_pairs(),
    _exponent_pairs(),
    *(_fp16(rounding, rule) for rounding in Rounding for rule in ScaleRule),
)

_PAIRS = (
    ("mxfp4", "mxfp6_e3m2"),
    ("mxint8", "mxfp4"),
    ("mxfp8_e4m3", "mxfp4"),
    ("mxfp8_e5m2", "mxfp8_e4m3"),
    ("mx9", "mx4"),
)
FORMAT_JOBS = (
    *(_random(f"dot-{name}", unit="dot", format=name) for name in FORMATS),
    *(_random(f"dot-{a}-{b}", unit="dot", format=a, format_b=b) for a, b in _PAIRS),
    *(_random(f"dot-{name}-f25", unit="dot", format=name, mode="f25") for name in ("mx9", "mx6", "mx4")),
    *(_random(f"{unit}-{name}", unit=unit, format=name) for unit in ("quantize", "dequantize") for name in FORMATS),
    _random("quantize-mxfp4-flush", unit="quantize", format="mxfp4", subnormals="flush"),
    _random("dot-nvfp4", unit="dot", format="nvfp4"),
    _random("dot-nvfp4-fp32", unit="dot", format="nvfp4", accumulate="fp32"),
    _random("dot-mx9-nvfp4-fused", unit="dot", format="mx9", format_b="nvfp4", accumulate="fused"),
    _random("shifter-mx9", unit="microexponent_shifter", format="mx9"),
    _all_groups("mx6"),
    _all_groups("mx4"),
    *(
        _random(f"convert-{a}-{b}", unit="convert", format=a, to=b, inexact=inexact)
        for a, b, inexact in (
            ("mx6", "mx9", "refuse"),
            ("mx9", "mx6", "round"),
            ("mxfp4", "mxfp8_e4m3", "refuse"),
            ("mxfp8_e4m3", "mxfp4", "round"),
        )
    ),
)
SETS = {"foundation": JOBS, "formats": FORMAT_JOBS}
