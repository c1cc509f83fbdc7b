"""One value to one minifloat element: align it to its binade, round, saturate."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat, Rounding
from hdl.convert.element import align_frame, aligned_bits, round_up
from hdl.convert.normal import normalize_float
from hdl.layouts import FloatLayout

__all__ = ["AlignMinifloat", "RoundMinifloat"]


class AlignMinifloat(wiring.Component):
    """A float's significand at the minifloat's precision, with fraction bits below; the lowest is sticky for RNE.

    `biased` is the exponent above the minifloat's lowest binade, where the significand of a subnormal is shifted down.
    `overflow` says that the value lies above the largest binade. Combinational.
    """

    def __init__(self, source: FloatLayout, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._source, self._format, self._rounding = source, fmt, rounding
        self._bits = aligned_bits(fmt, rounding, random_bits)
        super().__init__(
            {
                "value_exponent": In(source.exponent_bits),
                "value_fraction": In(source.fraction_bits),
                "exponent": In(signed(fmt.scale.bits + 1)),
                "magnitude": Out(self._bits),
                "biased": Out(fmt.element.exponent_bits),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        element, scale, source = self._format.element, self._format.scale, self._source
        x = normalize_float(m, self.value_exponent, self.value_fraction, source, name="x")
        lowest = 1 - element.bias
        low = -source.bias - source.fraction_bits - scale.highest - 1 - lowest
        high = (1 << source.exponent_bits) - 1 - source.bias - scale.lowest - lowest
        binade = Signal(Shape.cast(range(low, high + 1)))  # above the minifloat's lowest
        below = Signal(range(-low + 1))
        m.d.comb += [
            binade.eq(x.exponent - self.exponent - lowest),
            below.eq(Mux(binade < 0, -binade, 0)),
            self.biased.eq(Mux(binade < 0, 0, binade)),
            self.overflow.eq((binade > element.emax - lowest) & x.significand.any()),
            self.magnitude.eq(align_frame(m, x.significand, below, 0, self._bits, self._rounding)),
        ]
        return m


class RoundMinifloat(wiring.Component):
    """An aligned significand to a minifloat code: rounded, saturated at the largest finite one; zero keeps its sign.

    `random` exists for SR only. A poisoned block stores zeros. Combinational.
    """

    def __init__(self, fmt: BlockFormat, rounding: Rounding, random_bits: int) -> None:
        self._element, self._rounding = fmt.element, rounding
        element = fmt.element
        super().__init__(
            {
                "magnitude": In(aligned_bits(fmt, rounding, random_bits)),
                "biased": In(element.exponent_bits),
                "overflow": In(1),
                "sign": In(1),
                "poison": In(1),
                "element": Out(FloatLayout("element", element.exponent_bits, element.mantissa_bits)),
            }
            | ({"random": In(random_bits)} if rounding is Rounding.SR else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        element = self._element
        kept, below = self.magnitude[-element.precision :], self.magnitude[: -element.precision]
        up = round_up(m, kept, below, self._rounding, getattr(self, "random", None))

        # As for FP32 (hdl/float/round.py): the hidden one adds 1 to the exponent field, and so does a carry. One bit
        # more holds the carry out of the largest binade.
        code = Signal(element.exponent_bits + element.mantissa_bits + 1)
        field = Mux(kept[-1], self.biased, 0)
        m.d.comb += code.eq(Cat(Const(0, element.mantissa_bits), field) + kept + up)
        finite = Mux(self.overflow | (code > element.max_code), element.max_code, code[:-1])
        with m.If(~self.poison):
            m.d.comb += self.element.as_value().eq(Cat(finite[: len(code) - 1], self.sign))
        return m
