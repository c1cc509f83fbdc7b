"""The decoders' error flag: raised exactly where the golden decoder raises it, whatever the metadata and facts are.

Two tensors in a row, the second of which must owe nothing to the first; codes and beats hold anything. Once without
pauses, the first tensor with up to nine rows, so that a whole group and a short one behind it are among them; and once
with pauses on every side at any time, and up to two rows and one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib import wiring

from hdl.gecko.config import DELTA, FIXED, LANES, RAW, ROWS
from hdl.gecko.decoder import GeckoDecoder, GeckoDecoderConfig
from hdl.gecko.unpack import ContainerUnpack, ContainerUnpackConfig
from tb.formal.methods import Bounded
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["error_proofs", "field_limit", "illegal_facts"]

_WHOLE, _SHORT = (LANES * (ROWS + 1), LANES * 2), (LANES * 2, LANES)  # values of the two tensors, at most
# Cycles that they take where nobody pauses: rows, masks, latency. Beats left over, one a cycle, come on top.
_STEPS = {_WHOLE: 11 + 3 + 7, _SHORT: 3 + 2 + 7}
_SURPLUS = 1  # how many of them may be
_PAUSED = 9  # cycles
# Bugs of a decoder that takes something illegal for legal.
_BLIND = (
    "width above ne - 1 not seen",
    "mode field not seen",
    "field of a missing row not seen",
    "bias above ne bits not seen",
)


def error_proofs() -> Iterator[Proof]:
    """Every proof of this file. Units with zero masks: a tensor need not have one."""
    why = "metadata or tensor facts so far are illegal"
    yield Proof(
        name="gecko_decoder_masked.errors",
        claim=f"tensors of 0..72 and 0..16 values, no stalls: error on a row iff {why}; every row comes anyway",
        method=Bounded(_STEPS[_WHOLE] + 1),
        design=partial(_errors, _decoder, _WHOLE, False),
        bugs=(*_BLIND, "flag falls after its group", "flag outlives its tensor", "word lost"),
    )
    yield Proof(
        name="gecko_decoder_masked.errors_stalled",
        claim=f"tensors of 0..16 and 0..8 values, any stalls: error on a row iff {why}",
        method=Bounded(_PAUSED),
        design=partial(_errors, _decoder, _SHORT, True),
        bugs=(*_BLIND, "flag outlives its tensor"),
    )
    yield Proof(
        name="container_unpack_masked.errors",
        claim=f"tensors of 0..16 and 0..8 values, no stalls: error on a row iff {why}, or beats are lacking or left"
        " over; every row comes anyway",
        method=Bounded(_STEPS[_SHORT] + _SURPLUS + 1),
        design=partial(_errors, _unpack, _SHORT, False),
        bugs=(*_BLIND, "flag outlives its tensor", "word lost", "beats miscounted"),
    )


def _decoder() -> GeckoDecoder:
    return GeckoDecoder(GeckoDecoderConfig(zero_mask="on"))


def _unpack() -> ContainerUnpack:
    return ContainerUnpack(ContainerUnpackConfig(source="bf16", zero_mask="on"))


def field_limit(row: int, tensor: Any, values: Value) -> Value:
    """The largest legal value of a metadata field, `values` of the tensor being left from its group on (gecko.md 3)."""
    widest: Value = tensor.ne_minus_1
    if row == 0:
        widest = Mux(tensor.mode == DELTA, _masking(tensor), widest)
    return Mux(values > LANES * row, widest, 0)


def illegal_facts(tensor: Any, fraction_bits: int | None) -> Value:
    """What gecko.md 4 rejects in a descriptor; `fraction_bits` of a container's values, None without a container."""
    wrong = (tensor.mode == 3) | (tensor.bias >= Const(2, 9) << tensor.ne_minus_1)
    wrong |= ((tensor.mode == DELTA) | (tensor.mode == FIXED)) & (tensor.ne_minus_1 == 0)
    wrong |= (tensor.mode == RAW) & _masking(tensor)
    if fraction_bits is not None:
        wrong |= (tensor.mantissa_bits > fraction_bits) | ((tensor.ne_minus_1 == 7) & (tensor.offset != 0))
    return wrong


