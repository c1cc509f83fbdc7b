"""Speed of the Gecko codec: millions of values a second of CPU time, one core, each way and by mode.

    python tests/bench/bench_gecko.py [--values N] [--repeat N] [--json]

Data: a seeded Gaussian (sigma 0.05), and its half-zero ReLU for the zero mask. `measure` is the exact size count,
`choose` the pick of the cheapest way with its search over every bias; `pack`/`unpack` are whole files, the pick, both
checksums and the strict reading included. The best of the repeats counts. Goal: 10 M BF16 values a second each way.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from golden.gecko.container import decode, encode
from golden.gecko.descriptor import Descriptor, Mode, Source
from golden.gecko.file import pack, unpack
from golden.gecko.size import choose, measure
from golden.provenance import to_json

GOAL = 10.0  # M values/s, BF16, encode and decode


def speed(work: Callable[[], object], values: int, repeat: int) -> float:
    """Millions of values a second of CPU time, so that a busy neighbour does not count."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return round(values / best / 1e6, 1)


def bench(values: int, repeat: int) -> list[dict[str, object]]:
    """One row per source and way of coding."""
    x = (np.random.default_rng(0).standard_normal(values) * 0.05).astype(np.float32)
    rows = []
    for source in Source:
        for mode, masked in ((Mode.RAW, False), (Mode.FIXED, False), (Mode.DELTA, False), (Mode.FIXED, True)):
            wide = (np.maximum(x, 0) if masked else x).view(np.uint32)
            bits = wide if source is Source.FP32 else (wide >> 16).astype(np.uint16)
            facts = {"mode": mode, "zero_mask": masked, "bias": 122 if mode is Mode.FIXED else 0}
            d = Descriptor(source=source, length=values, mantissa_bits=source.mantissa_bits, **facts)
            container = encode(bits, d)
            gck = pack(bits, **facts)
            if not (np.array_equal(decode(container).bits, bits) and np.array_equal(unpack(gck), bits)):
                raise SystemExit("the codec lost a value; its speed is of no interest")
            work = {
                "encode": lambda bits=bits, d=d: encode(bits, d),
                "decode": lambda container=container: decode(container),
                "measure": lambda bits=bits, d=d: measure(bits, d),
                "choose": lambda bits=bits, source=source, masked=masked: choose(bits, source, zero_mask=masked),
                "pack": lambda bits=bits, masked=masked: pack(bits, zero_mask=masked),
                "unpack": lambda gck=gck: unpack(gck),
            }
            row: dict[str, object] = {"source": source.name.lower(), "mode": mode.name.lower(), "zero_mask": masked}
            rows.append(row | {name: speed(run, values, repeat) for name, run in work.items()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=4_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = bench(args.values, args.repeat)
    slowest = min(min(row["encode"], row["decode"]) for row in rows if row["source"] == "bf16")
    if args.json:
        report = {"unit": "million values per second of CPU time, one core", "values": args.values, "rows": rows}
        command = f"python tests/bench/bench_gecko.py --values {args.values} --repeat {args.repeat} --json"
        print(to_json(report | {"goal": GOAL, "slowest_bf16": slowest}, command, seed=0), end="")
        return
    print("  ".join(f"{name:>9}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>9}" for value in row.values()))
    print(f"slowest BF16 way: {slowest} M values/s (goal {GOAL:.0f})")


if __name__ == "__main__":
    main()
