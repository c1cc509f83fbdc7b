"""Parts of the Gecko hardware in Amaranth's simulator, against plain integers."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from hdl_gecko_support import evaluate, flat

from golden.gecko import reference
from golden.gecko.descriptor import LANES
from hdl.gecko.bits import bit_length, ones_below, rotate_left, rotate_right
from hdl.gecko.packer import LanePacker
from hdl.gecko.rows import CodeRow, UndoRow
from hdl.gecko.unpacker import LaneUnpacker


def test_bit_leaves():
    m, value, count, amount = Module(), Signal(8), Signal(range(9)), Signal(3)
    outputs = [bit_length(value), ones_below(count, 8)]
    outputs += [rotate(m, value, amount, name=rotate.__name__) for rotate in (rotate_left, rotate_right)]
    rows = [(v, v % 9, v * 5 % 8) for v in range(256)]
    for (v, n, k), seen in zip(rows, evaluate(m, [value, count, amount], outputs, rows), strict=True):
        twice = v | v << 8
        assert seen == [v.bit_length(), (1 << n) - 1, (twice << k >> 8) & 255, (twice >> k) & 255]


@pytest.mark.parametrize("ne", range(2, 9))
def test_row_code_against_the_reference(ne):
    m = Module()
    m.submodules.code = code = CodeRow()
    m.submodules.undo = undo = UndoRow()
    base = Signal(8)
    m.d.comb += [undo.code.eq(code.code), undo.ne_minus_1.eq(code.ne_minus_1)]
    m.d.comb += [undo.base[c].eq(base) for c in range(LANES)]
    rng, size = random.Random(ne), 1 << ne
    # Every difference alone and beside small ones, noise above ne bits, some rows within few bits.
    rows = [[d if c == d % LANES else rng.choice([0, 1, size - 1]) for c in range(LANES)] for d in range(size)]
    rows += [[d if c == d % LANES else 0 for c in range(LANES)] for d in range(size)]
    rows += [[rng.randrange(-(1 << k % ne), (1 << k % ne)) % size for _ in range(LANES)] for k in range(8 * ne)]
    noisy = [[d | rng.randrange(256) >> ne << ne for d in row] for row in rows]
    bases = [rng.randrange(size) for _ in rows]
    inputs = [code.difference, code.ne_minus_1, base]
    outputs = [code.code, code.width, undo.exponent]
    seen = evaluate(m, inputs, outputs, [(row, ne - 1, b) for row, b in zip(noisy, bases, strict=True)])
    for row, b, (codes, width, exponents) in zip(rows, bases, seen, strict=True):
        wanted = reference._row_code([(b + d) % size for d in row], [b] * LANES, [True] * LANES, ne)
        assert (width, [codes[c] for c in range(LANES)]) == wanted
        assert [exponents[c] for c in range(LANES)] == [(b + d) % size for d in row]


def random_fields(rng, word, tensors):
    """Tensors as lists of (bits, fields of eight lanes)."""
    rows = []
    for _ in range(tensors):
        widths = [rng.choice([0, 1, word, rng.randrange(word + 1)]) for _ in range(rng.randrange(1, 9))]
        rows.append([(bits, [rng.randrange(1 << bits) for _ in range(LANES)]) for bits in widths])
    return rows


def beats_of(rows, word):
    """The fields of a tensor as beats."""
    lanes, filled = [0] * LANES, 0
    for bits, fields in rows:
        lanes = [lane | field << filled for lane, field in zip(lanes, fields, strict=True)]
        filled += bits
    return [[lane >> k & (1 << word) - 1 for lane in lanes] for k in range(0, filled, word)]


@pytest.mark.parametrize("word", [16, 32])
def test_packer(word):
    tensors = random_fields(random.Random(word), word, 40)
    packer, beats, ends = LanePacker(word), [], []

    async def bench(ctx):
        rng = random.Random(1)
        for rows in tensors:
            for k, (bits, fields) in enumerate(rows):
                moved = False
                while not moved:
                    ctx.set(packer.enable, rng.random() < 0.7)
                    ctx.set(packer.valid, rng.random() < 0.7)
                    ctx.set(packer.field, fields)
                    ctx.set(packer.bits, bits)
                    ctx.set(packer.last, k == len(rows) - 1)
                    moved = ctx.get(packer.enable) and ctx.get(packer.valid) and not ctx.get(packer.flushing)
                    if ctx.get(packer.enable) and ctx.get(packer.beat_valid):
                        beat = ctx.get(packer.beat)
                        beats.append([beat[c] for c in range(LANES)])
                    if ctx.get(packer.enable) and ctx.get(packer.ends):
                        ends.append(len(beats))
                    await ctx.tick()
        ctx.set(packer.valid, 0)
        ctx.set(packer.enable, 1)
        if ctx.get(packer.flushing):
            beats.append([ctx.get(packer.beat)[c] for c in range(LANES)])
            ends.append(len(beats))

    simulator = Simulator(packer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    expected = [beats_of(rows, word) for rows in tensors]
    assert beats == flat(expected)
    assert ends == [sum(map(len, expected[: k + 1])) for k in range(len(expected))]


@pytest.mark.parametrize("word", [16, 32])
def test_unpacker(word):
    rng = random.Random(word)
    tensors = random_fields(rng, word, 40)
    stored = [beats_of(rows, word)[: rng.choice([None, None, -1, 1])] for rows in tensors]
    stored = [beats + [[rng.randrange(1 << word)] * LANES] * rng.choice([0, 0, 0, 2]) for beats in stored]
    unpacker, seen = LaneUnpacker(word), []

    async def bench(ctx):
        supply = iter(flat(stored))
        word_now = next(supply)
        for rows, beats in zip(tensors, stored, strict=True):
            k = 0
            while k < len(rows):
                ctx.set(unpacker.enable, rng.random() < 0.7)
                ctx.set(unpacker.valid, rng.random() < 0.7)
                ctx.set(unpacker.begins, k == 0)
                ctx.set(unpacker.beats, len(beats) if k == 0 else rng.randrange(4))
                ctx.set(unpacker.bits, rows[k][0])
                ctx.set(unpacker.last, k == len(rows) - 1)
                offered = word_now is not None and rng.random() < 0.7
                ctx.set(unpacker.data.valid, offered)
                ctx.set(unpacker.data.payload, {"word": word_now if offered else [rng.randrange(1 << word)] * LANES})
                moved = ctx.get(unpacker.enable) and ctx.get(unpacker.valid) and ctx.get(unpacker.go)
                if moved:
                    field, mask = ctx.get(unpacker.field), (1 << rows[k][0]) - 1
                    seen.append(([field[c] & mask for c in range(LANES)], ctx.get(unpacker.error)))
                    k += 1
                if offered and ctx.get(unpacker.data.ready):
                    word_now = next(supply, None)
                await ctx.tick()

    simulator = Simulator(unpacker)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == flat(unpacked(*pair, word) for pair in zip(tensors, stored, strict=True))


def unpacked(rows, beats, word):
    """Fields and error flag of every row of a tensor, zeros from where its beats end."""
    lanes = [sum(beat[c] << word * k for k, beat in enumerate(beats)) for c in range(LANES)]
    filled, result = 0, []
    for bits, _ in rows:
        fields = [lane >> filled & (1 << bits) - 1 for lane in lanes]
        filled += bits
        result.append((fields, int(filled > word * len(beats))))
    return [*result[:-1], (result[-1][0], int(-(-filled // word) != len(beats)))]
