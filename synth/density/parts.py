"""The parts of a dot-product unit besides its core, as combinational circuits of the same hardware that the units use.

Registers, handshakes and buffers are left out on both sides of every comparison: what remains is arithmetic.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockFormat
from hdl.convert.path import ElementPath
from hdl.convert.peak import combine_peaks, find_peak
from hdl.float.add import AddFloat
from hdl.float.raw import FP32, FixedToRaw
from hdl.float.round import RoundFloat
from hdl.layouts import FloatLayout, block_layout, elements
from hdl.stream import Pipeline
from hdl.units.block_sum import sum_exponents
from hdl.units.dot_core import core_shape
from hdl.units.factors import decode_element
from hdl.units.quantize import QuantizeConfig
from hdl.units.scales import read_scale
from hdl.units.specials import find_specials

__all__ = ["Accumulator", "Activation", "BlockConverter", "SumToFloat", "ValueConverter"]


class Accumulator(wiring.Component):
    """The next sum: (first ? +0 : sum) + value."""

    def __init__(self, layout: FloatLayout = FP32) -> None:
        super().__init__({"value": In(layout), "sum": In(layout), "first": In(1), "next": Out(layout)})
        self._layout = layout

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.add = add = AddFloat(self._layout)
        m.d.comb += [
            add.a.as_value().eq(Mux(self.first, 0, self.sum.as_value())),
            add.b.eq(self.value),
            self.next.eq(add.value),
        ]
        return m


class Activation(wiring.Component):
    """ReLU: NaN stays, else the larger of the value and +0."""

    def __init__(self, layout: FloatLayout = FP32) -> None:
        super().__init__({"value": In(layout), "activated": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        nan = self.value.exponent.all() & self.value.fraction.any()
        m.d.comb += self.activated.eq(Mux(nan | ~self.value.sign, self.value.as_value(), 0))
        return m


class SumToFloat(wiring.Component):
    """The core's integer sum and both blocks' stored exponents to FP32; poison and special elements to NaN, infinity.

    `a`, `b` are packed blocks: their exponents are read, and of minifloats the codes that are no numbers.
    """

    def __init__(self, a: BlockFormat, b: BlockFormat) -> None:
        self._formats = a, b
        super().__init__(
            {"a": In(block_layout(a)), "b": In(block_layout(b)), "sum": In(core_shape(a, b)), "value": Out(FP32)}
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        blocks = (self.a, self.b)
        scales = [read_scale(m, x, f, name=n) for n, x, f in zip("ab", blocks, self._formats, strict=True)]
        factors = [
            [decode_element(m, x, f.element, name=f"{n}_{k}") for k, x in enumerate(elements(block, f))]
            for n, block, f in zip("ab", blocks, self._formats, strict=True)
        ]
        special = find_specials(m, *factors)
        exponents = sum_exponents(*self._formats)
        magnitude = Signal(len(self.sum) - 1)
        m.submodules.to_raw = to_raw = FixedToRaw(len(magnitude), exponents)
        m.submodules.round = rounder = RoundFloat(to_raw.significand_bits, to_raw.biased_bits)
        m.d.comb += [
            magnitude.eq(Mux(self.sum < 0, -self.sum, self.sum)),
            to_raw.magnitude.eq(magnitude),
            to_raw.exponent.eq(scales[0].exponent + scales[1].exponent),
            rounder.sign.eq(Mux(special["infinity"], special["infinity_sign"], self.sum < 0)),
            rounder.biased.eq(to_raw.biased),
            rounder.significand.eq(to_raw.significand),
            rounder.infinity.eq(special["infinity"]),
            rounder.nan.eq(scales[0].poison | scales[1].poison | special["nan"]),
            self.value.eq(rounder.value),
        ]
        return m


def _path(fmt: BlockFormat, lanes: int, source: str = "fp32", *, flush: bool = False) -> ElementPath:
    """That of the unit `quantize`, which is what has been verified."""
    subnormals = "flush" if flush else "keep"
    return QuantizeConfig(format=fmt.name, lanes=lanes, source=source, subnormals=subnormals).path()


def _unregistered(m: Module) -> Pipeline:
    return Pipeline(m, cuts=("exponent", "aligned", "peak"), registers=0, enable=Const(1), valid=Const(1))


class BlockConverter(wiring.Component):
    """A whole block of values to a packed block at once: one lane per value, to nearest even, `floor` scale."""

    def __init__(self, fmt: BlockFormat, source: str = "fp32", *, flush: bool = False) -> None:
        self._path = _path(fmt, fmt.block, source, flush=flush)
        values = data.ArrayLayout(self._path.source, fmt.block)
        super().__init__({"values": In(values), "block": Out(block_layout(fmt))})

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        encoded = self._path.whole_block(m, _unregistered(m), Const(1), list(self.values), [])
        m.d.comb += self.block.eq(Cat(encoded.elements, encoded.microexponents, encoded.exponent))
        return m


class ValueConverter(wiring.Component):
    """One group of values a cycle: what a converter of one lane has besides the buffer that its values wait in.

    A group is one value, or the values that share a microexponent. `arriving` joins the running peak of the block that
    comes in, `leaving` is rounded under the peak of the block before. Counters and handshakes are not in it.
    """

    def __init__(self, fmt: BlockFormat) -> None:
        self._format, lanes = fmt, fmt.subblock if fmt.microexponents else 1
        group = data.ArrayLayout(FP32, lanes)
        peak = _path(fmt, lanes).geometry.peak_fraction_bits + FP32.exponent_bits
        super().__init__(
            {
                "arriving": In(group),
                "first": In(1),
                "running_peak": In(peak),
                "next_peak": Out(peak),
                "leaving": In(group),
                "block_peak": In(peak),
                "elements": Out(lanes * fmt.element.bits + fmt.microexponent_bits),
                "exponent": Out(fmt.scale.bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        path = _path(self._format, len(list(self.arriving)))
        arriving, leaving = list(self.arriving), list(self.leaving)
        peak = find_peak(m, arriving, path.geometry, name="beat")
        joined: Value = combine_peaks(self.running_peak, peak, path.geometry)
        encoded = path.connect(
            m,
            _unregistered(m),
            Const(1),
            path.read(leaving),
            [],
            path.shared_exponent(m, self.block_peak),
        )
        m.d.comb += [
            self.next_peak.eq(Mux(self.first, peak, joined)),
            self.elements.eq(Cat(encoded.elements, encoded.microexponents)),
            self.exponent.eq(encoded.exponent),
        ]
        return m
