"""The Gecko encoder alone and before the decoder: legal metadata, and the same rows at the other end.

One tensor of one or two rows, any width, mode and bias: the row that the row code refers to and one that refers to it.
"""

from collections.abc import Iterator

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from amaranth.lib.fifo import SyncFIFO

from hdl.gecko.config import DELTA, FIXED, LANES, ROWS
from hdl.gecko.decoder import GeckoDecoder, GeckoDecoderConfig
from hdl.gecko.encoder import GeckoEncoder, GeckoEncoderConfig
from tb.formal.links import attach
from tb.formal.methods import Bounded
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["loop_proofs"]

_TENSOR_ROWS = 2


def loop_proofs() -> Iterator[Proof]:
    """Every proof of this file."""
    yield Proof(
        name="gecko_encoder.legal_metadata",
        claim="no width field above ne - 1 and no mode field but 0, in words of up to 8 rows, after any stalls",
        method=Bounded(13),
        design=_legal_metadata,
        bugs=("width one long",),
    )
    yield Proof(
        name="gecko_loop.lossless",
        claim="encoder to decoder: every tensor of 1..16 values, every ne, mode and bias, comes back; no error flag",
        method=Bounded(11),
        design=_loop,
        bugs=("no code for -H", "width one long", "last row lost"),
    )


def _tensor(setup: Setup) -> tuple[Value, Value, Value]:
    """ne - 1, mode and bias of the one tensor: anything that is legal and coded."""
    ne_minus_1, mode, bias = setup.constant("ne_minus_1", 3), setup.constant("mode", 2), setup.constant("bias", 8)
    setup.assume((ne_minus_1 != 0) & ((mode == DELTA) | (mode == FIXED)) & ((bias & ~_legal(ne_minus_1)) == 0))
    return ne_minus_1, mode, bias


def _legal(ne_minus_1: Value) -> Value:
    """Ones where an exponent code of ne bits has bits."""
    return ((Const(2, 9) << ne_minus_1) - 1)[:8]


def _longer_width(word: Value, row: int) -> Value:
    """A planted bug: the width field of a row is one too long."""
    return word + (1 << 3 * row)


def _legal_metadata(bug: str | None) -> Setup:
    setup = Setup()
    links = attach(setup, GeckoEncoder(GeckoEncoderConfig(pipeline=0)))
    ne_minus_1, mode, bias = _tensor(setup)
    tensor, word = links["tensor"].payload, links["meta"].payload.word
    setup.assume((tensor.ne_minus_1 == ne_minus_1) & (tensor.mode == mode) & (tensor.bias == bias))
    if bug:
        word = _longer_width(word, ROWS - 1)  # shows in whole groups only, so the bound reaches those
    for row in range(ROWS):
        highest = Mux(mode == DELTA, 0, ne_minus_1) if row == 0 else ne_minus_1
        setup.check(~links["meta"].valid | (word.word_select(row, 3) <= highest))
    return setup


def _loop(bug: str | None) -> Setup:
    setup = Setup()
    m = setup.m
    m.submodules.encoder = encoder = GeckoEncoder(GeckoEncoderConfig(pipeline=0))
    m.submodules.decoder = decoder = GeckoDecoder(GeckoDecoderConfig(pipeline=0))
    # Metadata leave the encoder with the last row of their group: until then rows wait here.
    m.submodules.waiting = waiting = SyncFIFO(width=8 * LANES, depth=_TENSOR_ROWS)
    ne_minus_1, mode, bias = _tensor(setup)
    length = setup.constant("length", range(LANES * _TENSOR_ROWS + 1))
    setup.assume((length != 0) & (length <= LANES * _TENSOR_ROWS))
    rows = Array(setup.constant(f"row_{r}", 8 * LANES) for r in range(_TENSOR_ROWS))

    offered, taken = Signal(2), Signal(2)  # rows
    for unit in (encoder, decoder):
        given = Signal(name="given")
        m.d.sync += given.eq(given | unit.tensor.ready)
        m.d.comb += [
            unit.tensor.valid.eq(~given),
            unit.tensor.p.ne_minus_1.eq(ne_minus_1),
            unit.tensor.p.mode.eq(mode),
            unit.tensor.p.bias.eq(bias),
        ]
    last = length <= (offered + 1) * LANES
    ended = Signal()
    m.d.comb += [
        decoder.tensor.p.length.eq(length),
        encoder.i.valid.eq(~ended),
        encoder.i.p.exponent.eq(rows[offered]),
        encoder.i.p.count.eq(Mux(last, length - offered * LANES, LANES)),
        encoder.i.p.last.eq(last),
    ]
    with m.If(encoder.i.valid & encoder.i.ready):
        m.d.sync += [offered.eq(offered + 1), ended.eq(last)]

    codes = [Value.cast(code) for code in encoder.o.p.code]
    word = encoder.meta.p.word
    if bug == "no code for -H":
        codes = [Mux(code == 1, 0, code) for code in codes]
    elif bug == "width one long":
        word = _longer_width(word, 1)
    m.d.comb += [
        waiting.w_data.eq(Cat(codes)),
        waiting.w_en.eq(encoder.o.valid & ~(encoder.o.p.last & Const(bug == "last row lost"))),
        encoder.o.ready.eq(waiting.w_rdy),
        decoder.i.p.code.eq(waiting.r_data),
        decoder.i.valid.eq(waiting.r_rdy),
        waiting.r_en.eq(decoder.i.ready),
        decoder.meta.p.word.eq(word),
        decoder.meta.valid.eq(encoder.meta.valid),
        encoder.meta.ready.eq(decoder.meta.ready),
        decoder.o.ready.eq(1),
    ]

    out = decoder.o
    with m.If(out.valid):
        m.d.sync += taken.eq(taken + 1)
    here = rows[taken]
    for c in range(LANES):
        present = length > taken * LANES + c
        sent = here.word_select(c, 8) & _legal(ne_minus_1)
        setup.check(~out.valid | (out.p.exponent[c] == Mux(present, sent, 0)))
    setup.check(~out.valid | (~out.p.error & (out.p.last == (length <= (taken + 1) * LANES))))
    # The whole tensor is back before the bound is reached: nothing above holds for want of rows.
    age = Signal(range(16))
    m.d.sync += age.eq(age + 1)
    setup.check((age < 8) | (taken * LANES >= length))
    return setup
