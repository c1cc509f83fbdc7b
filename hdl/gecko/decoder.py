"""Decoder of bare exponents: metadata words and row codes in, rows out."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import LANES, METADATA, RowConfig, row_layout, tensor_layout
from hdl.gecko.decode import RowDecoder
from hdl.gecko.rows import lanes
from hdl.gecko.sequence import RowSequencer
from hdl.stream import OutputBuffer, Pipeline, registers_at
from hdl.units.unit import StreamUnit

__all__ = ["GeckoDecoder", "GeckoDecoderConfig"]

_CUTS = ("exponent", "step")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeckoDecoderConfig(RowConfig):
    """Options of the exponent decoder."""

    unit: ClassVar[str] = "gecko_decoder"

    def describe(self) -> str:
        """Masks, tail and stages in one line."""
        return self._describe("Gecko row codes to exponents" + (f" with {self.tail}-bit tails" if self.tail else ""))


class GeckoDecoder(StreamUnit[GeckoDecoderConfig]):
    """Metadata words and row codes in, rows of exponent codes out (gecko.md 3, 5).

    Streams (docs/gecko-ports.md): `tensor` (length, ne, mode, bias, zero_mask), one item per tensor; `meta` words; `i`
    row codes, masks among them; `o` rows with a sticky `error`. Whatever the metadata say, a tensor takes
    ceil(length/64) words (raw: none) and gives ceil(length/8) rows, one if it is empty. One row a cycle, a masked group
    takes nine. Latency 2 cycles from a row's code to the row, with the default two pipeline stages.
    """

    def __init__(self, config: GeckoDecoderConfig) -> None:
        members: dict[str, object] = {"code": lanes(8)} | ({"tail": lanes(config.tail)} if config.tail else {})
        self._tensor, self._row = tensor_layout(config, length=True), row_layout(config.tail, error=1)
        super().__init__(
            config,
            {
                "tensor": In(stream.Signature(self._tensor)),
                "meta": In(stream.Signature(METADATA)),
                "i": In(stream.Signature(data.StructLayout(members))),
                "o": Out(stream.Signature(self._row)),
            },
        )

    @property
    def latency(self) -> int:
        """From a row's code to the row."""
        return registers_at(_CUTS, self.config.pipeline)["exponent"] + 1

    @property
    def throughput(self) -> dict[str, int]:
        """Transfers of `i`; masks are among them."""
        return {"transfers": 1, "cycles": 1}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._row)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        m.submodules.sequencer = sequencer = RowSequencer(self.config)
        wiring.connect(m, wiring.flipped(self.tensor), sequencer.tensor)
        wiring.connect(m, wiring.flipped(self.meta), sequencer.meta)

        # A step waits for its code.
        moves, registers = Signal(), self.config.pipeline
        front = Pipeline(m, cuts=_CUTS, registers=registers, enable=moves, valid=sequencer.o.valid)
        step = front.cut("step", step=sequencer.o.payload).step
        complete = front.valid & (self.i.valid | ~step.exists)
        m.d.comb += [
            moves.eq(enable & (complete | ~front.valid)),
            sequencer.o.ready.eq(moves),
            self.i.ready.eq(enable & front.valid & step.exists),
        ]

        m.submodules.decoder = decoder = RowDecoder(step.shape())
        m.d.comb += [decoder.enable.eq(enable & complete), decoder.step.eq(step), decoder.code.eq(self.i.p.code)]
        tails = [Mux(decoder.present[c], self.i.p.tail[c], 0) for c in range(LANES)] if self.config.tail else []
        back = Pipeline(m, cuts=_CUTS, registers=registers, enable=enable, valid=complete & ~step.is_mask)
        marks = {name: getattr(step, name) for name in ("count", "last", "error")}
        row = back.cut("exponent", exponent=decoder.exponent, tail=tails, **marks)
        m.d.comb += [
            buffer.i.p.exponent.eq(row.exponent),
            *[buffer.i.p.tail[c].eq(tail) for c, tail in enumerate(row.tail)],
            *[buffer.i.p[name].eq(getattr(row, name)) for name in marks],
            buffer.i.valid.eq(back.valid),
        ]
        return m
