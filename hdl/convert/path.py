"""The lanes behind a block's shared exponent: microexponents, alignment, (a pipeline cut), rounding."""

from dataclasses import dataclass
from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

from golden.formats import BlockFormat, Rounding, ScaleRule
from hdl.arith.xorshift import XorshiftLanes
from hdl.convert.element import AlignElement, RoundElement
from hdl.convert.group import find_microexponent, raise_magnitude
from hdl.convert.minifloat import AlignMinifloat, RoundMinifloat
from hdl.convert.peak import find_peak
from hdl.convert.reference import Geometry, Reference
from hdl.convert.scale import PeakExponent, clamp_exponent
from hdl.layouts import FloatLayout
from hdl.stream import Pipeline

__all__ = ["ElementPath"]


@dataclass(frozen=True, slots=True)
class ElementPath:
    """What whole-block and serial converters share.

    `random_bits` is 0 unless rounding is SR; `seed` is None where the random words come in from outside; `flush` takes
    subnormal values for zeros.
    """

    source: FloatLayout
    fmt: BlockFormat
    rounding: Rounding
    rule: ScaleRule
    lanes: int
    random_bits: int
    seed: int | None
    flush: bool = False

    @property
    def geometry(self) -> Geometry:
        """How far values lie apart, and how many bits that takes."""
        return Geometry(self.source, self.fmt, self.rounding, self.rule, self.random_bits, self.flush)

    def shared_exponent(self, m: Module, peak: Value, poison: Value | None = None) -> Signal:
        """The exponent behind a block's stored code; without `poison`, NaNs and infinities show in the peak."""
        m.submodules.exponent = find = PeakExponent(self.geometry)
        m.d.comb += Cat(find.fraction, find.field).eq(peak)
        if poison is None:
            poison = peak[-self.source.exponent_bits :].all()
        return clamp_exponent(m, find, poison, self.fmt)

    def read(self, values: list[data.View]) -> list[data.View]:
        """Values, without the bits that their lanes do not look at."""
        narrow = FloatLayout("read", self.source.exponent_bits, self.geometry.fraction_bits)
        return [data.View(narrow, value.as_value()[-narrow.size :]) for value in values]

    def whole_block(
        self, m: Module, pipe: Pipeline, enable: Value, values: list[data.View], words: list[Value], **poison: Value
    ) -> SimpleNamespace:
        """What `connect` gives of all values of a block at once; cuts "peak" and "exponent" lie before it.

        `poison=` as of `shared_exponent`.
        """
        peak, values = find_peak(m, values, self.geometry, name="block"), self.read(values)
        stage = pipe.cut("peak", peak=peak, values=values, words=words, **poison)
        exponent = self.shared_exponent(m, stage.peak, **{name: getattr(stage, name) for name in poison})
        stage = pipe.cut("exponent", exponent=exponent, values=stage.values, words=stage.words)
        return self.connect(m, pipe, enable, stage.values, stage.words, stage.exponent)

    def connect(
        self,
        m: Module,
        pipe: Pipeline,
        enable: Value,
        values: list[data.View],
        words: list[Value],
        exponent: Value,
        **along: Value,
    ) -> SimpleNamespace:
        """Stored `elements`, `microexponents` and `exponent` code; they and `along` pass the cut named "aligned".

        `values` as `read` gives them.
        """
        is_float = self.fmt.element.is_float
        m.submodules.reference = reference = Reference(self.geometry)
        stored = Signal(self.fmt.scale.bits, name="stored_exponent")
        m.d.comb += [reference.exponent.eq(exponent), stored.eq(exponent + self.fmt.scale.bias)]
        outputs = ["magnitude", *(["field"] if is_float else []), *(["overflow"] if self.geometry.exceeds else [])]
        aligned: dict[str, list[Value]] = {name: [] for name in outputs}
        for k, value in enumerate(values):
            m.submodules[f"align_{k}"] = align = (AlignMinifloat if is_float else AlignElement)(self.geometry)
            m.d.comb += [
                align.value_exponent.eq(value.exponent),
                align.value_fraction.eq(value.fraction),
            ]
            m.d.comb += [getattr(align, name).eq(getattr(reference, name)) for name in self.geometry.shared]
            for name in outputs:
                aligned[name].append(getattr(align, name))
        shared = self._microexponents(m, aligned, reference.poison) if self.fmt.microexponents else []
        stage = pipe.cut(
            "aligned",
            **aligned,
            sign=[value.sign for value in values],
            random=words,
            poison=[reference.poison] if is_float else [],
            microexponents=shared,
            exponent=stored,
            **along,
        )

        words = self._draw(m, enable & pipe.valid) if self.seed is not None else stage.random
        elements = []
        for k in range(len(values)):
            m.submodules[f"round_{k}"] = rounder = (RoundMinifloat if is_float else RoundElement)(self.geometry)
            m.d.comb += [getattr(rounder, name).eq(getattr(stage, name)[k]) for name in (*aligned, "sign")]
            if words:
                m.d.comb += rounder.random.eq(words[k])
            if is_float:
                m.d.comb += rounder.poison.eq(stage.poison[0])
            elements.append(rounder.element)
        return SimpleNamespace(elements=elements, **{k: v for k, v in vars(stage).items() if k not in aligned})

    def _microexponents(self, m: Module, aligned: dict[str, list[Value]], poison: Value) -> list[Signal]:
        """One for every group of values that shares one; their magnitudes are replaced by those under it."""
        found: list[Signal] = []
        size, magnitudes = self.fmt.subblock, aligned["magnitude"]
        for k in range(0, len(magnitudes), size):
            group = slice(k, k + size)
            overflows = aligned.get("overflow", [])[group]
            name = f"group_{k // size}"
            t = find_microexponent(m, magnitudes[group], overflows, poison, self.geometry, name=name)
            magnitudes[group] = [
                raise_magnitude(m, value, t, self.geometry, name=f"{name}_raised") for value in magnitudes[group]
            ]
            found.append(t)
        return found

    def _draw(self, m: Module, draw: Value) -> list[Value]:
        assert self.seed is not None
        m.submodules.xorshift = xorshift = XorshiftLanes(self.lanes, self.random_bits, self.seed)
        m.d.comb += xorshift.draw.eq(draw)
        return list(xorshift.words)
