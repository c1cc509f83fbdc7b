"""Signal to quantisation noise: the cases that `golden.qsnr` tabulates, and how they are measured (formats.md 2.4).

QSNR = -10 log10(sum (Q(x) - x)^2 / sum x^2) of a vector x, in dB; a figure is the mean over vectors of 1024 Gaussian
samples whose standard deviation is |N(0, 1)|, anew for each. x is FP32, errors and powers are float64.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.blocks import quantize
from golden.catalog import ELEMENTS, get_format
from golden.elements import encode, to_float32
from golden.formats import BlockFormat, Rounding

__all__ = ["CASES", "CHUNK", "DELTAS", "LENGTH", "Case", "Delta", "bound", "measure", "qsnr", "samples"]

LENGTH = 1024
CHUNK = 250  # vectors at a time, and the tensor that NVFP4 takes its scale from
Floats = NDArray[np.float32]


class Case(NamedTuple):
    """One line of the table: how it quantises, its storage cost, and formats.md 2.4's figure (None: not given)."""

    name: str
    bits: float  # per element
    quantized: Callable[[Floats], Floats]
    expected: float | None


def _case(name: str, expected: float | None = None, rounding: str = Rounding.RNE) -> Case:
    fmt = get_format(name)
    suffix = "" if rounding == Rounding.RNE else f" {rounding}"
    return Case(
        name + suffix,
        fmt.bits_per_element,
        lambda x: quantize(x, fmt, rounding=rounding).dequantize(),
        expected,
    )


def _vector_scaled(name: str, expected: float) -> Case:
    """FP8 as it is used without blocks: one FP32 scale per vector puts its largest magnitude on the largest element."""
    element = ELEMENTS[name]
    largest = np.float32(element.max_integer * 2.0**element.lsb_exponent)

    def quantized(x: Floats) -> Floats:
        scale = np.abs(x).max(axis=-1, keepdims=True) / largest
        return to_float32(encode((x / scale).view(np.uint32), 0, element, Rounding.RNE), element) * scale

    return Case(f"fp8_{name} vector scale", 8 + 32 / LENGTH, quantized, expected)


CASES = [
    *(_case(*pair) for pair in (("mx9", 46.61), ("mx6", 28.38), ("mx4", 15.78))),
    _case("mx9", 40.64, "rtz"),
    *(_case(*pair) for pair in (("msfp16", 43.02), ("msfp14", 30.96), ("msfp12", 18.87))),
    *(_case(*pair, "rtz") for pair in (("msfp16", 37.03), ("msfp12", 13.35))),
    *(_case(*pair) for pair in (("mxfp8_e4m3", 30.52), ("mxfp8_e5m2", 25.34), ("mxint8", 42.05))),
    *(_case(*pair) for pair in (("mxfp6_e2m3", 30.98), ("mxfp6_e3m2", 25.34), ("mxfp4", 18.75), ("nvfp4", 20.44))),
    *(_case(*pair) for pair in (("bfp8x64", 41.25), ("bfp6x64", 29.20), ("bfp4x64", 17.15), ("bfp4x16", 18.87))),
    _vector_scaled("e4m3", 31.57),
    _vector_scaled("e5m2", 25.59),
    *(_case(name) for name in ("bm_e2m5x48", "bm_e4m3x48", "bm_e2m1x48")),
    *(_case(f"mx_m7_k16_{k2}_d8_{d2}") for k2, d2 in ((8, 1), (1, 1), (2, 2))),
]


class Delta(NamedTuple):
    """A difference that a paper prints: its name, the two cases, the printed dB."""

    name: str
    better: str
    worse: str
    paper: float


# formats.md 2.4 and results.md 2, 9
DELTAS = [
    Delta("MX9 over MSFP16", "mx9", "msfp16", 3.6),
    Delta("MX9 over FP8 E4M3", "mx9", "fp8_e4m3 vector scale", 16),
    Delta("k2 8 -> 2", "mx9", "mx_m7_k16_8_d8_1", 2),
    Delta("k2 2 -> 1", "mx_m7_k16_1_d8_1", "mx9", 0.7),
    Delta("d2 1 -> 2", "mx_m7_k16_2_d8_2", "mx9", 0.5),
]


def samples(vectors: int, seed: int) -> Iterator[Floats]:
    """Chunks (n, 1024) of the Gaussian vectors, `vectors` in all."""
    rng = np.random.default_rng(seed)
    for start in range(0, vectors, CHUNK):
        count = min(CHUNK, vectors - start)
        deviation = np.abs(rng.standard_normal((count, 1)))
        yield (rng.standard_normal((count, LENGTH)) * deviation).astype(np.float32)


def qsnr(x: Floats, quantized: Floats) -> NDArray[np.float64]:
    """dB per vector, (n, length) -> (n)."""
    exact = x.astype(np.float64)
    noise = ((quantized - exact) ** 2).sum(axis=-1)
    return -10 * np.log10(noise / (exact**2).sum(axis=-1))


def measure(vectors: int, seed: int, progress: Callable[[int], None] = lambda done: None) -> dict[str, float]:
    """Mean dB of every case over the same vectors; `progress` hears how many are done."""
    sums = dict.fromkeys((case.name for case in CASES), 0.0)
    done = 0
    for x in samples(vectors, seed):
        for case in CASES:
            sums[case.name] += float(qsnr(x, case.quantized(x)).sum())
        done += len(x)
        progress(done)
    return {name: total / vectors for name, total in sums.items()}


def bound(fmt: BlockFormat, length: int = LENGTH) -> float | None:
    """Least dB of blocks without clipping, for integer elements (formats.md 2.3); None for minifloats."""
    if fmt.element.is_float:
        return None
    grain = 1 << 2 * fmt.max_microexponent
    return float(
        20 * fmt.element.precision * np.log10(2)
        + 10 * np.log10(grain / (min(length, fmt.block) + (grain - 1) * fmt.subblock))
    )
