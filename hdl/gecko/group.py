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

    Items hold `exponent`, `count`, `last` and `tensor`; missing lanes hold 0. A mask leaves in the cycle in which the
    last row of its group comes, as an item without end, and its lanes' masks in `mask`; all that it leaves open is
    `exponent` and `tensor`. Without a mask row 0 leaves in that cycle, unless it is the group's only row. Nothing moves
    without `enable`. Rows of the next group fill in while those of this one leave; a group of eight rows and a mask
    fills the buffer, which takes nothing in the cycle after. So at full rate a row of a full group leaves 7 cycles
    after it came, 8 in a masked group.
    """

    def __init__(self, item: data.StructLayout) -> None:
        super().__init__(
            {
                "enable": In(1),
                "i": In(stream.Signature(item)),
                "valid": Out(1),
                "item": Out(item),
                "is_mask": Out(1),
                "mask": Out(lanes(ROWS)),
                "masked": Out(1),
            }
        )
        self._item = item

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # What has come of the next group and what is left of the one that leaves are never more than eight rows.
        m.submodules.waiting = waiting = SyncFIFO(width=self._item.size, depth=ROWS)
        held, held_has_mask = Signal(), Signal()  # a complete group waits for the one before to be gone
        draining, masked = Signal(), Signal()  # a group has begun to leave
        start, begun = Signal(), self.enable & self.valid

        # Arrivals: gather the mask, find the end of the group.
        row, arriving = self.i.p, Signal(range(ROWS))
        here = present(row)
        zeros = Cat(here[c] & (row.exponent[c] == 0) & row.tensor.zero_mask for c in range(LANES))
        masks = Signal(lanes(ROWS), reset_less=True)
        gathered = Signal(lanes(ROWS))
        for c in range(LANES):
            m.d.comb += gathered[c].eq(Mux(arriving == 0, 0, masks[c]) | (zeros[c] << arriving))
        exists = (arriving != 0) | here[0]
        every = row.tensor.zero_mask & (row.tensor.mode == FIXED) & exists
        completes, has_mask = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(self.enable & waiting.w_rdy & ~(held & draining)),
            waiting.w_en.eq(self.i.valid & self.i.ready),
            waiting.w_data.eq(self.i.payload),
            completes.eq(waiting.w_en & (row.last | (arriving == ROWS - 1))),
            has_mask.eq(every | gathered.as_value().any()),
        ]
        with m.If(waiting.w_en):
            m.d.sync += [masks.eq(gathered), arriving.eq(Mux(completes, 0, arriving + 1))]

        # A group starts to leave: one that is held, or the one that completes now; a lone row is not readable yet.
        starts_now = completes & ~held & (has_mask | (arriving != 0))
        m.d.comb += [
            start.eq(~draining & (held | starts_now)),
            self.is_mask.eq(start & Mux(held, held_has_mask, has_mask)),
            self.mask.eq(Mux(held, masks, gathered)),
        ]
        with m.If(completes & ~(start & ~held)):
            m.d.sync += [held.eq(1), held_has_mask.eq(has_mask)]
        with m.Elif(begun & start):
            m.d.sync += held.eq(0)

        # Departures: the mask, then row by row until the group is gone.
        leaving = Signal(range(ROWS))
        item = data.View(self._item, waiting.r_data)
        gone = item.last | (leaving == ROWS - 1)
        m.d.comb += self.item.eq(item)
        with m.If(self.is_mask):
            m.d.comb += [self.item.count.eq(LANES), self.item.last.eq(0)]
            if "tail" in self._item.members:
                m.d.comb += self.item.tail.eq(0)
            if "errors" in self._item.members:
                m.d.comb += self.item.errors.eq(0)  # its row tells
        m.d.comb += [
            self.masked.eq(draining & masked),
            self.valid.eq(start | draining),
            waiting.r_en.eq(begun & ~self.is_mask),
        ]
        with m.If(begun & self.is_mask):
            m.d.sync += [draining.eq(1), masked.eq(1)]
        with m.If(waiting.r_en):
            m.d.sync += [leaving.eq(Mux(gone, 0, leaving + 1)), draining.eq(~gone)]
            with m.If(gone):
                m.d.sync += masked.eq(0)
        return m
