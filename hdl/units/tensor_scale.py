"""What two-level scaling adds to a dot product: the product of the tensors' FP32 scales, and the sum times it."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.float.multiply import MultiplyFloat
from hdl.float.raw import FP32

__all__ = ["ScaleTotal", "tensor_scale"]


def tensor_scale(m: Module, scales: list[data.View]) -> data.View:
    """The tensors' scales as one: the only one there is, or the product of two, rounded to FP32 (formats.md 4)."""
    if len(scales) == 1:
        return scales[0]
    m.submodules.tensor_scale = multiply = MultiplyFloat()
    m.d.comb += [multiply.a.eq(scales[0]), multiply.b.eq(scales[1])]
    return multiply.value


class ScaleTotal(wiring.Component):
    """A sum times the tensors' scale, one FP32 multiplication (RNE), behind a register of its own.

    `total` comes `delay` enabled cycles after `scale`. Latency 1 enabled cycle; throughput one a cycle.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        super().__init__(
            {
                "enable": In(1),
                "scale": In(FP32),
                "i_valid": In(1),
                "total": In(FP32),
                "o_valid": Out(1),
                "value": Out(FP32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiply = multiply = MultiplyFloat()
        total, valid = Signal(FP32, reset_less=True), Signal()
        scale: Value = self.scale.as_value()
        with m.If(self.enable):
            m.d.sync += [total.eq(self.total), valid.eq(self.i_valid)]
            for k in range(self._delay + 1):
                waiting = Signal(FP32.size, name=f"scale_{k}", reset_less=True)
                m.d.sync += waiting.eq(scale)
                scale = waiting
        m.d.comb += [
            multiply.a.eq(total),
            multiply.b.as_value().eq(scale),
            self.value.eq(multiply.value),
            self.o_valid.eq(valid),
        ]
        return m
