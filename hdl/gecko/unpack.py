"""Unpacker: data beats and metadata words of a Gecko container in, FP32 or BF16 values out."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.gecko.config import LANES, METADATA, ContainerConfig, tensor_layout, value_row
from hdl.gecko.decode import RowDecoder
from hdl.gecko.sequence import RowSequencer
from hdl.gecko.unpacker import LaneUnpacker
from hdl.gecko.values import join_exponent
from hdl.stream import OutputBuffer, Pipeline, registers_at
from hdl.units.unit import StreamUnit

__all__ = ["ContainerUnpack", "ContainerUnpackConfig"]

_CUTS = ("field", "step", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUnpackConfig(ContainerConfig):
    """Options of the unpacker."""

    unit: ClassVar[str] = "container_unpack"

    def describe(self) -> str:
        """Source, masks and stages in one line."""
        return self._describe(f"Gecko container to {self.source.upper()} values")


class ContainerUnpack(StreamUnit[ContainerUnpackConfig]):
    """Data beats and metadata words in, rows of values out (gecko.md 8).

    Streams (docs/gecko-ports.md): `tensor`, one item per tensor, with its length and the beats stored for it; `meta`
    words; `data` beats; `o` rows with a sticky `error`. Whatever the metadata say, a tensor takes ceil(length/64) words
    (raw: none) and `beats` beats and gives ceil(length/8) rows, one if it is empty. One row a cycle, a masked group
    takes nine; beats beyond the last row's are dropped, one a cycle. Latency 3 cycles from the beat that completes a
    row to the row, with the default three pipeline stages.
    """

    def __init__(self, config: ContainerUnpackConfig) -> None:
        self._row = value_row(config.value_layout, error=1)
        beat = data.StructLayout({"word": data.ArrayLayout(config.word_bits, LANES)})
        tensor = tensor_layout(config, length=True, beats=True, container=True)
        super().__init__(
            config,
            {
                "tensor": In(stream.Signature(tensor)),
                "meta": In(stream.Signature(METADATA)),
                "data": In(stream.Signature(beat)),
                "o": Out(stream.Signature(self._row)),
            },
        )

    @property
    def latency(self) -> int:
        """From the beat that completes a row to the row."""
        registers = registers_at(_CUTS, self.config.pipeline)
        return registers["field"] + registers["value"] + 1

    @property
    def throughput(self) -> dict[str, int]:
        """Beats, where every row fills one."""
        return {"transfers": 1, "cycles": 1}

    @property
    def critical_path(self) -> str:
        """How much of a word is used decides how far the next fields turn."""
        return "the unpackers: bits used, merge, rotation"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._row)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        m.submodules.sequencer = sequencer = RowSequencer(self.config, value=self.config.value_layout)
        wiring.connect(m, wiring.flipped(self.tensor), sequencer.tensor)
        wiring.connect(m, wiring.flipped(self.meta), sequencer.meta)

        # A step waits for its beat.
        moves, registers = Signal(), self.config.pipeline
        front = Pipeline(m, cuts=_CUTS, registers=registers, enable=moves, valid=sequencer.o.valid)
        step = front.cut("step", step=sequencer.o.payload).step
        m.submodules.unpacker = unpacker = LaneUnpacker(self.config.word_bits)
        wiring.connect(m, wiring.flipped(self.data), unpacker.data)
        tensor, is_mask = step.tensor, step.is_mask
        tail_bits = Mux(is_mask, 0, tensor.mantissa_bits + ~tensor.sign_elided)
        m.d.comb += [
            moves.eq(enable & (unpacker.go | ~front.valid)),
            sequencer.o.ready.eq(moves),
            unpacker.enable.eq(enable),
            unpacker.valid.eq(front.valid),
            unpacker.bits.eq(Mux(step.exists, step.width + tail_bits, 0)),
            *[getattr(unpacker, name).eq(getattr(step, name)) for name in ("begins", "beats", "last")],
        ]

        back = Pipeline(m, cuts=_CUTS, registers=registers, enable=enable, valid=front.valid & unpacker.go)
        stage = back.cut("field", step=step, error=step.error | unpacker.error, field=list(unpacker.field))
        values = self._values(m, stage.step, stage.field, enable & back.valid)
        back.valid &= ~stage.step.is_mask
        row = back.cut("value", value=values, count=stage.step.count, last=stage.step.last, error=stage.error)
        m.d.comb += [
            *[buffer.i.p.value[c].eq(value) for c, value in enumerate(row.value)],
            *[buffer.i.p[name].eq(getattr(row, name)) for name in ("count", "last", "error")],
            buffer.i.valid.eq(back.valid),
        ]
        return m

    def _values(self, m: Module, step: data.View, fields: list[Value], enable: Value) -> list[Value]:
        """Fields to values; arbitrary bits above a field fall off here and in the row decoder."""
        fraction_bits, tensor = self.config.value_layout.fraction_bits, step.tensor
        m.submodules.decoder = decoder = RowDecoder(step.shape())
        m.d.comb += [decoder.enable.eq(enable), decoder.step.eq(step)]
        # A mask is 8 bits and nothing below them.
        lift, bare = Signal(range(fraction_bits + 1)), Signal()
        m.d.comb += [
            bare.eq(tensor.sign_elided | step.is_mask),
            lift.eq(Mux(step.is_mask, fraction_bits, fraction_bits - tensor.mantissa_bits)),
        ]
        values: list[Value] = []
        for c, field in enumerate(fields):
            number, lifted = (
                Signal(self.config.word_bits, name=f"number_{c}"),
                Signal(fraction_bits + 8, name=f"code_{c}"),
            )
            exponent = Signal(8, name=f"exponent_{c}")
            m.d.comb += [
                number.eq(Mux(bare, field, field[1:])),
                lifted.eq(number << lift),
                decoder.code[c].eq(lifted[fraction_bits:]),
                exponent.eq(join_exponent(decoder.exponent[c], tensor)),
            ]
            value = Cat(lifted[:fraction_bits], exponent, field[0] & ~bare)
            values.append(Mux(decoder.present[c], value, 0))
        return values
