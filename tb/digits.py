"""`python -m tb.digits`: real tensors of a small classifier through quantise -> dot -> accumulate -> dequantise RTL.

The Verilated units are chained: what the converter gives, bit for bit, is what the dot product takes. Every block, sum
and value is compared with the golden model, for the three products of training and for the classification of held-out
digits. Bias and ReLU stay in FP32, the same NumPy for both.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.catalog import get_format
from hdl.registry import make_config
from tb.chain import Arithmetic, Chain, Compared, Difference, Golden
from tb.command import add_record, command_parser, run_command, speaker, spelt
from tb.regression import Outcome
from tb.report import provenance, write_json

__all__ = ["DATA", "FORMATS", "classify", "describe", "digits_outcome", "main", "run_format"]

DATA = Path(__file__).parent.parent / "tests" / "data" / "digits.npz"
FORMATS = ("bfp4x16", "bfp8x16")  # four blocks to a sum: the accumulator has something to do
LAYERS = (1, 2, 3)

Floats = NDArray[np.float32]


def training_products(tensors: dict[str, NDArray[Any]], arithmetic: Arithmetic, at: Callable[[str], None]) -> None:
    """Forward, data-gradient and weight-gradient product of each layer; each result goes to blocks and back."""
    for layer in LAYERS:
        x, w, g = (tensors[f"{name}{layer}"] for name in "xwg")
        for name, a, b in (("x w", x, w), ("g w", g, w.T), ("g x", g.T, x.T)):
            at(f"layer {layer}, {name}")
            sums = arithmetic.product(arithmetic.quantize(_rows(a)), arithmetic.quantize(_rows(b)))
            arithmetic.dequantize(arithmetic.quantize(sums))


def _rows(x: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(x, np.float32)


def classify(tensors: dict[str, NDArray[Any]], product: Callable[[Floats, Floats], Floats]) -> int:
    """How many of the held-out digits are recognised with this product of activations (n, K) and weights (n', K)."""
    x = tensors["test_images"]
    for layer in LAYERS:
        logits = product(x, tensors[f"w{layer}"]) + tensors[f"b{layer}"]
        x = np.maximum(logits, np.float32(0))
    return int((logits.argmax(axis=1) == tensors["test_labels"]).sum())


def run_format(
    name: str, tensors: dict[str, NDArray[Any]], say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Everything for one format; raises Difference at the first bit that differs. Counts are digits recognised."""
    chain, reference = Chain(name), Golden(name)
    compared = Compared(chain, reference)

    def at(where: str) -> None:
        compared.where = f"{name}, {where}"
        say(compared.where)

    training_products(tensors, compared, at)
    at("classification")
    return {
        "format": name,
        "images": len(tensors["test_images"]),
        "correct_fp32": classify(tensors, lambda x, w: x @ w.T),
        "correct_golden": classify(tensors, _product(reference)),
        "correct_rtl": classify(tensors, _product(compared)),
        "bits_compared": compared.bits,
        "transfers": dict(chain.passed),
    }


def digits_outcome(name: str, say: Callable[[str], None] = lambda _: None) -> tuple[Outcome, dict[str, Any] | None]:
    """`run_format` on the tree's own tensors, as one entry of the regression, and its result if every bit agreed."""
    with np.load(DATA) as file:
        tensors = dict(file)
    start, result, failure = time.perf_counter(), None, ""
    try:
        result = run_format(name, tensors, say)
    except Difference as error:
        failure = str(error)
    if result and result["correct_rtl"] != result["correct_golden"]:
        failure = f"RTL recognises {result['correct_rtl']} digits, the golden model {result['correct_golden']}"
    outcome = Outcome(
        name=f"digits_{name}",
        config={"format": name},
        unit_sha256="",  # several units
        vectors=sum(result["transfers"].values()) if result else 0,
        testpoints={},
        cycles=0,
        build_seconds=0.0,
        run_seconds=time.perf_counter() - start,
        built=False,
        seed=0,
        passed=not failure,
        tests={"real tensors": failure},
        log="",
    )
    return outcome, result


def _product(arithmetic: Arithmetic) -> Callable[[Floats, Floats], Floats]:
    return lambda x, w: arithmetic.product(arithmetic.quantize(x), arithmetic.quantize(w))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every bit agrees, 1 if not, 2 for a usage error, 3 for a missing or failing tool."""
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    parser = command_parser("tb.digits", __doc__)
    parser.add_argument("--format", action="append", metavar="F", help=f"format (default {' and '.join(FORMATS)})")
    parser.add_argument(
        "--data", type=Path, default=DATA, metavar="NPZ", help="tensors (default tests/data/digits.npz)"
    )
    add_record(parser)
    options = parser.parse_args(words)
    if not options.data.is_file():
        parser.error(f"--data {options.data}: no such file")
    with np.load(options.data) as file:
        tensors = dict(file)
    formats = options.format or FORMATS
    for name in formats:
        make_config(unit="dot", format=name)  # a wrong name costs no minutes
        if get_format(name).tensor_scale:
            parser.error(f"--format {name}: a format without a tensor scale")
    results = []
    try:
        for name in formats:
            results.append(run_format(name, tensors, speaker(options.quiet)))
            print(describe(results[-1]))
    except Difference as error:
        print(f"MISMATCH: {error}", file=sys.stderr)
        return 1
    if options.json:
        head = {"schema": "narrowgauge-digits-1", **provenance(spelt("tb.digits", words))}
        write_json(options.json, head | {"formats": results})
    return 0


def describe(result: dict[str, Any]) -> str:
    """Recognition rates and what was compared, in one line."""
    images = result["images"]
    rates = ", ".join(
        f"{label} {result[key]}/{images} ({100 * result[key] / images:.1f} %)"
        for label, key in (("FP32", "correct_fp32"), ("golden", "correct_golden"), ("RTL", "correct_rtl"))
    )
    return f"{result['format']}: {rates}; {result['bits_compared']:,} bits compared, all equal"


if __name__ == "__main__":
    sys.exit(main())
