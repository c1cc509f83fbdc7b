"""Packer: FP32 or BF16 values in, the data beats and metadata words of a Gecko container out."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import BEATS, LANES, METADATA, ContainerConfig, row_layout, tensor_layout, value_row
from hdl.gecko.encode import RowCoder, RowEncoder, RowSource
from hdl.gecko.packer import LanePacker
from hdl.gecko.values import ERRORS
from hdl.stream import OutputBuffer, Pipeline

__all__ = ["ContainerPack", "ContainerPackConfig"]

STATUS = data.StructLayout({"beats": BEATS, "sign_error": 1, "window_error": 1, "nan_error": 1, "tensor_error": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPackConfig(ContainerConfig):
    """Options of the packer."""

    unit: ClassVar[str] = "container_pack"

    def describe(self) -> str:
        """Source, masks and stages in one line."""
        return self._describe(f"{self.source.upper()} values to a Gecko container")


class ContainerPack(RowCoder[ContainerPackConfig]):
    """Values to data beats and metadata words: mantissas cut, exponents coded, eight lanes packed (gecko.md 4, 7).

    Streams (docs/gecko-ports.md): `tensor`, one item before the first row of each tensor; `i` rows of values; `data`
    beats; `meta` words; `status`, an item per tensor with its last beat. Mantissas are truncated to wm bits. One row a
    cycle; one cycle more where a tensor's last row fills one beat and begins another. Latency pipeline + 1 cycles. With
    zero masks a group waits for its last row, from which it is then pipeline + 1 cycles to its first beat, 1 more if
    that is a lone row's. At full rate a row reaches its beat pipeline + 8 cycles after it came, in a masked group
    pipeline + 9; such a group takes nine cycles. A short group holds up the next tensor until the group before it is
    gone, 7 cycles at most.
    """

    def __init__(self, config: ContainerPackConfig) -> None:
        word = data.ArrayLayout(config.word_bits, LANES)
        self._beat, self._tensor = data.StructLayout({"word": word}), tensor_layout(config, container=True)
        super().__init__(
            config,
            {
                "tensor": In(stream.Signature(self._tensor)),
                "i": In(stream.Signature(value_row(config.value_layout))),
                "data": Out(stream.Signature(self._beat)),
                "meta": Out(stream.Signature(METADATA)),
                "status": Out(stream.Signature(STATUS)),
            },
        )

    @property
    def rounding_points(self) -> list[str]:
        """One: the mantissas."""
        return ["mantissas, cut to wm bits (truncation); a NaN keeps its quiet bit"]

    @property
    def critical_path(self) -> str:
        """The fill count decides how far the next fields turn."""
        return "the packers: fill count, rotation, merge"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.beats = beats = OutputBuffer(self._beat)
        m.submodules.words = words = OutputBuffer(METADATA)
        m.submodules.ends = ends = OutputBuffer(STATUS)
        for buffer, port in ((beats, self.data), (words, self.meta), (ends, self.status)):
            wiring.connect(m, buffer.o, wiring.flipped(port))
        enable = Signal()
        m.submodules.packer = packer = LanePacker(self.config.word_bits)
        m.d.comb += enable.eq(beats.i.ready & words.i.ready & ends.i.ready)

        # In front of the packers everything waits while they flush.
        coding = Signal()
        m.d.comb += coding.eq(enable & ~packer.flushing)
        cuts = ("field", "difference", "beat")
        stage, front = self._fields(m, coding, cuts)
        m.d.comb += [
            packer.enable.eq(enable),
            packer.valid.eq(front.valid),
            packer.bits.eq(stage.bits),
            packer.last.eq(stage.last),
            *[packer.field[c].eq(field) for c, field in enumerate(stage.field)],
        ]
        status = self._status(m, packer, Mux(front.valid & ~packer.flushing, stage.errors, 0), enable)

        moves = front.valid | packer.flushing
        back = Pipeline(m, cuts=cuts, registers=self.config.pipeline, enable=enable, valid=moves)
        stage = back.cut(
            "beat",
            beat=packer.beat,
            beat_valid=packer.beat_valid,
            word=stage.word,
            word_valid=front.valid & stage.word_valid & ~packer.flushing,
            status=status,
            ends=packer.ends,
        )
        m.d.comb += [
            beats.i.p.word.eq(stage.beat),
            words.i.p.word.eq(stage.word),
            ends.i.payload.eq(stage.status),
            beats.i.valid.eq(back.valid & stage.beat_valid & enable),
            words.i.valid.eq(back.valid & stage.word_valid & enable),
            ends.i.valid.eq(back.valid & stage.ends & enable),
        ]
        return m

    def _fields(self, m: Module, coding: Value, cuts: tuple[str, ...]) -> tuple[SimpleNamespace, Pipeline]:
        """Value fields of gecko.md 4: code, top wm mantissa bits, sign; and how many bits they have."""
        fraction_bits = self.config.value_layout.fraction_bits
        row = row_layout(fraction_bits + 1, errors=ERRORS)
        m.submodules.source = source = RowSource(self.config, self._tensor, row, value=self.config.value_layout)
        wiring.connect(m, wiring.flipped(self.tensor), source.tensor)
        wiring.connect(m, wiring.flipped(self.i), source.i)
        m.d.comb += source.enable.eq(coding)
        tensor = source.item.tensor
        front = Pipeline(m, cuts=cuts, registers=self.config.pipeline, enable=coding, valid=source.valid)
        stage = RowEncoder(self.config, source).code_rows(
            m,
            front,
            coding,
            tail=[source.item.tail[c] for c in range(LANES)],
            errors=source.item.errors,
            mantissa_bits=tensor.mantissa_bits,
            sign_elided=tensor.sign_elided,
        )
        # A mask is 8 bits and nothing below them.
        drop, bare = Signal(range(fraction_bits + 1)), Signal()
        m.d.comb += [
            bare.eq(stage.sign_elided | stage.is_mask),
            drop.eq(Mux(stage.is_mask, fraction_bits, fraction_bits - stage.mantissa_bits)),
        ]
        tail_bits = fraction_bits - drop + ~bare
        fields = []
        for c, (code, tail) in enumerate(zip(stage.code, stage.tail, strict=True)):
            field, cut = Signal(self.config.word_bits, name=f"field_{c}"), Signal(fraction_bits + 8, name=f"cut_{c}")
            m.d.comb += [
                cut.eq(Cat(tail[:-1], code) >> drop),
                field.eq(Mux(bare, cut, Cat(tail[-1], cut))),
            ]
            fields.append(field)
        bits = Signal(range(self.config.word_bits + 1))
        m.d.comb += bits.eq(Mux(stage.exists, stage.width + tail_bits, 0))
        names = ("last", "errors", "word", "word_valid")
        return front.cut("field", field=fields, bits=bits, **{name: getattr(stage, name) for name in names}), front

    def _status(self, m: Module, packer: LanePacker, errors: Value, enable: Value) -> Value:
        """Count the beats of a tensor and remember its errors; whole in the cycle in which the packer ends it."""
        counted, seen = Signal(BEATS), Signal(ERRORS)
        beats, errors_so_far = Signal(BEATS), Signal(ERRORS)
        m.d.comb += [beats.eq(counted + packer.beat_valid), errors_so_far.eq(seen.as_value() | errors)]
        with m.If(enable):
            m.d.sync += [counted.eq(Mux(packer.ends, 0, beats)), seen.eq(Mux(packer.ends, 0, errors_so_far))]
        return Cat(beats, errors_so_far)
