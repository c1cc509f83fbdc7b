"""The group buffer of the zero mask: a mask precedes the rows that it is made from (gecko.md 5)."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import FIXED, LANES, ROWS
from hdl.gecko.rows import lanes

__all__ = ["GroupBuffer", "present"]


def present(row: data.View) -> Cat:
    """Which lanes of a row hold a value."""
    return Cat(~row.last | (row.count > c) for c in range(LANES))


class GroupBuffer(wiring.Component):
    """Rows in; the same rows out once their group is complete, behind its mask if it has one.

    Items hold `exponent`, `count`, `last` and `tensor`; missing lanes hold 0. A mask leaves as an item with the lanes'
    masks for exponents. Nothing moves without `enable`. A mask takes a cycle of its own, in which no row comes in; rows
    of the next group fill in while those of this one leave. So a row of a full group leaves 8 cycles after it came, 9
    in a masked group.
    """

    def __init__(self, item: data.StructLayout) -> None:
        super().__init__(
            {
                "enable": In(1),
                "i": In(stream.Signature(item)),
                "valid": Out(1),
                "item": Out(item),
                "is_mask": Out(1),
                "masked": Out(1),
            }
        )
        self._item = item

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Never holds more than a whole group and the first row of the next one.
        m.submodules.waiting = waiting = SyncFIFO(width=self._item.size, depth=ROWS + 1)
        complete = Signal()  # a group waits for its first step
        draining = Signal()  # a group has begun to leave
        has_mask = Signal()  # the complete group does
        start = complete & ~draining

        # Arrivals: gather the mask, find the end of the group.
        row, arriving = self.i.p, Signal(range(ROWS))
        here = present(row)
        zeros = Cat(here[c] & (row.exponent[c] == 0) & row.tensor.zero_mask for c in range(LANES))
        masks = Signal(lanes(ROWS), reset_less=True)
        gathered = Signal(lanes(ROWS))
        for c in range(LANES):
            m.d.comb += gathered[c].eq(Mux(arriving == 0, 0, masks[c]) | (zeros[c] << arriving))
        closes = row.last | (arriving == ROWS - 1)
        m.d.comb += [
            # Not beside a mask that leaves, and not while a complete group waits for the one before to be gone.
            self.i.ready.eq(self.enable & ~(complete & (draining | has_mask))),
            waiting.w_en.eq(self.i.valid & self.i.ready),
            waiting.w_data.eq(self.i.payload),
        ]
        with m.If(self.enable & start):
            m.d.sync += complete.eq(0)
        with m.If(waiting.w_en):
            m.d.sync += [masks.eq(gathered), arriving.eq(Mux(closes, 0, arriving + 1))]
            with m.If(closes):
                exists = (arriving != 0) | here[0]
                every = row.tensor.zero_mask & (row.tensor.mode == FIXED) & exists
                m.d.sync += [complete.eq(1), has_mask.eq(every | gathered.as_value().any())]

        # Departures: the mask, then row by row until the group is gone.
        leaving, masked = Signal(range(ROWS)), Signal()
        item = data.View(self._item, waiting.r_data)
        gone = item.last | (leaving == ROWS - 1)
        m.d.comb += self.item.eq(item)
        with m.If(self.is_mask):
            m.d.comb += [self.item.exponent.eq(masks), self.item.count.eq(LANES), self.item.last.eq(0)]
            if "tail" in self._item.members:
                m.d.comb += self.item.tail.eq(0)
            if "errors" in self._item.members:
                m.d.comb += self.item.errors.eq(0)  # its row tells
        m.d.comb += [
            self.is_mask.eq(start & has_mask),
            self.masked.eq(draining & masked),
            self.valid.eq(start | draining),
            waiting.r_en.eq(self.enable & self.valid & ~self.is_mask),
        ]
        with m.If(self.enable & self.is_mask):
            m.d.sync += [draining.eq(1), masked.eq(1)]
        with m.If(waiting.r_en):
            m.d.sync += [leaving.eq(Mux(gone, 0, leaving + 1)), draining.eq(~gone)]
            with m.If(gone):
                m.d.sync += masked.eq(0)
        return m
