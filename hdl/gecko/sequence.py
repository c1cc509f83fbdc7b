"""The decoders' walk through a tensor: which row comes next, and how wide its codes are (gecko.md 2, 3)."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import reduce_tree
from hdl.gecko.config import BEATS, COUNT, DELTA, FIXED, LANES, LENGTH, METADATA, ROWS, GeckoConfig, tensor_layout
from hdl.gecko.tensor import illegal
from hdl.layouts import FloatLayout
from hdl.stream import OutputBuffer

__all__ = ["RowSequencer"]


class RowSequencer(wiring.Component):
    """One step a cycle: a row, or the mask before row 0 of a masked group. A tensor ends where its length says.

    Illegal metadata fields count as the value in brackets of gecko.md 3 and set `error` from the first step of their
    group to the end of the tensor; illegal facts of a tensor set it in all its steps. A tensor of length 0 is one step
    without `exists`. A metadata word stays at the front of its queue until its group is done, a tensor until its last
    row is. With `value`, the layout of the values, tensors are those of a container, and steps carry its beats.
    """

    def __init__(self, config: GeckoConfig, *, value: FloatLayout | None = None) -> None:
        self._value, container = value, value is not None
        tensor = tensor_layout(config, length=True, beats=container, container=container)
        self._facts = tensor_layout(config, container=container)  # the part of it that rows need
        step = data.StructLayout(
            {
                "tensor": self._facts,
                "index": range(ROWS),
                "begins": 1,
                "is_mask": 1,
                "masked": 1,
                "coded": 1,
                "exists": 1,
                "width": range(9),
                "count": COUNT,
                "last": 1,
                "error": 1,
            }
            | ({"beats": BEATS} if container else {})
        )
        super().__init__(
            {
                "tensor": In(stream.Signature(tensor)),
                "meta": In(stream.Signature(METADATA)),
                "o": Out(stream.Signature(step)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.tensors = tensors = OutputBuffer(self.tensor.payload.shape())
        m.submodules.words = words = OutputBuffer(METADATA)
        wiring.connect(m, wiring.flipped(self.tensor), tensors.i)
        wiring.connect(m, wiring.flipped(self.meta), words.i)
        tensor, word, step = tensors.o.p, words.o.p.word, self.o.p
        masking = tensor.zero_mask if "zero_mask" in tensor.shape().members else Const(0, 1)
        delta, fixed = tensor.mode == DELTA, tensor.mode == FIXED

        begun = Signal()  # some step of the tensor is done
        index, mask_done, error = Signal(range(ROWS)), Signal(), Signal()
        remaining, values_left = Signal(LENGTH, reset_less=True), Signal(LENGTH)
        m.d.comb += values_left.eq(Mux(begun, remaining, tensor.length))
        group_begins = (index == 0) & ~mask_done
        has_mask = masking & (fixed | (delta & (word[:3] == 1)))
        wrong = self._illegal(word, tensor, values_left, masking)
        illegal_facts = illegal(tensor, self._value)
        field, width = word.word_select(index, 3), Signal(3)
        row_width = Mux(step.coded, width + width.any(), tensor.ne_minus_1 + 1)
        m.d.comb += [
            width.eq(Mux(field > tensor.ne_minus_1, tensor.ne_minus_1, field)),
            self.o.valid.eq(tensors.o.valid & (words.o.valid | ~(delta | fixed) | ~step.exists)),
            step.tensor.eq(tensor.as_value()[-self._facts.size :]),
            step.index.eq(index),
            step.begins.eq(~begun),
            step.exists.eq(values_left.any()),
            step.is_mask.eq(has_mask & group_begins & step.exists),
            step.masked.eq(has_mask),
            step.coded.eq(fixed | (delta & (index != 0))),
            step.width.eq(Mux(step.is_mask, ROWS, Mux(step.exists, row_width, 0))),
            step.last.eq((values_left <= LANES) & ~step.is_mask),
            step.count.eq(Mux(values_left <= LANES, values_left[:4], LANES)),
            step.error.eq((error & begun) | (group_begins & step.exists & (delta | fixed) & wrong) | illegal_facts),
        ]

        if "beats" in step.shape().members:
            m.d.comb += step.beats.eq(tensor.beats)

        group_ends = ~step.is_mask & ((index == ROWS - 1) | step.last)
        moves = self.o.valid & self.o.ready
        m.d.comb += [
            tensors.o.ready.eq(moves & step.last),
            words.o.ready.eq(moves & group_ends & (delta | fixed) & step.exists),
        ]
        with m.If(moves):
            m.d.sync += [
                begun.eq(~step.last),
                error.eq(step.error),
                mask_done.eq((mask_done | step.is_mask) & ~group_ends),
                remaining.eq(Mux(step.is_mask, values_left, values_left - LANES)),
            ]
            with m.If(~step.is_mask):
                m.d.sync += index.eq(Mux(step.last, 0, index + 1))
        return m

    @staticmethod
    def _illegal(word: Value, tensor: data.View, values_left: Value, masking: Value) -> Value:
        """Whether a group's word has an illegal field, seen from its first step."""
        bad: list[Value] = []
        for r in range(ROWS):
            field = word.word_select(r, 3)
            missing = values_left <= r * LANES if r else Const(0, 1)
            bad.append(Mux(missing, field.any(), field > tensor.ne_minus_1))
        mode_field = word[:3]
        bad[0] = Mux(tensor.mode == DELTA, mode_field > masking, bad[0])
        return reduce_tree(lambda a, b: a | b, bad)
