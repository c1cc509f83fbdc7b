"""Time and memory of one training step, side by side in one run: own FP32, narrow formats, PyTorch where installed.

    python tests/bench/bench_training.py [--models lenet5,resnet8] [--contenders fp32,torch,hbfp4,mx6] [--batch N]
                                         [--repeat N] [--json]

One thread. Forward, loss, backward, SGD with Nesterov momentum and weight decay, on seeded Gaussian images (28x28x1 for
LeNet-5, 32x32x3 for ResNet-8, 10 classes). Steps of the contenders alternate; each one's figures are the least and the
median CPU time of a step, so that a busy neighbour counts little. `peak_mb` is the largest total of NumPy's arrays
during a step above what the model holds between steps (not measured for PyTorch). PyTorch gets our weights, and a run
stops if its first losses are not ours. `over_torch` is against the faster of its memory orders. Goal: at most 2.

Contenders named after a format compute every product in its blocks, with the bits of the hardware; `over_fp32` is then
the price of emulation; `hbfp4_im2col` and `hbfp4_tile2d` are HBFP4 in these orders. Goals on LeNet-5: BFP at most 2.5,
MX formats at most 4, memory at most 3 times that of fp32; the two orders have no goal for time.
"""

import argparse
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads

import numpy as np

from golden.nn.layer import Layer
from golden.nn.loss import CrossEntropy
from golden.nn.models import build
from golden.nn.optimiser import SGD
from golden.nn.precision import Precision
from golden.nn.products import quantise
from golden.provenance import to_json

SHAPES = {"lenet5": (28, 28, 1), "resnet8": (32, 32, 3), "lenet300": (28, 28, 1)}
CLASSES, RATE, DECAY = 10, 0.01, 1e-4
GOAL = 2.0  # times PyTorch
FORMATS = ("hbfp4", "hbfp8", "mx9", "mx6", "mxint8", "mxfp4", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2")
EMULATION_GOALS = {name: 2.5 if name.startswith("hbfp") else 4.0 for name in FORMATS}  # times own FP32, on LeNet-5
Step = Callable[[], float]  # one training step -> its loss


def own(name: str, x: np.ndarray, y: np.ndarray, prepare: Callable[[Layer], object] = lambda model: None) -> Step:
    """Our step; `prepare` may change the model's products."""
    model = build(name, x.shape[1:], CLASSES, seed=0)
    prepare(model)
    loss, optimiser = CrossEntropy(), SGD(model.parameters(), weight_decay=DECAY)

    def step() -> float:
        value = loss.forward(model.forward(x, training=True), y)
        model.backward(loss.backward())
        optimiser.step(RATE)
        return value

    return step


def pytorch(name: str, x: np.ndarray, y: np.ndarray, channels_last: bool) -> Step:
    """The same model and step in PyTorch, from the same weights."""
    import torch
    from torch_models import torch_model

    torch.set_num_threads(1)
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = torch_model(name, build(name, x.shape[1:], CLASSES, seed=0)).to(memory_format=order)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=order)
    labels = torch.from_numpy(y)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True)

    def step() -> float:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


CONTENDERS: dict[str, Callable[[str, np.ndarray, np.ndarray], Step]] = {
    "fp32": own,
    "torch": lambda name, x, y: pytorch(name, x, y, channels_last=False),
    "torch_nhwc": lambda name, x, y: pytorch(name, x, y, channels_last=True),
}
CONTENDERS |= {name: partial(own, prepare=partial(quantise, precision=Precision.named(name))) for name in FORMATS}
CONTENDERS |= {
    f"hbfp4_{order}": partial(own, prepare=partial(quantise, precision=Precision.named("hbfp4", order=order)))
    for order in ("im2col", "tile2d")
}

PYTORCH = {"torch", "torch_nhwc"}


def peak_megabytes(step: Step) -> float:
    """Largest total of NumPy's allocations during a step."""
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / 1e6, 1)


def bench(name: str, contenders: list[str], batch: int, repeat: int) -> list[dict[str, object]]:
    """One row per contender; PyTorch's are left out where it is not installed."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *SHAPES[name])).astype(np.float32)
    y = rng.integers(0, CLASSES, batch)
    steps: dict[str, Step] = {}
    for contender in contenders:
        try:
            steps[contender] = CONTENDERS[contender](name, x, y)
        except ImportError as missing:
            print(f"{contender} left out: {missing}", file=sys.stderr)
    losses = {contender: [step() for _ in range(2)] for contender, step in steps.items()}
    for contender in PYTORCH & losses.keys():
        if not np.allclose(losses[contender], losses["fp32"], rtol=1e-4):
            raise SystemExit(f"{contender} computes something else: {losses[contender]}, ours {losses['fp32']}")
    times: dict[str, list[float]] = {contender: [] for contender in steps}
    for _ in range(repeat):
        for contender, step in steps.items():
            start = time.process_time()
            step()
            times[contender].append((time.process_time() - start) * 1e3)
    medians = {contender: median(values) for contender, values in times.items()}
    pytorch_ms = min((medians[contender] for contender in PYTORCH & medians.keys()), default=None)
    return [
        {
            "model": name,
            "contender": contender,
            "least_ms": round(min(values), 1),
            "median_ms": round(medians[contender], 1),
            "over_fp32": round(medians[contender] / medians["fp32"], 2),
            "over_torch": round(medians[contender] / pytorch_ms, 2) if pytorch_ms else None,
            "peak_mb": None if contender in PYTORCH else peak_megabytes(steps[contender]),
        }
        for contender, values in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="lenet5,resnet8")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    contenders, models = args.contenders.split(","), args.models.split(",")
    for given, known in ((contenders, CONTENDERS), (models, SHAPES)):
        if not set(given) <= set(known):
            parser.error(f"{', '.join(given)}: only {', '.join(known)} are known")
    if "fp32" not in contenders:
        parser.error("--contenders: fp32 is what the others are compared with")
    rows = [row for name in models for row in bench(name, contenders, args.batch, args.repeat)]
    if args.json:
        command = (
            f"python tests/bench/bench_training.py --models {args.models} --contenders {args.contenders}"
            f" --batch {args.batch} --repeat {args.repeat} --json"
        )
        unit = "ms of CPU time per step, one thread; MB = 10^6 bytes"
        print(
            to_json(
                {
                    "unit": unit,
                    "batch": args.batch,
                    "goal_over_torch": GOAL,
                    "goals_over_fp32": EMULATION_GOALS,
                    "rows": rows,
                },
                command,
                seed=0,
            )
        )
        return
    print("  ".join(f"{name:>10}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>10}" for value in row.values()))


if __name__ == "__main__":
    main()
