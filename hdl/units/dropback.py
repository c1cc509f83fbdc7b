"""DropBack's weight regenerator: initial weights out of their index, in place of memory (policies.md 8)."""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arith.bits import reduce_tree
from hdl.config import UnitConfig, integer
from hdl.float.raw import FP32, FixedToRaw, unpack_float
from hdl.float.round import RoundFloat
from hdl.stream import OutputBuffer, Pipeline
from hdl.units.unit import StreamUnit

__all__ = ["DropbackWeight", "DropbackWeightConfig"]

_INDEX_FACTOR = 0x85EBCA6B
_ZERO_STATE = 0x6D2B79F5  # a xorshift state must not be 0
_ROUNDS = 3
_MEAN = 510  # of four bytes; their sum less this lies in -510..510, 9 bits of magnitude


@dataclass(frozen=True, slots=True, kw_only=True)
class DropbackWeightConfig(UnitConfig):
    """Options of the regenerator."""

    unit: ClassVar[str] = "dropback_weight"

    seed: int = integer(0x9E3779B9, range(1 << 32), "of all weights", token="seed{:08x}")

    def describe(self) -> str:
        """What it computes, in one line."""
        return f"FP32 initial weight of an index, seed {self.seed:#010x}; {self.pipeline} pipeline stage(s)"


class DropbackWeight(StreamUnit[DropbackWeightConfig]):
    """The index of a weight and the scale c of its tensor in, its FP32 initial value out, one a cycle.

    value = z * c, rounded to nearest even: z is the sum of four bytes of a hash of the index, less 510, so that it is
    roughly normal with deviation 147.80054, and c is that of the tensor over 147.80054, any FP32. Latency pipeline + 1.
    """

    def __init__(self, config: DropbackWeightConfig) -> None:
        self._out = data.StructLayout({"value": FP32})
        request = data.StructLayout({"index": unsigned(32), "scale": FP32})
        super().__init__(config, {"i": In(stream.Signature(request)), "o": Out(stream.Signature(self._out))})

    @property
    def rounding_points(self) -> list[str]:
        """One: the product of an integer and the scale."""
        return ["FP32, RNE: the weight, once"]

    @property
    def critical_path(self) -> str:
        """With few stages the multiplication that hashes the index, with many the rounder."""
        return "hash of the index (a 32-bit constant multiplication), or the normalising shift and the rounder"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self._out)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        enable = buffer.i.ready
        m.d.comb += self.i.ready.eq(enable)
        cuts = ("summed", "hashed", "multiplied", "normalized")
        pipe = Pipeline(m, cuts=cuts, registers=self.config.pipeline, enable=enable, valid=self.i.valid)

        mixed = Signal(32)
        m.d.comb += mixed.eq(self.config.seed ^ (self.i.p.index * _INDEX_FACTOR)[:32])
        hashed = pipe.cut("hashed", state=Mux(mixed.any(), mixed, _ZERO_STATE), scale=self.i.p.scale)
        state = self._xorshift(m, hashed.state)
        total = Signal(range(4 * 255 + 1))
        m.d.comb += total.eq(reduce_tree(lambda a, b: a + b, [state[k : k + 8] for k in range(0, 32, 8)]))
        summed = pipe.cut("summed", total=total, scale=hashed.scale)
        return self._scaled(m, pipe, summed.total, data.View(FP32, summed.scale), buffer)

    @staticmethod
    def _xorshift(m: Module, state: Value) -> Value:
        for step in range(_ROUNDS):
            for name, shift in (("a", 13), ("b", -17), ("c", 5)):
                moved = Cat(Const(0, shift), state[:-shift]) if shift > 0 else state[-shift:]
                following = Signal(32, name=f"state_{step}{name}")
                m.d.comb += following.eq(state ^ moved)
                state = following
        return state

    def _scaled(self, m: Module, pipe: Pipeline, total: Value, scale: data.View, buffer: OutputBuffer) -> Module:
        """(total - 510) * scale: an integer of 9 + 24 bits at an exponent that is the scale's, and one rounding."""
        negative, magnitude = Signal(), Signal(9)
        m.d.comb += [negative.eq(total < _MEAN), magnitude.eq(Mux(negative, _MEAN - total, total - _MEAN))]
        c = unpack_float(m, scale, name="scale")
        product = Signal(9 + FP32.significand_bits)
        m.d.comb += product.eq(magnitude * c.significand)
        stage = pipe.cut(
            "multiplied",
            product=product,
            biased=c.biased,
            sign=scale.sign ^ negative,
            infinity=c.infinity & magnitude.any(),
            nan=c.nan | (c.infinity & ~magnitude.any()),
        )
        # The scale's last place weighs 2^(biased - 149); biased is 0..254.
        lowest = 1 - FP32.bias - FP32.fraction_bits
        m.submodules.to_raw = to_raw = FixedToRaw(len(product), range(lowest, lowest + 255))
        m.d.comb += [to_raw.magnitude.eq(stage.product), to_raw.exponent.eq(stage.biased + lowest)]
        raw = pipe.cut(
            "normalized",
            sign=stage.sign,
            biased=to_raw.biased,
            significand=to_raw.significand,
            infinity=stage.infinity,
            nan=stage.nan,
        )
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
        m.d.comb += [getattr(rounder, name).eq(value) for name, value in vars(raw).items()]
        m.d.comb += [buffer.i.p.value.eq(rounder.value), buffer.i.valid.eq(pipe.valid)]
        return m
