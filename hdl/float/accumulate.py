"""FP32 accumulator: K independent running sums, one addition a cycle, an adder of K stages."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.float.add import AddMagnitudes, AlignOperands
from hdl.float.raw import FP32, Normalize, unpack_float
from hdl.float.round import RoundFloat
from hdl.stream import Pipeline

__all__ = ["Accumulate"]

# Register places inside the adder, by urgency.
_CUTS = ("total", "aligned", "normalized")


class Accumulate(wiring.Component):
    """sum = (first ? +0 : sum) + addend, rounded RNE to FP32; the new sum is given out where `last` is set.

    The addend is a raw number of `width` significand bits, two of them guard and sticky: an unpacked FP32 word, or the
    exact sum of a block (fused). The n-th valid addend belongs to sum n mod `contexts`, which is why the adder may
    take that many enabled cycles: the next addend of the same sum cannot come sooner. Sums are +0 after reset.
    Latency contexts - 1 cycles to the outputs, which are combinational; throughput one addend a cycle.
    """

    def __init__(self, width: int, biased_bits: int, contexts: int) -> None:
        self._width, self._contexts = width, contexts
        # The accumulator's own exponent takes 8 bits.
        self._biased_bits = max(biased_bits, 8)
        super().__init__(
            {
                "enable": In(1),
                "i_valid": In(1),
                "sign": In(1),
                "biased": In(biased_bits),
                "significand": In(width),
                "infinity": In(1),
                "nan": In(1),
                "first": In(1),
                "last": In(1),
                "o_valid": Out(1),
                "value": Out(FP32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pipe = Pipeline(m, cuts=_CUTS, registers=self._contexts - 1, enable=self.enable, valid=self.i_valid)
        sums = Array(Signal(FP32, name=f"sum_{k}") for k in range(self._contexts))
        context = self._context_counter(m)

        running = Signal(FP32)
        with m.If(~self.first):
            m.d.comb += running.eq(sums[context])
        unpacked = unpack_float(m, running, name="running")
        m.submodules.align = align = AlignOperands(FP32.significand_bits, self._width, self._biased_bits)
        m.d.comb += [
            align.a_sign.eq(unpacked.sign),
            align.a_biased.eq(unpacked.biased),
            align.a_significand.eq(unpacked.significand),
            align.b_sign.eq(self.sign),
            align.b_biased.eq(self.biased),
            align.b_significand.eq(self.significand),
        ]
        stage = pipe.cut(
            "aligned",
            large=align.large,
            small=align.small,
            biased=align.biased,
            sign=align.sign,
            subtract=align.subtract,
            nan=self.nan | unpacked.nan | (self.infinity & unpacked.infinity & align.subtract),
            infinity=self.infinity | unpacked.infinity,
            infinity_sign=Mux(self.infinity, self.sign, running.sign),
            last=self.last,
            context=context,
        )

        m.submodules.add = add = AddMagnitudes(self._width)
        m.d.comb += [getattr(add, name).eq(getattr(stage, name)) for name in ("large", "small", "sign", "subtract")]
        stage = pipe.cut(
            "total",
            magnitude=add.total,
            biased=stage.biased + 1,
            sign=Mux(stage.infinity, stage.infinity_sign, add.total_sign),
            nan=stage.nan,
            infinity=stage.infinity,
            last=stage.last,
            context=stage.context,
        )

        m.submodules.normalize = normalize = Normalize(self._width + 2, self._biased_bits + 1)
        m.d.comb += [normalize.magnitude.eq(stage.magnitude), normalize.biased.eq(stage.biased)]
        stage = pipe.cut(
            "normalized",
            significand=normalize.significand,
            biased=normalize.biased_out,
            sign=stage.sign,
            nan=stage.nan,
            infinity=stage.infinity,
            last=stage.last,
            context=stage.context,
        )

        m.submodules.round = rounder = RoundFloat(self._width + 2, self._biased_bits + 1)
        m.d.comb += [
            getattr(rounder, name).eq(getattr(stage, name))
            for name in ("sign", "biased", "significand", "infinity", "nan")
        ]
        m.d.comb += [self.value.eq(rounder.value), self.o_valid.eq(pipe.valid & stage.last)]
        with m.If(self.enable & pipe.valid):
            m.d.sync += sums[stage.context].eq(rounder.value)
        return m

    def _context_counter(self, m: Module) -> Value:
        """Index of the sum that the next addend belongs to."""
        if self._contexts == 1:
            return Const(0, 1)
        context = Signal(range(self._contexts))
        with m.If(self.enable & self.i_valid):
            m.d.sync += context.eq(Mux(context == self._contexts - 1, 0, context + 1))
        return context
