"""The Gecko units in Amaranth's simulator: parts against plain integers, units on the worked vectors, loops."""

import json
import random
import re
from itertools import chain
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.fifo import SyncFIFO
from amaranth.sim import Simulator

from golden.gecko import reference
from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, Mode, Source
from hdl.gecko.bits import bit_length, ones_below, rotate_left, rotate_right
from hdl.gecko.packer import LanePacker
from hdl.gecko.rows import CodeRow, UndoRow
from hdl.gecko.unpacker import LaneUnpacker
from hdl.registry import make_config, make_unit

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())


def flat(lists):
    return list(chain.from_iterable(lists))


def evaluate(m, inputs, outputs, rows):
    """Values of combinational outputs for every row of input values."""
    seen = []

    async def bench(ctx):
        for row in rows:
            for signal, value in zip(inputs, row, strict=True):
                ctx.set(signal, value)
            seen.append([ctx.get(output) for output in outputs])

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def play(m, given, taken, *, seed=1, stall=0.3):
    """Send `given` (stream, payloads) and return what the streams of `taken` (stream, count) give, with random pauses.

    Then nothing more may be offered.
    """
    simulator, results = Simulator(m), [[] for _ in taken]
    simulator.add_clock(1e-6)

    def sender(port, payloads, rng):
        async def bench(ctx):
            for payload in payloads:
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(port.payload, payload)
                ctx.set(port.valid, 1)
                ready = False
                while not ready:
                    _, _, ready = await ctx.tick().sample(port.ready)
                ctx.set(port.valid, 0)

        return bench

    def taker(port, count, rng, result):
        async def bench(ctx):
            for _ in range(100 * count + 1000):
                if len(result) == count:
                    break
                ctx.set(port.ready, int(rng.random() >= stall))
                _, _, valid, ready, payload = await ctx.tick().sample(port.valid, port.ready, port.payload)
                if valid and ready:
                    result.append(payload)
            assert len(result) == count, "the unit hangs"
            ctx.set(port.ready, 1)
            for _ in range(40):
                _, _, valid = await ctx.tick().sample(port.valid)
                assert not valid, "one too many"

        return bench

    for k, (port, payloads) in enumerate(given):
        simulator.add_testbench(sender(port, payloads, random.Random(f"{seed} in {k}")), background=True)
    for k, (port, count) in enumerate(taken):
        simulator.add_testbench(taker(port, count, random.Random(f"{seed} out {k}"), results[k]))
    simulator.run()
    return results


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


def vector_case(vector):
    """A worked vector as (bit patterns, descriptor)."""
    name, start, stop = re.fullmatch(r"(G\d)(?:\[(\d+):(\d+)\])?", vector["input"]).groups()
    values = [int(x, 16) for x in VECTORS[f"{name}_{vector['src']}"]]
    uses_bias = vector["mode"] == "fixed" or vector["zero_mask"]
    values = values[int(start) : int(stop)] if stop else values
    return values, Descriptor(
        source=Source[vector["src"].upper()],
        length=len(values),
        mode=Mode[vector["mode"].upper()],
        exponent_bits=vector["ne"],
        mantissa_bits=vector["wm"],
        bias=vector["bias"] if uses_bias else 0,
        offset=vector["off"],
        sign_elided=bool(vector["sign_elided"]),
        zero_mask=bool(vector["zero_mask"]),
    )


def tensor_item(port, d, **more):
    """The facts of a tensor as an item of a unit's `tensor` stream."""
    facts = {
        "length": d.length,
        "ne_minus_1": d.exponent_bits - 1,
        "mantissa_bits": d.mantissa_bits,
        "mode": int(d.mode),
    }
    facts |= {"sign_elided": int(d.sign_elided), "zero_mask": int(d.zero_mask), "bias": d.bias, "offset": d.offset}
    return {name: value for name, value in (facts | more).items() if name in port.payload.shape().members}


