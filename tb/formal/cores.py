"""Proofs that a fused dot-product core is the plain one, for every input, at sizes that a solver closes.

Beyond these sizes `python -m tb.core` compares each architecture with the golden model.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from amaranth.hdl import Signal, Value

from hdl.registry import make_config
from hdl.units.dot_core import DotCore, DotCoreConfig
from tb.formal.methods import Combinational
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["core_proofs"]

# Every way of making a heap: signs and magnitudes, Baugh-Wooley, Booth, shifted by exponents and, one product or more
# at once, by microexponents, and two's complement by signs and magnitudes, shifted or not.
_CORES: dict[str, dict[str, Any]] = {
    "magnitudes": {"format": "bfp3x3"},
    "unequal_magnitudes": {"format": "bfp2x3", "format_b": "bfp4x3"},
    "baugh_wooley": {"format": "bfp3x2", "encoding": "twos"},
    "booth": {"format": "bfp7x1", "encoding": "twos"},
    "e2m1": {"format": "mxfp4x1"},
    "two_bit_exponents": {"format": "bm_e2m2x1"},
    "exponents": {"format": "bm_e3m1x1"},
    "microexponents": {"format": "mx_m2_k2_2_d8_1"},
    "groups": {"format": "mx_m1_k4_2_d8_1"},
    "group_of_twos": {"format": "mx_m1_k2_2_d8_1", "format_b": "mxint8x2"},
    "microexponents_and_exponents": {"format": "mx_m1_k2_2_d8_1", "format_b": "mxfp4x2"},
    "mixed": {"format": "mxint8x1", "format_b": "bfp3x1"},
    "mixed_exponents": {"format": "mxint8x1", "format_b": "mxfp4x1"},
}

_BUGS = ("a sign is lost", "a product is lost", "the sum is wrong for one pair of operands")


def core_proofs() -> Iterator[Proof]:
    """Both architectures of every kind of heap."""
    for name, options in _CORES.items():
        for arch in ("area", "speed"):
            operands = make_config("dot_core", **options).describe().split(";")[0]
            yield Proof(
                name=f"dot_core_{arch}.{name}",
                claim=f"the sum is that of the plain core, {operands}",
                method=Combinational(),
                design=partial(_design, options, arch),
                bugs=_BUGS,
            )


def _design(options: dict[str, Any], arch: str, bug: str | None) -> Setup:
    setup = Setup()
    fused, plain = (_core(options, chosen) for chosen in (arch, "plain"))
    setup.m.submodules.fused, setup.m.submodules.plain = fused, plain
    a, b = (setup.free(name, Value.cast(getattr(plain, name)).shape()) for name in "ab")
    total = Signal.like(Value.cast(fused.sum), name="total")
    setup.m.d.comb += [
        Value.cast(plain.a).eq(a),
        Value.cast(plain.b).eq(b),
        Value.cast(fused.a).eq(a & ~(1 << _sign(fused)) if bug == "a sign is lost" else a),
        Value.cast(fused.b).eq(b & -(1 << _width(fused)) if bug == "a product is lost" else b),
        total.eq(
            fused.sum ^ ((a == 1) & (b == 1)) if bug == "the sum is wrong for one pair of operands" else fused.sum
        ),
    ]
    setup.check(total == plain.sum)
    return setup


def _core(options: dict[str, Any], arch: str) -> DotCore:
    config = make_config("dot_core", **options, arch=arch)
    assert isinstance(config, DotCoreConfig)
    return DotCore(config)


def _width(core: DotCore) -> int:
    return core.config.operands[1].element.bits


def _sign(core: DotCore) -> int:
    return core.config.operands[0].element.bits - 1
