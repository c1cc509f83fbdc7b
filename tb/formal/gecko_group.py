"""The data paths of encoder and decoder face to face: a group's mask, its base row and any of its later rows.

What a row becomes depends on nothing else of its group, so these three steps stand for all rows: the coded row may be
any of the seven, and in mode fixed, where there is no base, row 0 is coded as well. Order and buffering of the rows are
not looked at here, and the mask is given: bits of other rows hold anything.
"""

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import data

from hdl.gecko.config import DELTA, FIXED, LANES, RAW, row_layout, tensor_layout
from hdl.gecko.decode import RowDecoder
from hdl.gecko.decoder import GeckoDecoderConfig
from hdl.gecko.encode import RowEncoder
from hdl.gecko.encoder import GeckoEncoderConfig
from hdl.gecko.group import present
from hdl.gecko.rows import lanes
from hdl.gecko.sequence import RowSequencer
from hdl.stream import Pipeline
from tb.formal.methods import Bounded
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["group_proofs"]


def group_proofs() -> Iterator[Proof]:
    """Every proof of this file."""
    delta = [("delta", DELTA, ne) for ne in range(2, 9)]
    for name, mode, ne in [("raw", RAW, None), *delta, ("fixed", FIXED, None)]:
        widths = f"of {ne}-bit codes" if ne else "of codes of every width"
        masks = "" if mode == RAW else ", every bias, with and without zero mask"
        bugs = ["code bit lost"]
        bugs += ["base row lost"] * (mode == DELTA)
        bugs += ["mask bit lost", "masked value widens its row"] * (mode != RAW)
        yield Proof(
            name=f"gecko_group.{name}" + (f"_ne{ne}" if ne else ""),
            claim=f"encoder's data path to decoder's: base row and any later row {widths} come back{masks}",
            method=Bounded(4),
            design=partial(_group, mode, ne),
            bugs=tuple(bugs),
        )


def _group(mode: int, ne: int | None, bug: str | None) -> Setup:
    setup = Setup()
    m = setup.m
    config = GeckoEncoderConfig(pipeline=0, zero_mask="on")
    facts = setup.constant("facts", tensor_layout(config))
    legal = ((Const(2, 9) << facts.ne_minus_1) - 1)[:8]
    setup.assume((facts.mode == mode) & ((facts.bias & ~legal) == 0))
    setup.assume(facts.ne_minus_1 != 0 if mode != RAW else facts.zero_mask == 0)
    if ne:
        setup.assume(facts.ne_minus_1 == ne - 1)

    # What is sent: the mask if there is one, row 0, a later row. Missing lanes hold 0, codes have ne bits.
    place, mask = setup.constant("place", 3), setup.constant("mask", lanes(8))
    rows = [setup.constant(f"row_{k}", row_layout(0)) for k in range(2)]
    setup.assume(place != 0)
    for k, row in enumerate(rows):
        here = present(row)
        setup.assume((row.count <= LANES) & (row.last | (row.count == LANES)))
        for c in range(LANES):
            setup.assume((row.exponent[c] & ~Mux(here[c], legal, 0)) == 0)
            is_zero = here[c] & (row.exponent[c] == 0) & facts.zero_mask
            setup.assume(mask[c].bit_select(place if k else Const(0, 3), 1) == is_zero)
    masked = facts.zero_mask & (Value.cast(mask).any() if mode == DELTA else Const(1))

    # The encoder's data path, as its group buffer feeds it.
    time = Signal(range(4))
    m.d.sync += time.eq(time + (time != 3))
    item = Signal(data.StructLayout({key: field.shape for key, field in row_layout(0)} | {"tensor": facts.shape()}))
    is_mask, valid, index = time == 0, (time != 3) & ((time != 0) | masked), Mux(time == 2, place, 0)
    row = Mux(time == 2, Value.cast(rows[1]), Value.cast(rows[0]))
    m.d.comb += item.eq(Cat(row, facts))
    source: Any = SimpleNamespace(
        item=item, index=Signal(3), valid=valid, is_mask=Signal(), mask=mask, masked=(time != 0) & masked
    )
    m.d.comb += [source.index.eq(index), source.is_mask.eq(is_mask)]
    pipe = Pipeline(m, cuts=("difference",), registers=0, enable=Const(1), valid=valid)
    stage = RowEncoder(config, source).code_rows(m, pipe, Const(1), count=item.count)
    code, width, exponents_mask = [Value.cast(code) for code in stage.code], stage.width, stage.is_mask
    if bug == "code bit lost":
        code = [c & ~(Const(1, 8) << (width - 1)[:3]) for c in code]
    elif bug == "base row lost":
        code = [Mux(time == 1, 0, c) for c in code]
    elif bug == "mask bit lost":
        code = [Mux(exponents_mask, c & 0xFE, c) for c in code]
    elif bug == "masked value widens its row":
        width = Mux((time == 2) & (width != 0) & masked, width - 1, width)[:4]

    # The decoder's, as its sequencer walks it through the same metadata field; bits above a code are noise.
    noise = setup.free("noise", lanes(8))
    m.submodules.sequencer = sequencer = RowSequencer(GeckoDecoderConfig(zero_mask="on"))  # for the layout of its steps
    step = Signal(sequencer.o.payload.shape())
    coded = (facts.mode == FIXED) | ((facts.mode == DELTA) & (index != 0))
    m.d.comb += [
        step.tensor.eq(facts),
        step.index.eq(index),
        step.is_mask.eq(is_mask),
        step.masked.eq(masked),
        step.coded.eq(coded),
        step.width.eq(width),
        step.count.eq(item.count),
    ]
    m.submodules.decoder = decoder = RowDecoder(step.shape())
    m.d.comb += [decoder.enable.eq(valid), decoder.step.eq(step)]
    m.d.comb += [decoder.code[c].eq(code[c] | (noise[c] & ~_ones(width))) for c in range(LANES)]
    for c in range(LANES):
        setup.check(~valid | is_mask | (decoder.exponent[c] == item.exponent[c]))
    # The width that the decoder reads off the field is the one that the code has.
    field = stage.field
    from_field = Mux(coded, Mux(field == 0, 0, field + 1), facts.ne_minus_1 + 1)
    setup.check(~valid | is_mask | ((field <= facts.ne_minus_1) & (stage.width == Mux(stage.exists, from_field, 0))))
    return setup


def _ones(width: Value) -> Value:
    return ((Const(1, 9) << width) - 1)[:8]