def value_rows(values, name):
    """Rows of eight, the last one short, an empty tensor as a row of none."""
    rows = [values[k : k + LANES] for k in range(0, len(values), LANES)] or [[]]
    return [
        {name: row + [85] * (LANES - len(row)), "count": len(row), "last": int(k == len(rows) - 1)}
        for k, row in enumerate(rows)
    ]


def lanes_to_beats(lanes, bits, word):
    return [[lane >> k & (1 << word) - 1 for lane in lanes] for k in range(0, bits, word)]


def float_parts(bits, source):
    m = source.mantissa_bits
    return {"fraction": bits & (1 << m) - 1, "exponent": bits >> m & 255, "sign": bits >> m + 8}


CASES = {
    (source, masked): [
        vector_case(v) for v in VECTORS["gecko"] if v["src"] == source and (masked or not v["zero_mask"])
    ]
    for source in ("bf16", "fp32")
    for masked in (False, True)
}


@pytest.mark.parametrize(("source", "masked"), CASES)
def test_worked_vectors_through_packer_and_unpacker(source, masked):
    cases = CASES[source, masked]
    coded = [reference.encode(values, d) for values, d in cases]
    zero_mask, word = "on" if masked else "off", Source[source.upper()].bits
    beats = [lanes_to_beats(lanes, bits, word) for lanes, bits, _ in coded]
    words = [
        sum(f << 3 * r for r, f in enumerate(fields[g : g + ROWS]))
        for _, _, fields in coded
        for g in range(0, len(fields), ROWS)
    ]

    pack = make_unit(make_config("container_pack", source=source, zero_mask=zero_mask))
    rows = [row for values, _ in cases for row in value_rows(values, "value")]
    for row in rows:
        row["value"] = [float_parts(v, Source[source.upper()]) for v in row["value"]]
    given = [(pack.tensor, [tensor_item(pack.tensor, d) for _, d in cases]), (pack.i, rows)]
    taken = [(pack.data, sum(map(len, beats))), (pack.meta, len(words)), (pack.status, len(cases))]
    got_beats, got_words, got_status = play(pack, given, taken)
    assert [[beat.word[c] for c in range(LANES)] for beat in got_beats] == flat(beats)
    assert [item.word for item in got_words] == words
    assert [(s.beats, s.sign_error, s.window_error, s.nan_error) for s in got_status] == [
        (len(b), 0, 0, 0) for b in beats
    ]

    unpack = make_unit(make_config("container_unpack", source=source, zero_mask=zero_mask))
    facts = [tensor_item(unpack.tensor, d, beats=len(b)) for (_, d), b in zip(cases, beats, strict=True)]
    given = [
        (unpack.tensor, facts),
        (unpack.meta, [{"word": w} for w in words]),
        (unpack.data, [{"word": beat} for beat in flat(beats)]),
    ]
    (got,) = play(unpack, given, [(unpack.o, len(rows))])
    cut = [[reference.join(*reference.split(v, d), d) for v in values] for values, d in cases]
    assert [[row.value[c].as_bits() for c in range(row.count)] for row in got] == [
        values[k : k + LANES] for values in cut for k in range(0, max(len(values), 1), LANES)
    ]
    assert not any(row.error for row in got)


def random_codes(rng, ne, length):
    """Exponent codes around a centre, some at the ends, some zero."""
    size, spread, centre = 1 << ne, rng.choice([1, 3, 1 << ne]), rng.randrange(1 << ne)
    near = [(centre + rng.randrange(spread)) % size for _ in range(length)]
    return [rng.choice([0, size - 1, size >> 1, v]) if rng.random() < 0.1 else v for v in near]


def linked(m, out, into, depth):
    """Wire an output stream to an input through a FIFO."""
    fifo = SyncFIFO(width=out.payload.shape().size, depth=depth)
    m.submodules += fifo
    m.d.comb += [
        fifo.w_data.eq(out.payload),
        fifo.w_en.eq(out.valid),
        out.ready.eq(fifo.w_rdy),
        into.payload.eq(fifo.r_data),
        into.valid.eq(fifo.r_rdy),
        fifo.r_en.eq(into.ready),
    ]


