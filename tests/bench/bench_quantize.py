"""Speed of quantise-dequantise beside a copy: `python tests/bench/bench_quantize.py [--json FILE]`.

16 M float32 values, one thread, CPU time, every case once per round, so that what else the machine does falls on all of
them alike. `x copy` is the time over that of a memory copy in the same run, the fastest round of each. Goals: within 4
for BFP, MXINT8 and MX9, within 8 for minifloats, and below every emulator of the same format.

`elsewhere` is the fastest CPU emulator of that format that was measured, once, one thread, 16.8 M elements on a machine
that copied 2,381 M elements/s: NumPy here means an unoptimised transcription of the definition.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import ml_dtypes
import numpy as np

from golden import Draws, fake_quantize, get_format, kernels
from golden.provenance import to_json

SEED = 1
COPY_ELSEWHERE = 2381  # M elements/s, like those below
ELSEWHERE = {
    "bfp4x64": ("HBFPEmulator, blocked fork", 47),
    "bfp8x64": ("NumPy", 208),
    "mx9": ("NumPy (AMD Quark: 8.6)", 22),
    "mxint8": ("NumPy (microxcaling: 16)", 150),
    "mxfp8_e4m3": ("torchao (microxcaling: 10)", 46),
    "mxfp4": ("microxcaling", 9),
}
FORMATS = ["bfp4x64", "bfp8x64", "bfp4x16", "bfp8x576", "msfp12", "mx9", "mx6", "mx4", "mxint8"]
FORMATS += ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "bm_e2m5x48"]
VARIANTS = ["bfp4x64", "mx9", "mxfp8_e4m3"]  # also across rows, and with stochastic rounding
CASTS = ["float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float4_e2m1fn"]


def goal(name: str) -> int:
    """How many times a copy's time a format may take."""
    return 8 if get_format(name).element.is_float else 4


def cases(elements: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name: all of one tensor into another, but for the casts, which make their own."""
    x = np.random.default_rng(SEED).standard_normal(elements).astype(np.float32)
    out = np.empty_like(x)
    square, made = x.reshape(-1, 4096), out.reshape(-1, 4096)
    timed: dict[str, Callable[[], object]] = {"copy": lambda: np.copyto(out, x)}
    for name in FORMATS:
        timed[name] = lambda name=name: fake_quantize(x, name, out=out)
    for name in VARIANTS:
        timed[f"{name} axis 0"] = lambda name=name: fake_quantize(square, name, axis=0, out=made)
        timed[f"{name} sr"] = lambda name=name: fake_quantize(x, name, rounding="sr", random=Draws("x"), out=out)
    for name in CASTS:
        dtype = getattr(ml_dtypes, name)
        timed[f"ml_dtypes {name}"] = lambda dtype=dtype: x.astype(dtype).astype(np.float32)
    return timed


def measure(elements: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every case in every round."""
    timed = cases(elements)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for work in timed.values():
        work()
    for done in range(rounds):
        print(f"round {done + 1} of {rounds}", end="\r", file=sys.stderr, flush=True)
        for name, work in timed.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    return seconds


def main() -> None:
    """Print the table, and the records with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--elements", type=int, default=1 << 24, help="a multiple of 4096 (default 2^24)")
    parser.add_argument("--rounds", type=int, default=9, help="default 9")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    options = parser.parse_args()
    if not kernels.available():
        print("numba is missing (pip install numba): these are figures of the NumPy definition", file=sys.stderr)
    seconds = measure(options.elements, options.rounds)
    copy = min(seconds["copy"])
    records = []
    print(f"{'':<24}{'M/s':>8}{'x copy':>9}{'median':>9}{'goal':>7}   elsewhere, x copy of its machine")
    for name, times in seconds.items():
        best, format_name = min(times), name.split()[0]
        record = {
            "case": name,
            "million_per_second": round(options.elements / best / 1e6, 1),
            "times_copy": round(best / copy, 2),
            "times_copy_median": round(median(times) / median(seconds["copy"]), 2),
        }
        line = f"{name:<24}{record['million_per_second']:>8.0f}{record['times_copy']:>9.2f}"
        line += f"{record['times_copy_median']:>9.2f}"
        if format_name in FORMATS:
            record["goal"] = goal(format_name)
            line += f"{record['goal']:>7}"
        if name in ELSEWHERE:
            program, rate = ELSEWHERE[name]
            record["elsewhere"] = {"program": program, "million_per_second": rate}
            line += f"   {COPY_ELSEWHERE / rate:.0f}  {program}: {rate} M/s"
        print(line)
        records.append(record)
    if options.json:
        document = {
            "schema": "narrowgauge-bench-quantize-1",
            "elements": options.elements,
            "rounds": options.rounds,
            "numba": version("numba") if kernels.available() else None,
            "records": records,
        }
        options.json.write_text(to_json(document, "python tests/bench/bench_quantize.py", seed=SEED))


if __name__ == "__main__":
    main()
