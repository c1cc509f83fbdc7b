"""Proofs about Gecko: the row code is lossless and legal, the units keep their streams' rules."""

from collections.abc import Iterator
from functools import partial

from amaranth.hdl import Const, Mux, Signal, Value

from hdl.gecko.config import LANES
from hdl.gecko.rows import CodeRow, UndoRow
from tb.formal.methods import Combinational
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["gecko_proofs"]


def gecko_proofs() -> Iterator[Proof]:
    """Every proof of this file."""
    for ne in range(2, 9):
        yield Proof(
            name=f"gecko_row.delta_ne{ne}",
            claim=f"decode(encode(row)) = row for every row and base row of {ne}-bit exponent codes",
            method=Combinational(),
            design=partial(_round_trip, ne, False),
            bugs=("no code for -H", "width one short", "sign lost"),
        )
    for ne in range(2, 9):
        yield Proof(
            name=f"gecko_row.fixed_ne{ne}",
            claim=f"decode(encode(row)) = row for every row of {ne}-bit exponent codes and every bias",
            method=Combinational(),
            design=partial(_round_trip, ne, True),
            bugs=("no code for -H", "width one short"),
        )
    yield Proof(
        name="gecko_row.legal_width",
        claim="for every row and ne = 2..8: width <= ne - 1, codes fit it, and it is the least that they fit",
        method=Combinational(),
        design=_legal_width,
        bugs=("width one long", "no code for -H"),
    )


def _free_ne(setup: Setup) -> Signal:
    ne_minus_1 = setup.free("ne_minus_1", 3)
    setup.assume(ne_minus_1 != 0)
    return ne_minus_1


def _code_row(setup: Setup, difference: list[Value], ne_minus_1: Value, bug: str | None) -> tuple[list[Value], Value]:
    """Codes and width of a row as they enter the stream, perhaps with a planted bug."""
    setup.m.submodules.code_row = coder = CodeRow()
    setup.m.d.comb += coder.ne_minus_1.eq(ne_minus_1)
    setup.m.d.comb += [coder.difference[c].eq(value) for c, value in enumerate(difference)]
    codes, width = list(coder.code), coder.width
    if bug == "no code for -H":
        codes = [Mux(code == 1, 0, code) for code in codes]
    elif bug == "sign lost":
        codes = [code & 0xFE for code in codes]
    elif bug == "width one short":
        width = Mux(width == ne_minus_1, width - 1, width)[:3]
    elif bug == "width one long":
        width = Mux((coder.code[0] == 1) & (ne_minus_1 != 7), width + 1, width)[:3]
    return codes, width


def _round_trip(ne: int, shared_base: bool, bug: str | None) -> Setup:
    setup = Setup()
    m = setup.m
    exponents = [setup.free(f"exponent_{c}", ne) for c in range(LANES)]
    bases = [setup.free("bias", ne)] * LANES if shared_base else [setup.free(f"base_{c}", ne) for c in range(LANES)]
    ne_minus_1 = Const(ne - 1, 3)
    codes, width = _code_row(setup, [(e - b)[:8] for e, b in zip(exponents, bases, strict=True)], ne_minus_1, bug)
    m.submodules.undo_row = undo = UndoRow()
    m.d.comb += undo.ne_minus_1.eq(ne_minus_1)
    for c in range(LANES):
        m.d.comb += [undo.code[c].eq(codes[c] & _field_mask(width)), undo.base[c].eq(bases[c])]
        setup.check(undo.exponent[c] == exponents[c])
    return setup


def _field_mask(width: Value) -> Value:
    """Ones where a row of this width field has code bits: width + 1 of them, or none."""
    return Mux(width == 0, 0, (Const(2, 9) << width) - 1)[:8]


def _legal_width(bug: str | None) -> Setup:
    setup = Setup()
    ne_minus_1 = _free_ne(setup)
    codes, width = _code_row(setup, [setup.free(f"difference_{c}", 8) for c in range(LANES)], ne_minus_1, bug)
    setup.check(width <= ne_minus_1)
    needed = width == 0
    for code in codes:
        setup.check((code & ~_field_mask(width)) == 0)
        minus_zero = code == 1
        needed = needed | code.bit_select(width, 1) | (minus_zero & (width == ne_minus_1))
    setup.check(needed)
    return setup
