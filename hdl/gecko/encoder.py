"""Encoder of bare exponents: rows in, row codes and metadata words out."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import COUNT, LANES, METADATA, RowConfig, row_layout, tensor_layout
from hdl.gecko.encode import RowCoder, RowEncoder, RowSource
from hdl.gecko.rows import lanes
from hdl.gecko.tensor import illegal
from hdl.stream import OutputBuffer, Pipeline

__all__ = ["GeckoEncoder", "GeckoEncoderConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeckoEncoderConfig(RowConfig):
    """Options of the exponent encoder."""

    unit: ClassVar[str] = "gecko_encoder"

    def describe(self) -> str:
        """Masks, tail and stages in one line."""
        return self._describe("Gecko row codes of exponents" + (f" with {self.tail}-bit tails" if self.tail else ""))


class GeckoEncoder(RowCoder[GeckoEncoderConfig]):
    """Rows of exponent codes in, row codes with their widths and one metadata word a group out (gecko.md 2, 3, 5).

    Streams (docs/gecko-ports.md): `tensor` (ne, mode, bias, zero_mask), one item before the first row of each tensor;
    `i` rows; `o` row codes; `meta`, a word with the last row of its group. Lossless; `error` marks the rows of a
    tensor whose facts are illegal. One row a cycle. Latency pipeline + 1 cycles. With zero masks a group waits for its
    last row, from which it is then pipeline + 1 cycles to the first output, 1 more if that is a lone row. At full rate
    a row's code leaves pipeline + 8 cycles after the row came, in a masked group pipeline + 9; such a group takes nine
    cycles. A short group holds up the next tensor until the group before it is gone, 7 cycles at most.
    """

    def __init__(self, config: GeckoEncoderConfig) -> None:
        members: dict[str, object] = {"code": lanes(8)}
        if config.tail:
            members["tail"] = lanes(config.tail)
        members["width"] = range(9)
        if config.masked:
            members["mask"] = 1
        members["error"] = 1
        self._tensor, self._row = tensor_layout(config), row_layout(config.tail)
        self._coded = data.StructLayout(members | {"count": COUNT, "last": 1})
        super().__init__(
            config,
            {
                "tensor": In(stream.Signature(self._tensor)),
                "i": In(stream.Signature(self._row)),
                "o": Out(stream.Signature(self._coded)),
                "meta": Out(stream.Signature(METADATA)),
            },
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._coded)
        m.submodules.words = words = OutputBuffer(METADATA)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        wiring.connect(m, words.o, wiring.flipped(self.meta))
        enable = buffer.i.ready & words.i.ready

        m.submodules.source = source = RowSource(self.config, self._tensor, self._row)
        wiring.connect(m, wiring.flipped(self.tensor), source.tensor)
        wiring.connect(m, wiring.flipped(self.i), source.i)
        m.d.comb += source.enable.eq(enable)
        pipe = Pipeline(
            m, cuts=("difference", "code"), registers=self.config.pipeline, enable=enable, valid=source.valid
        )
        tails = [source.item.tail[c] for c in range(LANES)] if self.config.tail else []
        along = {"tail": tails, "count": source.item.count, "error": illegal(source.item.tensor)}
        stage = RowEncoder(self.config, source).code_rows(m, pipe, enable, **along)
        marks = {"is_mask": stage.is_mask} if self.config.masked else {}
        names = ("code", "tail", "width", "count", "last", "error", "word", "word_valid")
        stage = pipe.cut("code", **{name: getattr(stage, name) for name in names}, **marks)

        row = buffer.i.p
        m.d.comb += [
            *[row.code[c].eq(code) for c, code in enumerate(stage.code)],
            *[row.tail[c].eq(tail) for c, tail in enumerate(stage.tail)],
            row.width.eq(stage.width),
            row.last.eq(stage.last),
            row.count.eq(stage.count),
            row.error.eq(stage.error),
            buffer.i.valid.eq(pipe.valid & enable),
            words.i.p.word.eq(stage.word),
            words.i.valid.eq(pipe.valid & stage.word_valid & enable),
        ]
        if self.config.masked:
            m.d.comb += [row.mask.eq(stage.is_mask), row.error.eq(stage.error & ~stage.is_mask)]
        return m
