"""Eight bit streams that grow together: fields in, beats out (gecko.md 4, 7)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.bits import ones_below, rotate_left
from hdl.gecko.config import LANES
from hdl.gecko.rows import lanes

__all__ = ["LanePacker"]


class LanePacker(wiring.Component):
    """Rotate and merge: a field joins what waits in its lane; a word that is full leaves in the same cycle.

    Fields are zero above `bits`, which is 0..W for words of W bits. `last` ends a tensor: what is left over leaves as a
    beat filled with zeros, in the same cycle if the field did not complete a word, else in a cycle of its own,
    announced by `flushing`, in which no field is looked at. `beat_valid` says that `beat` leaves, `ends` that its
    tensor is done. Nothing moves without `enable`.
    """

    def __init__(self, word_bits: int) -> None:
        self._word_bits = word_bits
        super().__init__(
            {
                "enable": In(1),
                "valid": In(1),
                "field": In(lanes(word_bits)),
                "bits": In(range(word_bits + 1)),
                "last": In(1),
                "beat": Out(lanes(word_bits)),
                "beat_valid": Out(1),
                "ends": Out(1),
                "flushing": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        w = self._word_bits
        fill = Signal(range(w))
        total = Signal(range(2 * w))  # fill < W and bits <= W
        after = Signal(range(w))
        from_fill = Signal(w)  # where a lane's word is still free
        over = Signal()
        m.d.comb += [
            total.eq(fill + self.bits),
            over.eq(total >= w),
            after.eq(total),
            from_fill.eq(Mux(self.flushing, 0, ~ones_below(fill, w))),
            self.beat_valid.eq(self.flushing | (self.valid & (over | (self.last & total.any())))),
            self.ends.eq(self.flushing | (self.valid & self.last & ~(over & after.any()))),
        ]
        moves = self.enable & (self.valid | self.flushing)
        for c in range(LANES):
            waiting = Signal(w, name=f"waiting_{c}")
            turned = rotate_left(m, self.field[c], fill, name=f"field_{c}")
            m.d.comb += self.beat[c].eq(waiting | (turned & from_fill))
            with m.If(moves):
                m.d.sync += waiting.eq(Mux(over, turned & ~from_fill, self.beat[c]))
                with m.If(self.ends):
                    m.d.sync += waiting.eq(0)
        with m.If(moves):
            m.d.sync += [fill.eq(Mux(self.ends, 0, after)), self.flushing.eq(self.last & ~self.ends)]
        return m
