"""Rate of bulk simulation: `python tests/bench/bench_bulk.py [--json FILE]`, vectors a second on one and two cores.

Goal for the plain 64-lane dot product: 2 M vectors a second on one core, 4 M on two. Trees simulate far slower.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hdl.emit import emit
from hdl.registry import make_config
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.manifest import Manifest
from tb.stimulus import random_batch

UNITS = [  # (unit, options)
    *(("dot", {"format": "bfp4x64", "arch": arch}) for arch in ("plain", "area", "speed")),
    ("dot", {"format": "bfp8x64", "arch": "plain"}),
    ("dot", {"format": "bfp4x256", "arch": "plain"}),
]


def best(work, repeats=5):
    """Shortest of several runs: other work on the machine only ever adds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(unit, options, vectors):
    out = emit(make_config(unit, **options))
    manifest = Manifest.from_dict(out.manifest)
    model = build_bulk(out.verilog, manifest)
    batch = random_batch(manifest.config, vectors, np.random.default_rng(1))
    payload = manifest.streams["i"].payload
    count = len(next(iter(batch.values())))
    with Bulk(model) as first, Bulk(model, initial_seed=2) as second:
        rows = payload.pack(batch)

        def two():
            threads = [threading.Thread(target=u.run_rows, args=({"i": rows}, {"o": count})) for u in (first, second)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()

        lanes = sum(g.lanes for g in payload.groups.values())
        million = count / 1e6
        return {
            "unit": manifest.top,
            "vectors": count,
            "build_seconds": round(model.seconds, 3),
            "one_core_million_per_second": round(million / best(lambda: first.run_rows({"i": rows}, {"o": count})), 3),
            "two_cores_million_per_second": round(2 * million / best(two), 3),
            "stalled_million_per_second": round(
                million / best(lambda: first.run_rows({"i": rows}, {"o": count}, stall=0.3)), 3
            ),
            "with_packing_million_per_second": round(million / best(lambda: first.run({"i": batch}, {"o": count})), 3),
            "packing_million_lanes_per_second": round(million * lanes / best(lambda: payload.pack(batch)), 1),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=int, default=200_000, help="per run (default 200000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    options = parser.parse_args()
    records = []
    for unit, config in UNITS:
        print(f"{unit} {config['format']} ...", file=sys.stderr)
        records.append(measure(unit, config, options.vectors))
        print(json.dumps(records[-1]))
    if options.json:
        options.json.write_text(json.dumps({"schema": "narrowgauge-bench-bulk-1", "records": records}, indent=1) + "\n")


if __name__ == "__main__":
    main()