def _masking(tensor: Any) -> Value:
    return tensor.zero_mask if "zero_mask" in tensor.shape().members else Const(0, 1)


def _any(conditions: Iterable[Value]) -> Value:
    return reduce(lambda a, b: a | b, conditions, Const(0, 1))


class _Given:
    """A tensor of the solver's choosing, with its metadata words."""

    def __init__(self, setup: Setup, name: str, unit: wiring.Component, longest: int) -> None:
        self.facts = facts = setup.constant(f"facts_{name}", unit.tensor.payload.shape())
        setup.assume(facts.length <= longest)
        self.length = facts.length[: longest.bit_length()]
        self.words = [setup.constant(f"word_{name}{g}", 3 * ROWS) for g in range(-(-longest // (LANES * ROWS)))]
        self._lefts = [Mux(self.length > start, self.length - start, 0) for start in map(self._start, self._groups)]
        coded = (facts.mode == DELTA) | (facts.mode == FIXED)
        self.has_word = [coded & (self.length > self._start(g)) for g in self._groups]
        value = unit.o.payload.shape().members.get("value")
        self.illegal = illegal_facts(facts, value.elem_shape.fraction_bits if value else None)

    @property
    def _groups(self) -> range:
        return range(len(self.words))

    @staticmethod
    def _start(group: int) -> int:
        return LANES * ROWS * group

    def fields(self, group: int) -> list[tuple[Value, Value]]:
        """The metadata fields of a group, with their limits."""
        word, left = self.words[group], self._lefts[group]
        return [(word.word_select(r, 3), field_limit(r, self.facts, left)) for r in range(ROWS)]

    def words_seen(self, bug: str | None) -> list[Value]:
        """The words as the decoder gets them: what a blind one does not see is made legal before it comes."""
        return [Cat(self._seen(group, r, bug) for r in range(ROWS)) for group in self._groups]

    def _seen(self, group: int, r: int, bug: str | None) -> Value:
        field, limit = self.fields(group)[r]
        missing = self._lefts[group] <= LANES * r
        mode_field = (self.facts.mode == DELTA) & (r == 0)
        hidden = dict(zip(_BLIND, (~missing & ~mode_field, mode_field & ~missing, missing), strict=False))
        return Mux((field > limit) & hidden.get(str(bug), Const(0, 1)), limit, field)[:3]

    def wrong(self, row: Value) -> Value:
        """Whether the facts, or a word up to that of this row's group, are illegal."""
        words = (
            self.has_word[g] & (row >= ROWS * g) & _any(field > limit for field, limit in self.fields(g))
            for g in self._groups
        )
        return self.illegal | _any(words)

    def bits(self, row: Value) -> Value:
        """Bits that a row of a container takes in a lane, its group's mask counted with row 0."""
        facts, place, word = self.facts, row[:3], Array(self.words)[row[3:]]
        delta, fixed = facts.mode == DELTA, facts.mode == FIXED
        field = word.word_select(place, 3)
        width = Mux(field > facts.ne_minus_1, facts.ne_minus_1, field)
        code = Mux(fixed | (delta & (place != 0)), width + width.any(), facts.ne_minus_1 + 1)
        has_mask = _masking(facts) & (place == 0) & (fixed | (delta & (word[:3] == 1)))
        return Mux(self.length == 0, 0, code + facts.mantissa_bits + ~facts.sign_elided + Mux(has_mask, ROWS, 0))


def _errors(make: Callable[[], wiring.Component], longest: tuple[int, int], pauses: bool, bug: str | None) -> Setup:
    setup = Setup()
    m = setup.m
    m.submodules.unit = unit = make()
    a, b = (_Given(setup, name, unit, longest) for name, longest in zip("ab", longest, strict=True))
    mine, (after,) = a.words_seen(bug), b.words_seen(bug)
    words = [*(Mux(has, word, after) for has, word in zip(a.has_word, mine, strict=True)), after]
    unpacks = "data" in unit.signature.members
    codes = unit.data if unpacks else unit.i
    feed = partial(_feed, setup, pauses)
    taken = setup.free("taken") if pauses else Const(1)
    paused = (
        ~taken
        | feed(unit.tensor, [_facts_seen(setup, given.facts, bug) for given in (a, b)], Const(2))
        | feed(unit.meta, words, sum((*a.has_word, *b.has_word), Const(0, 1)), lost=bug == "word lost")
        | feed(codes, [Value.cast(setup.free("codes", codes.payload.shape()))])
    )

    # What comes out, row by row.
    out, row = unit.o, Signal(range(ROWS + 2))
    number, outlived = Signal(2), Signal()
    second = number == 1
    length, wrong = Mux(second, b.length, a.length), Mux(second, b.wrong(row), a.wrong(row))
    last, leaves = length <= LANES * (row + 1), out.valid & taken
    too_many: Value = Const(0, 1)
    if unpacks:
        before, beats = Signal(range(1024)), Mux(second, b.facts.beats, a.facts.beats)
        word_bits = unit.config.word_bits
        bits = before + Mux(second, b.bits(row), a.bits(row))
        needed = (bits + word_bits - 1) >> word_bits.bit_length() - 1
        wrong = wrong | (needed > beats) | (last & (needed < beats))
        # Of illegal facts nobody says what they need.
        too_many = leaves & last & (beats > Mux(Mux(second, b.illegal, a.illegal), 0, needed) + _SURPLUS)
        with m.If(leaves):
            m.d.sync += before.eq(Mux(last, 0, bits))
    m.d.comb += out.ready.eq(taken)
    with m.If(leaves):
        m.d.sync += [row.eq(Mux(last, 0, row + 1)), number.eq(number + last), outlived.eq(wrong)]

    error = {
        "flag falls after its group": out.p.error & (row < ROWS),
        "flag outlives its tensor": out.p.error | (outlived & (row == 0)),
    }.get(str(bug), out.p.error)
    count = Mux(last, length - LANES * row, LANES)
    setup.check(~out.valid | ((number < 2) & (error == wrong) & (out.p.last == last) & (out.p.count == count)))

    # No side has paused and beats enough have been there: both tensors are through.
    limit = _STEPS[longest] + _SURPLUS * unpacks
    excused, age = Signal(), Signal(range(limit + 1))
    m.d.sync += [excused.eq(excused | paused | too_many), age.eq(age + (age < limit))]
    setup.check((age < limit) | excused | (number == 2))
    return setup


def _facts_seen(setup: Setup, facts: Any, bug: str | None) -> Value:
    seen = Signal.like(facts, name="seen")
    setup.m.d.comb += seen.eq(facts)
    if bug == "bias above ne bits not seen":
        setup.m.d.comb += seen.bias.eq(facts.bias & ((Const(2, 9) << facts.ne_minus_1) - 1))
    elif bug == "beats miscounted":
        setup.m.d.comb += seen.beats.eq(facts.beats + 1)
    return Value.cast(seen)


def _feed(
    setup: Setup, pauses: bool, port: Any, items: Sequence[Value], total: Value | None = None, *, lost: bool = False
) -> Value:
    """Offer `items`, `total` of them (None: the only one, again and again); returns whether this is a pause.

    With `lost` the first one is taken and does not arrive.
    """
    offered, taken = setup.free("offered") if pauses else Const(1), Signal(range(len(items) + 1), name="taken")
    more = Const(1) if total is None else taken < total
    arrives = (taken != 0) | Const(not lost)
    setup.m.d.comb += [port.valid.eq(offered & more & arrives), Value.cast(port.payload).eq(Array(items)[taken])]
    if total is not None:
        with setup.m.If(offered & more & port.ready):
            setup.m.d.sync += taken.eq(taken + 1)
    return more & ~offered
