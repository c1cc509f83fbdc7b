"""Packer and unpacker of the lanes back to back: every field comes back from the beats, and every beat has an owner.

A few fields of any widths and contents, cut into tensors in any way, all packed before the first is unpacked.
Lanes share nothing but these widths, so one of them stands for all.
"""

from collections.abc import Iterator
from functools import partial

from amaranth.hdl import Array, Const, Mux, Signal
from amaranth.lib.fifo import SyncFIFO

from hdl.gecko.packer import LanePacker
from hdl.gecko.unpacker import LaneUnpacker
from tb.formal.methods import Bounded
from tb.formal.proof import Proof
from tb.formal.setup import Setup

__all__ = ["lane_proofs"]


def lane_proofs() -> Iterator[Proof]:
    """Every proof of this file."""
    for name, word_bits, fields in (("bf16", 16, 4), ("fp32", 32, 2)):
        yield Proof(
            name=f"gecko_lanes.{name}",
            claim=f"lane packer to unpacker, words of {word_bits} bits: any {fields} fields of 0..{word_bits} bits in"
            f" 1..{fields} tensors come back; no beat is lacking or left over",
            method=Bounded(_cycles(fields) + 1),
            design=partial(_lanes, word_bits, fields),
            bugs=("top bit of a beat lost", "flush lost", "rotated one bit less"),
        )


def _cycles(fields: int) -> int:
    return 3 * fields + 2  # a field goes in, a flush follows; a field comes out


def _lanes(word_bits: int, fields: int, bug: str | None) -> Setup:
    setup = Setup()
    m = setup.m
    field = Array(setup.constant(f"field_{k}", word_bits) for k in range(fields))
    bits = Array(setup.constant(f"bits_{k}", range(word_bits + 1)) for k in range(fields))
    lasts = Array([*(setup.constant(f"last_{k}", 1) for k in range(fields - 1)), Const(1)])
    for k in range(fields):
        setup.assume((bits[k] <= word_bits) & (field[k] >> bits[k] == 0))

    m.submodules.packer = packer = LanePacker(word_bits)
    m.submodules.beats = beats = SyncFIFO(width=word_bits, depth=fields)
    packed, tensor, counted = Signal(range(fields + 1)), Signal(range(fields + 1)), Signal(range(fields + 1))
    counts = Array(Signal(range(fields + 1), name=f"beats_{k}") for k in range(fields))
    beat = packer.beat[0]
    if bug == "top bit of a beat lost":
        beat = beat[:-1]
    elif bug == "rotated one bit less":
        beat = Mux(packer.flushing, beat.rotate_right(1), beat)
    leaves = packer.beat_valid & ~(packer.flushing & Const(bug == "flush lost"))
    m.d.comb += [
        packer.enable.eq(1),
        packer.valid.eq(packed < fields),
        packer.field[0].eq(field[packed]),
        packer.bits.eq(bits[packed]),
        packer.last.eq(lasts[packed]),
        beats.w_data.eq(beat),
        beats.w_en.eq(leaves),
    ]
    with m.If(packer.valid & ~packer.flushing):
        m.d.sync += packed.eq(packed + 1)
    m.d.sync += counted.eq(counted + leaves)
    with m.If(packer.ends):
        m.d.sync += [counts[tensor].eq(counted + leaves), tensor.eq(tensor + 1), counted.eq(0)]

    m.submodules.unpacker = unpacker = LaneUnpacker(word_bits)
    unpacked, number, inside = Signal(range(fields + 1)), Signal(range(fields + 1)), Signal()
    last = lasts[unpacked]
    m.d.comb += [
        unpacker.data.p.word[0].eq(beats.r_data),
        unpacker.data.valid.eq(beats.r_rdy),
        beats.r_en.eq(unpacker.data.ready),
        unpacker.enable.eq(1),
        unpacker.valid.eq((packed == fields) & ~packer.flushing & (unpacked < fields)),
        unpacker.begins.eq(~inside),
        unpacker.beats.eq(counts[number]),
        unpacker.bits.eq(bits[unpacked]),
        unpacker.last.eq(last),
    ]
    comes = unpacker.valid & unpacker.go
    with m.If(comes):
        m.d.sync += [unpacked.eq(unpacked + 1), number.eq(number + last), inside.eq(~last)]
    within = (Const(1, word_bits + 1) << bits[unpacked]) - 1
    setup.check(~comes | (~unpacker.error & ((unpacker.field[0] & within) == field[unpacked])))
    limit = _cycles(fields)
    age = Signal(range(limit + 1))
    m.d.sync += age.eq(age + (age < limit))
    setup.check((age < limit) | ((unpacked == fields) & ~beats.r_rdy))
    return setup
