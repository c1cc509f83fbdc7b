"""The converter that takes some values of a block per cycle."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO

from hdl.convert.peak import combine_peaks, find_peak
from hdl.layouts import block_layout
from hdl.stream import Pipeline
from hdl.units.quantize import QuantizeConfig
from hdl.units.unit import StreamUnit

__all__ = ["QuantizeSerial"]


class QuantizeSerial(StreamUnit[QuantizeConfig]):
    """`lanes` floats a cycle in, a packed block out after every `beats` transfers.

    The values of a block wait in a buffer of one block and one beat until its exponent is known; then they are rounded
    at the rate they came, while the next block fills in. Latency beats + pipeline + 1 cycles from a block's last
    transfer; throughput one transfer a cycle. A block that never gets its last values never comes out.
    """

    def __init__(self, config: QuantizeConfig) -> None:
        super().__init__(config, config.signature())

    @property
    def latency(self) -> int:
        """Rounding a block takes as many cycles as it took to come in."""
        return self.config.beats + self.config.pipeline + 1

    @property
    def rounding_points(self) -> list[str]:
        """Rounding of the mantissas."""
        return self.config.rounding_points

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, path = self.config, self.config.path()
        beats = config.beats
        enable = Signal()  # the rounding half moves; set by the output half, from registers alone

        # Collecting half: buffer the beat, keep the running peak, hand the block over with its last beat.
        beat_layout = self.i.p.shape()
        m.submodules.waiting = waiting = SyncFIFO(width=beat_layout.size, depth=beats + 1)
        arriving = Signal(range(beats))
        rounding = Signal()  # a block is being rounded
        leaving = Signal(range(beats))
        last_leaves = rounding & enable & (leaving == beats - 1)
        last_arrives = arriving == beats - 1
        m.d.comb += [
            self.i.ready.eq(waiting.w_rdy & (~last_arrives | ~rounding | last_leaves)),
            waiting.w_en.eq(self.i.valid & self.i.ready),
            waiting.w_data.eq(self.i.payload),
        ]

        values = list(self.i.p.value)
        beat_peak = find_peak(m, values, path.geometry, name="beat")
        running_peak = Signal.like(beat_peak, reset_less=True)
        peak = Signal.like(beat_peak, name="block_peak_so_far")
        m.d.comb += peak.eq(Mux(arriving == 0, beat_peak, combine_peaks(running_peak, beat_peak, path.geometry)))
        block_peak = Signal.like(beat_peak, reset_less=True)
        with m.If(rounding & enable):
            m.d.sync += leaving.eq(Mux(last_leaves, 0, leaving + 1))
            with m.If(last_leaves):
                m.d.sync += rounding.eq(0)
        with m.If(waiting.w_en):
            m.d.sync += [
                running_peak.eq(peak),
                arriving.eq(Mux(last_arrives, 0, arriving + 1)),
            ]
            with m.If(last_arrives):
                m.d.sync += [block_peak.eq(peak), rounding.eq(1)]

        # Rounding half: one beat a cycle through the lanes.
        m.d.comb += waiting.r_en.eq(rounding & enable)
        beat = data.View(beat_layout, waiting.r_data)
        pipe = Pipeline(m, cuts=("exponent", "aligned"), registers=config.pipeline, enable=enable, valid=rounding)
        stage = pipe.cut(
            "exponent",
            exponent=path.shared_exponent(m, block_peak),
            values=path.read(list(beat.value)),
            words=list(beat.random) if config.draws_from_port else [],
            last=leaving == beats - 1,
        )
        encoded = path.connect(m, pipe, enable, stage.values, stage.words, stage.exponent, last=stage.last)
        self._assemble(m, enable, pipe.valid, encoded)
        return m

    def _assemble(self, m: Module, enable: Signal, valid: Value, encoded: SimpleNamespace) -> None:
        """Shift beats together; the last one completes the output register, which must be free by then."""
        block = Signal(block_layout(self.config.operand), reset_less=True)
        full = Signal()
        m.d.comb += [
            self.o.payload.eq(block),
            self.o.valid.eq(full),
            enable.eq(~(full & valid & encoded.last)),
        ]
        with m.If(full & self.o.ready):
            m.d.sync += full.eq(0)
        whole = []
        for name in ("elements", "microexponents"):
            beat = Cat(getattr(encoded, name))
            earlier = Signal(len(beat) * (self.config.beats - 1), reset_less=True, name=f"earlier_{name}")
            whole.append(Cat(earlier, beat))
            with m.If(enable & valid):
                m.d.sync += earlier.eq(whole[-1][len(beat) :])
        with m.If(enable & valid & encoded.last):
            m.d.sync += [block.eq(Cat(*whole, encoded.exponent)), full.eq(1)]