def test_encoder_to_decoder_loop():
    rng = random.Random(2)
    m = Module()
    m.submodules.encoder = encoder = make_unit(make_config("gecko_encoder", zero_mask="on"))
    m.submodules.decoder = decoder = make_unit(make_config("gecko_decoder", zero_mask="on"))
    linked(m, encoder.meta, decoder.meta, 4)
    # A group's codes wait for its metadata, which leave with the last of them.
    codes = SyncFIFO(width=8 * LANES, depth=16)
    m.submodules.codes = codes
    exists = encoder.o.p.count.any()
    m.d.comb += [
        codes.w_data.eq(encoder.o.p.code.as_value()),
        codes.w_en.eq(encoder.o.valid & exists),
        encoder.o.ready.eq(codes.w_rdy),
        decoder.i.p.code.as_value().eq(codes.r_data),
        decoder.i.valid.eq(codes.r_rdy),
        codes.r_en.eq(decoder.i.ready),
    ]
    cases = []
    for length in (0, 1, 7, 8, 9, 63, 64, 65, 0, 128, 130):
        ne = rng.randrange(2, 9)
        mode = rng.choice(list(Mode))
        mask = mode is not Mode.RAW and rng.random() < 0.6
        d = Descriptor(
            source=Source.BF16, length=length, mode=mode, exponent_bits=ne, mantissa_bits=0, zero_mask=mask,
            bias=rng.randrange(1 << ne),
        )  # fmt: skip
        cases.append((random_codes(rng, ne, length), d))
    rows = [row for values, _ in cases for row in value_rows(values, "exponent")]
    given = [(port, [tensor_item(port, d) for _, d in cases]) for port in (encoder.tensor, decoder.tensor)]
    (got,) = play(m, [*given, (encoder.i, rows)], [(decoder.o, len(rows))])
    assert [[row.exponent[c] for c in range(LANES)] for row in got] == [
        row["exponent"][: row["count"]] + [0] * (LANES - row["count"]) for row in rows
    ]
    assert [(row.count, row.last, row.error) for row in got] == [(row["count"], row["last"], 0) for row in rows]


def test_corrupt_metadata_never_stop_a_decoder():
    rng = random.Random(3)
    decoder = make_unit(make_config("gecko_decoder", zero_mask="on"))
    cases = []
    for k in range(24):
        ne, mode = rng.randrange(2, 9), rng.choice([Mode.DELTA, Mode.FIXED])
        d = Descriptor(
            source=Source.BF16, length=rng.randrange(1, 2 * GROUP), mode=mode, exponent_bits=ne, mantissa_bits=0,
            zero_mask=k % 2 == 0, bias=rng.randrange(1 << ne),
        )  # fmt: skip
        cases.append((d, [[rng.randrange(8) for _ in range(ROWS)] for _ in range(d.groups)]))
    # More codes than could be asked for: what counts is how many rows come out, and their error flags.
    given = [
        (decoder.tensor, [tensor_item(decoder.tensor, d) for d, _ in cases]),
        (decoder.meta, [{"word": sum(f << 3 * r for r, f in enumerate(w))} for _, words in cases for w in words]),
        (decoder.i, [{"code": [rng.randrange(256) for _ in range(LANES)]} for _ in range(800)]),
    ]
    (got,) = play(decoder, given, [(decoder.o, sum(d.rows for d, _ in cases))])
    flags = iter(row.error for row in got)
    for d, words in cases:
        for row in range(d.rows):
            so_far = flat(words[: row // ROWS + 1])
            until = Descriptor(
                source=d.source, length=min(d.length, len(so_far) * LANES), mode=d.mode, exponent_bits=d.exponent_bits,
                mantissa_bits=0, zero_mask=d.zero_mask, bias=d.bias,
            )  # fmt: skip
            assert next(flags) == reference.decode([0] * LANES, so_far, until)[1]
