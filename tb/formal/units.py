"""Proofs about the output buffer and the arithmetic units: streams that keep their rules and never lock up.

Units are taken at small sizes: what is claimed of handshakes does not look at the numbers. Proofs are unbounded where
induction over ports alone closes; a unit that counts transfers is unrolled from reset instead, over several blocks.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from hdl.registry import make_config, make_unit
from hdl.stream import OutputBuffer
from tb.formal.handshake import Subject, handshake_proofs
from tb.formal.links import attach
from tb.formal.methods import Induction
from tb.formal.proof import Proof
from tb.formal.rules import check_order
from tb.formal.setup import Setup

__all__ = ["unit_proofs"]

_PAYLOAD = 8  # bits through the output buffer
_FORMAT = "bfp2x2e5"


def _unit(name: str, unit: str, options: dict[str, Any], **pace: Any) -> Subject:
    make = partial(make_unit, make_config(unit, format=_FORMAT, **options))
    return Subject(name=name, make=make, latency=make().latency, **pace)


def _subjects() -> Iterator[Subject]:
    yield Subject(name="output_buffer", make=partial(OutputBuffer, _PAYLOAD), latency=1)
    yield _unit("dot", "dot", {})
    yield _unit("dot_p3", "dot", {"pipeline": 3})
    yield _unit("dot_fixed_p0", "dot", {"result": "fixed", "pipeline": 0})
    yield _unit("dot_acc_k2", "dot", {"accumulate": "fp32", "contexts": 2}, marked=True)
    yield _unit("dot_fused", "dot", {"accumulate": "fused"}, marked=True)
    yield _unit("quantize", "quantize", {"source": "fp16"})
    yield _unit("quantize_l1", "quantize", {"source": "fp16", "lanes": 1}, group=2, refusals=2, bound=26)
    yield _unit("dequantize", "dequantize", {})
    yield _unit("dequantize_l1", "dequantize", {"lanes": 1}, refusals=2)
    yield _unit("tile", "tile", {}, group=2, marked=True, refusals=4, bound=26)


def unit_proofs() -> Iterator[Proof]:
    """Every proof of this file."""
    yield Proof(
        name="output_buffer.order",
        claim="every transfer comes out once, in order, unchanged; full and empty show in ready and valid",
        method=Induction(),
        design=_order,
        bugs=("transfer lost", "transfer doubled", "payload of the one before"),
    )
    for subject in _subjects():
        yield from handshake_proofs(subject)


def _order(bug: str | None) -> Setup:
    setup = Setup()
    at = "o" if bug == "transfer doubled" else "i"
    links = attach(setup, OutputBuffer(_PAYLOAD), {at: bug} if bug else None)
    check_order(setup, links["i"], links["o"], capacity=2)
    return setup
