"""The lanes behind a block's shared exponent: microexponents, alignment, (a pipeline cut), rounding."""

from dataclasses import dataclass
from types import SimpleNamespace

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.formats import BlockFormat, Rounding, ScaleRule
from hdl.arith.bits import reduce_tree
from hdl.arith.xorshift import XorshiftLanes
from hdl.convert.element import AlignElement, RoundElement
from hdl.convert.minifloat import AlignMinifloat, RoundMinifloat
from hdl.convert.peak import find_peak
from hdl.convert.scale import GroupExponent, clamp_exponent, microexponent
from hdl.layouts import FloatLayout
from hdl.stream import Pipeline

__all__ = ["ElementPath"]


@dataclass(frozen=True, slots=True)
class ElementPath:
    """What whole-block and serial converters share.

    `random_bits` is 0 unless rounding is SR; `seed` is None where the random words come in from outside.
    """

    source: FloatLayout
    fmt: BlockFormat
    rounding: Rounding
    rule: ScaleRule
    lanes: int
    random_bits: int
    seed: int | None

    def poison(self, values: list[data.View]) -> Value:
        """Whether any of the values is a NaN or an infinity."""
        return reduce_tree(lambda a, b: a | b, [value.exponent.all() for value in values])

    def shared_exponent(self, m: Module, peak: Value, poison: Value) -> Signal:
        """The exponent behind a block's stored code."""
        m.submodules.exponent = group = GroupExponent(self.source, self.fmt, self.rule)
        m.d.comb += group.peak.eq(peak)
        return clamp_exponent(m, group, poison, self.fmt)

    def whole_block(
        self, m: Module, pipe: Pipeline, enable: Value, values: list[data.View], words: list[Value], poison: Value
    ) -> SimpleNamespace:
        """What `connect` gives of all values of a block at once; cuts "peak" and "exponent" lie before it."""
        peak = find_peak(m, values, self.rule, name="block")
        stage = pipe.cut("peak", peak=peak, poison=poison, values=values, words=words)
        exponent = self.shared_exponent(m, stage.peak, stage.poison)
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
        """Stored `elements`, `microexponents` and `exponent` code; they and `along` pass the cut named "aligned"."""
        poison = exponent == self.fmt.scale.highest + 1
        stored = Signal(self.fmt.scale.bits, name="stored_exponent")
        m.d.comb += stored.eq(exponent + self.fmt.scale.bias)
        shared = self._microexponents(m, values, exponent, poison)
        align_kind, round_kind = (
            (AlignMinifloat, RoundMinifloat) if self.fmt.element.is_float else (AlignElement, RoundElement)
        )
        aligned: dict[str, list[Value]] = {"magnitude": [], "overflow": []}
        if self.fmt.element.is_float:
            aligned["biased"] = []
        for k, value in enumerate(values):
            m.submodules[f"align_{k}"] = align = align_kind(self.source, self.fmt, self.rounding, self.random_bits)
            m.d.comb += [
                align.value_exponent.eq(value.exponent),
                align.value_fraction.eq(value.fraction[-len(align.value_fraction) :]),
                align.exponent.eq(exponent - shared[k // self.fmt.subblock] if shared else exponent),
            ]
            for name, outputs in aligned.items():
                outputs.append(getattr(align, name))
        stage = pipe.cut(
            "aligned",
            **aligned,
            sign=[value.sign for value in values],
            random=words,
            poison=poison,
            microexponents=shared,
            exponent=stored,
            **along,
        )

        words = self._draw(m, enable & pipe.valid) if self.seed is not None else stage.random
        elements = []
        for k in range(len(values)):
            m.submodules[f"round_{k}"] = rounder = round_kind(self.fmt, self.rounding, self.random_bits)
            m.d.comb += [getattr(rounder, name).eq(getattr(stage, name)[k]) for name in (*aligned, "sign")]
            m.d.comb += rounder.poison.eq(stage.poison)
            if words:
                m.d.comb += rounder.random.eq(words[k])
            elements.append(Value.cast(rounder.element))
        return SimpleNamespace(elements=elements, **{k: v for k, v in vars(stage).items() if k not in aligned})

    def _microexponents(self, m: Module, values: list[data.View], exponent: Value, poison: Value) -> list[Signal]:
        """One for every group of values that shares one; none where the format has none."""
        found = []
        size = self.fmt.subblock
        for k in range(len(values) // size if self.fmt.microexponents else 0):
            m.submodules[f"pair_{k}"] = pair = GroupExponent(self.source, self.fmt, self.rule)
            m.d.comb += pair.peak.eq(find_peak(m, values[k * size : (k + 1) * size], self.rule, name=f"pair_{k}"))
            found.append(microexponent(m, pair, exponent, poison, self.fmt, name=f"pair_{k}"))
        return found

    def _draw(self, m: Module, draw: Value) -> list[Value]:
        assert self.seed is not None
        m.submodules.xorshift = xorshift = XorshiftLanes(self.lanes, self.random_bits, self.seed)
        m.d.comb += xorshift.draw.eq(draw)
        return list(xorshift.words)
