"""The decoder's data path, shared by `gecko_decoder` and `container_unpack`: row codes to exponent codes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.bits import ones_below
from hdl.gecko.config import DELTA, FIXED, LANES
from hdl.gecko.rows import UndoRow, lanes

__all__ = ["RowDecoder"]


class RowDecoder(wiring.Component):
    """Steps of a `RowSequencer` with their codes to exponents; masks and bases are kept for the rows that follow.

    Bits of a code above its width are ignored. Lanes without a value get 0, and so do masked ones. Combinational, but
    for the kept masks and bases; these change with `enable` only.
    """

    def __init__(self, step: data.StructLayout) -> None:
        super().__init__(
            {"enable": In(1), "step": In(step), "code": In(lanes(8)), "exponent": Out(lanes(8)), "present": Out(LANES)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.undo_row = undo = UndoRow()
        step, tensor = self.step, self.step.tensor
        within = Signal(8)
        m.d.comb += [
            within.eq(ones_below(step.width, 8)),
            self.present.eq(Cat(step.count > c for c in range(LANES))),
            undo.ne_minus_1.eq(tensor.ne_minus_1),
        ]
        for c in range(LANES):
            base, code = Signal(8, name=f"base_{c}", reset_less=True), Signal(8, name=f"code_{c}")
            zero = Signal(name=f"zero_{c}")
            m.d.comb += [
                code.eq(self.code[c] & within),
                undo.code[c].eq(code),
                undo.base[c].eq(Mux(tensor.mode == FIXED, tensor.bias, base)),
                self.exponent[c].eq(
                    Mux(zero | ~self.present[c], 0, Mux(step.coded, undo.exponent[c], code)),
                ),
            ]
            with m.If(self.enable & ~step.is_mask & (step.index == 0)):
                # A masked base acts as b, whatever is stored in its place.
                m.d.sync += base.eq(Mux(zero & (tensor.mode == DELTA), tensor.bias, code))
            if "zero_mask" in tensor.shape().members:
                mask = Signal(8, name=f"mask_{c}", reset_less=True)
                m.d.comb += zero.eq(step.masked & mask.bit_select(step.index, 1))
                with m.If(self.enable & step.is_mask):
                    m.d.sync += mask.eq(self.code[c])
        return m
