"""Metadata words on the encoder's side: the width fields of a group's rows, gathered as the rows go by."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import ROWS

__all__ = ["MetadataWriter"]


class MetadataWriter(wiring.Component):
    """`word` is the group's up to and with the row at hand; rows yet to come have field 0, as missing rows must."""

    def __init__(self) -> None:
        super().__init__({"enable": In(1), "index": In(range(ROWS)), "field": In(3), "word": Out(3 * ROWS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The last field never waits: its row closes the group.
        earlier = Signal(3 * (ROWS - 1), reset_less=True)
        m.d.comb += self.word.eq(Mux(self.index == 0, 0, earlier))
        with m.Switch(self.index):
            for r in range(ROWS):
                with m.Case(r):
                    m.d.comb += self.word[3 * r : 3 * r + 3].eq(self.field)
        with m.If(self.enable):
            m.d.sync += earlier.eq(self.word)
        return m
