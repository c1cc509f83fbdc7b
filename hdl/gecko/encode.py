"""The encoder's data path, shared by `gecko_encoder` and `container_pack`: rows of exponents to row codes."""

from types import SimpleNamespace
from typing import Any, TypeVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.bits import ones_below
from hdl.gecko.config import DELTA, FIXED, LANES, ROWS, GeckoConfig, value_row
from hdl.gecko.group import GroupBuffer, present
from hdl.gecko.metadata import MetadataWriter
from hdl.gecko.rows import CodeRow, lanes
from hdl.gecko.values import SplitRow
from hdl.layouts import FloatLayout
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["RowCoder", "RowEncoder", "RowSource"]

Config = TypeVar("Config", bound=GeckoConfig)


class RowCoder(StreamUnit[Config]):
    """A unit that codes rows. A group with a zero mask waits for its last row; its mask is one output more."""

    @property
    def latency(self) -> int:
        """From a row to the output that it completes; with zero masks, from a row that is a group of its own."""
        return self.config.pipeline + (2 if self.config.masked else 1)

    @property
    def throughput(self) -> dict[str, int]:
        """Rows; at worst, every group is masked."""
        return {"transfers": 8, "cycles": 9} if self.config.masked else {"transfers": 1, "cycles": 1}


class RowSource(wiring.Component):
    """Joins rows with the facts of their tensor and numbers them; with zero masks, holds each group back for its mask.

    `item` has the row and its tensor, `index` is its place in the group. Missing lanes are cleared, and exponent bits
    from ne up. With `value`, rows come as floats of that layout and are split. Nothing moves without `enable`. A mask
    is an item that has its lanes in `mask`.
    """

    def __init__(
        self,
        config: GeckoConfig,
        tensor: data.StructLayout,
        row: data.StructLayout,
        *,
        value: FloatLayout | None = None,
    ) -> None:
        self._masked, self._value = config.masked, value
        self._item = data.StructLayout({key: field.shape for key, field in row} | {"tensor": tensor})
        members: dict[str, Any] = {
            "enable": In(1),
            "tensor": In(stream.Signature(tensor)),
            "i": In(stream.Signature(value_row(value) if value else row)),
            "valid": Out(1),
            "item": Out(self._item),
            "index": Out(range(ROWS)),
        }
        masks = {"is_mask": Out(1), "mask": Out(lanes(ROWS)), "masked": Out(1)}
        super().__init__(members | (masks if config.masked else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The tensor of the rows that come in is the queue's front, until its last row is in.
        m.submodules.tensors = tensors = OutputBuffer(self.tensor.payload.shape())
        wiring.connect(m, wiring.flipped(self.tensor), tensors.i)
        item = Signal(self._item)
        m.d.comb += [
            item.tensor.eq(tensors.o.payload),
            item.count.eq(Mux(self.i.p.last, self.i.p.count, LANES)),
            item.last.eq(self.i.p.last),
        ]
        if self._value:
            self._split(m, item, self._value)
        else:
            self._clean(m, item)

        comes, ready = self.i.valid & tensors.o.valid, Signal()
        m.d.comb += [self.i.ready.eq(ready & tensors.o.valid), tensors.o.ready.eq(comes & ready & self.i.p.last)]
        step = self.valid
        if self._masked:
            m.submodules.group = group = GroupBuffer(self._item)
            m.d.comb += [
                group.enable.eq(self.enable),
                group.i.payload.eq(item),
                group.i.valid.eq(comes),
                ready.eq(group.i.ready),
                *[
                    getattr(self, name).eq(getattr(group, name))
                    for name in ("valid", "item", "is_mask", "mask", "masked")
                ],
            ]
            step = self.valid & ~self.is_mask
        else:
            m.d.comb += [ready.eq(self.enable), self.item.eq(item), self.valid.eq(comes)]
        with m.If(self.enable & step):
            m.d.sync += self.index.eq(Mux(self.item.last, 0, self.index + 1))
        return m

    def _clean(self, m: Module, item: data.View) -> None:
        row, here = self.i.p, present(self.i.p)
        legal = Signal(8)
        m.d.comb += legal.eq(Cat(1, ones_below(item.tensor.ne_minus_1, 7)))
        for c in range(LANES):
            m.d.comb += item.exponent[c].eq(Mux(here[c], row.exponent[c] & legal, 0))
            if "tail" in row.shape().members:
                m.d.comb += item.tail[c].eq(Mux(here[c], row.tail[c], 0))

    def _split(self, m: Module, item: data.View, value: FloatLayout) -> None:
        m.submodules.split = split = SplitRow(value, item.tensor.shape())
        m.d.comb += [
            split.value.eq(self.i.p.value),
            split.present.eq(present(self.i.p)),
            split.tensor.eq(item.tensor),
            *[item[name].eq(getattr(split, name)) for name in ("exponent", "tail", "errors")],
        ]


class RowEncoder:
    """Places the row code into a pipeline, with the cut "difference" inside (gecko.md 3, 7)."""

    def __init__(self, config: GeckoConfig, source: RowSource) -> None:
        self._masked, self._source = config.masked, source

    def code_rows(self, m: Module, pipe: Pipeline, enable: Value, **along: Any) -> SimpleNamespace:
        """Codes of the source's rows: `code`, `width` in bits, `exists`, `last`, `is_mask`, and what travels `along`.

        `word` with `word_valid` is the metadata word that leaves with the last row of a group.
        """
        source, row, tensor = self._source, self._source.item, self._source.item.tensor
        is_mask = source.is_mask if self._masked else Const(0, 1)
        delta, fixed, first = tensor.mode == DELTA, tensor.mode == FIXED, source.index == 0
        coded = Signal()
        m.d.comb += coded.eq(fixed | (delta & ~first))
        here = present(row)
        lane = []
        for c in range(LANES):
            exponent, base = row.exponent[c], Signal(8, name=f"base_{c}", reset_less=True)
            literal, difference = Signal(8, name=f"literal_{c}"), Signal(8, name=f"difference_{c}")
            zero: Value = Const(0, 1)
            if self._masked:
                zero = tensor.zero_mask & here[c] & (exponent == 0)
            m.d.comb += [
                # A masked base is stored as, and acts as, b.
                literal.eq(Mux(zero & delta, tensor.bias, exponent)),
                difference.eq(Mux(zero | ~here[c], 0, exponent - Mux(fixed, tensor.bias, base))),
            ]
            with m.If(enable & source.valid & first & ~is_mask):
                m.d.sync += base.eq(literal)
            row_code = Mux(coded, difference, literal)
            # A mask comes late in the cycle, so it goes round the arithmetic.
            lane.append(Mux(is_mask, source.mask[c], row_code) if self._masked else row_code)
        stage = pipe.cut(
            "difference",
            lane=lane,
            coded=coded & ~is_mask,
            index=source.index,
            exists=~row.last | row.count.any(),
            has_word=delta | fixed,
            ne_minus_1=tensor.ne_minus_1,
            last=row.last,
            # The mode field of delta's row 0; rows after it do not look.
            **({"is_mask": is_mask, "mode_field": source.masked & delta} if self._masked else {}),
            **along,
        )
        if not self._masked:
            stage.is_mask = stage.mode_field = Const(0, 1)
        self._code(m, stage)
        self._gather(m, stage, pipe.valid & ~stage.is_mask, enable)
        return stage

    def _code(self, m: Module, stage: SimpleNamespace) -> None:
        m.submodules.code_row = coder = CodeRow()
        m.d.comb += [coder.difference[c].eq(lane) for c, lane in enumerate(stage.lane)]
        m.d.comb += coder.ne_minus_1.eq(stage.ne_minus_1)
        stage.code = [Mux(stage.coded, coder.code[c], lane) for c, lane in enumerate(stage.lane)]
        stage.field = Mux(stage.coded, coder.width, stage.mode_field)
        row_width = Mux(stage.coded, coder.width + coder.width.any(), stage.ne_minus_1 + 1)
        stage.width = Signal(range(9), name="code_width")
        m.d.comb += stage.width.eq(Mux(stage.is_mask, ROWS, Mux(stage.exists, row_width, 0)))

    def _gather(self, m: Module, stage: SimpleNamespace, row: Value, enable: Value) -> None:
        m.submodules.metadata = writer = MetadataWriter()
        closes = (stage.index == ROWS - 1) | stage.last
        m.d.comb += [writer.enable.eq(enable & row), writer.index.eq(stage.index), writer.field.eq(stage.field)]
        # An end without a row opens no group.
        begun = (stage.index != 0) | stage.exists
        stage.word, stage.word_valid = writer.word, row & closes & begun & stage.has_word
