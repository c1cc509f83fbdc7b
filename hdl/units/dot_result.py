"""From the exact sum of a transfer to the result of a dot product: fixed point, FP32, or accumulated FP32."""

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hdl.float.accumulate import Accumulate
from hdl.float.raw import GUARDED, FixedToRaw, unpack_float
from hdl.float.round import RoundFloat
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.tensor_scale import ScaleTotal

__all__ = ["give_fixed", "give_fp32"]


def give_fixed(m: Module, pipe: Pipeline, buffer: OutputBuffer, stage: SimpleNamespace) -> None:
    """Sum, exponent of its LSB and poison as they are; zeros under poison. Cut "normalized"."""
    stage = pipe.cut("normalized", **vars(stage))
    total = Signal.like(stage.total, name="sum")
    exponent = Signal.like(stage.exponent, name="exponent")
    m.d.comb += [
        total.eq(Mux(stage.poison, 0, stage.total)),
        exponent.eq(Mux(stage.poison, 0, stage.exponent)),
        buffer.i.payload.eq(Cat(total, exponent, stage.poison)),
        buffer.i.valid.eq(pipe.valid),
    ]


def give_fp32(
    m: Module,
    pipe: Pipeline,
    buffer: OutputBuffer,
    stage: SimpleNamespace,
    *,
    exponents: range,
    accumulate: str,
    contexts: int,
) -> None:
    """The sum in FP32, alone or accumulated in so many contexts. Cuts "normalized" and, accumulating, "addend"."""
    magnitude = Signal(len(stage.total) - 1)  # |sum| fits beside the sign: the sum cannot be the lowest code
    m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), exponents)
    m.d.comb += [
        magnitude.eq(Mux(stage.total < 0, -stage.total, stage.total)),
        to_raw.magnitude.eq(magnitude),
        to_raw.exponent.eq(stage.exponent),
    ]
    marks = {name: getattr(stage, name) for name in ("first", "last", "tensor_scale") if hasattr(stage, name)}
    stage = pipe.cut(
        "normalized",
        sign=Mux(stage.infinity, stage.infinity_sign, stage.total < 0),
        infinity=stage.infinity,
        significand=to_raw.significand,
        biased=to_raw.biased,
        nan=stage.poison,
        **marks,
    )
    if accumulate == "fused":
        _accumulate(m, pipe, buffer, contexts, **vars(pipe.cut("addend", **vars(stage))))
        return

    m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
    m.d.comb += [
        getattr(rounder, k).eq(getattr(stage, k)) for k in ("sign", "biased", "significand", "infinity", "nan")
    ]
    if accumulate == "none":
        m.d.comb += [buffer.i.p.value.eq(rounder.value), buffer.i.valid.eq(pipe.valid)]
        return
    stage = pipe.cut("addend", value=rounder.value, **{name: getattr(stage, name) for name in marks})
    addend = vars(unpack_float(m, stage.value, name="addend"))
    addend["significand"] = Cat(Const(0, GUARDED), addend["significand"])
    _accumulate(m, pipe, buffer, contexts, **{name: getattr(stage, name) for name in marks}, **addend)


def _accumulate(
    m: Module,
    pipe: Pipeline,
    buffer: OutputBuffer,
    contexts: int,
    *,
    tensor_scale: Value | None = None,
    **addend: Value,
) -> None:
    m.submodules.accumulate = accumulate = Accumulate(len(addend["significand"]), len(addend["biased"]), contexts)
    m.d.comb += [getattr(accumulate, name).eq(value) for name, value in addend.items()]
    m.d.comb += [accumulate.enable.eq(buffer.i.ready), accumulate.i_valid.eq(pipe.valid)]
    total: Any = accumulate
    if tensor_scale is not None:
        m.submodules.scale_total = total = ScaleTotal(delay=contexts - 1)
        m.d.comb += [
            total.enable.eq(buffer.i.ready),
            total.scale.as_value().eq(tensor_scale),
            total.i_valid.eq(accumulate.o_valid),
            total.total.eq(accumulate.value),
        ]
    m.d.comb += [buffer.i.p.value.eq(total.value), buffer.i.valid.eq(total.o_valid)]
