"""Eight bit streams that are read together: beats in, fields out (gecko.md 8)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.bits import ones_below, rotate_right
from hdl.gecko.config import BEATS, LANES
from hdl.gecko.rows import lanes

__all__ = ["LaneUnpacker"]


class LaneUnpacker(wiring.Component):
    """Merge and rotate: the next `bits` bits of every lane, from the word at hand and then from the next beat.

    Takes a beat in the cycle in which its first bit is due. With `begins` a tensor of `beats` beats starts; bits beyond
    them are zero. After `last`, beats that are left are dropped, one a cycle, and nothing goes on until they are. `go`
    says that the field is there; a step is made with `enable`, `valid` and `go`. Bits of `field` above `bits` are
    arbitrary. `error` stays from the first field that lacks a beat to the end of the tensor, and tells of surplus beats
    with `last`.
    """

    def __init__(self, word_bits: int) -> None:
        self._word_bits = word_bits
        super().__init__(
            {
                "data": In(stream.Signature(data.StructLayout({"word": data.ArrayLayout(word_bits, LANES)}))),
                "enable": In(1),
                "valid": In(1),
                "begins": In(1),
                "beats": In(BEATS),
                "bits": In(range(word_bits + 1)),
                "last": In(1),
                "go": Out(1),
                "field": Out(lanes(word_bits)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        w = self._word_bits
        used = Signal(range(w + 1), init=w)  # bits of the word at hand; w: there is none
        total = Signal(range(2 * w + 1))  # used <= W and bits <= W
        needs, lacks = Signal(), Signal()
        left, stored, stored_after = Signal(BEATS), Signal(BEATS), Signal(BEATS)
        dropping, lacked = Signal(), Signal()
        from_next = Signal(w)
        takes = Signal()
        m.d.comb += [
            total.eq(used + self.bits),
            needs.eq(total > w),
            stored.eq(Mux(self.begins, self.beats, left)),
            lacks.eq(needs & ~stored.any()),
            stored_after.eq(stored - (needs & ~lacks)),
            from_next.eq(ones_below(used, w)),
            self.go.eq(~dropping & (~needs | lacks | self.data.valid)),
            takes.eq(needs & ~lacks),
            self.data.ready.eq(dropping | (self.enable & self.valid & takes)),
            self.error.eq((lacked & ~self.begins) | lacks | (self.last & stored_after.any())),
        ]
        moves = self.enable & self.valid & self.go
        for c in range(LANES):
            word = Signal(w, name=f"word_{c}", reset_less=True)
            coming, merged = Signal(w, name=f"coming_{c}"), Signal(w, name=f"merged_{c}")
            m.d.comb += [
                coming.eq(Mux(lacks, 0, self.data.p.word[c])),
                merged.eq((word & ~from_next) | (coming & from_next)),
                self.field[c].eq(rotate_right(m, merged, used[: (w - 1).bit_length()], name=f"field_{c}")),
            ]
            with m.If(moves & needs):
                m.d.sync += word.eq(coming)
        with m.If(dropping), m.If(self.data.valid):
            m.d.sync += [left.eq(left - 1), dropping.eq(left != 1)]
        with m.Elif(moves):
            m.d.sync += [
                used.eq(Mux(self.last, w, Mux(needs, total - w, total))),
                left.eq(stored_after),
                lacked.eq(self.error),
                dropping.eq(self.last & stored_after.any()),
            ]
        return m
