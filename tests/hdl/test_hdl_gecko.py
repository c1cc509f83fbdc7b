"""The Gecko units in Amaranth's simulator: the worked vectors, loops, corrupt metadata."""

import json
import random
import re
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator
from hdl_gecko_support import flat, play, sender, tensor_item, value_rows

from golden.gecko import reference
from golden.gecko.descriptor import GROUP, LANES, ROWS, Descriptor, GeckoError, Mode, Source
from hdl.registry import make_config, make_unit

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())


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
    assert [(s.beats, s.sign_error, s.window_error, s.nan_error, s.tensor_error) for s in got_status] == [
        (len(b), 0, 0, 0, 0) for b in beats
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


def facts_around_the_legal():
    """Facts of BF16 tensors as numbers, each at its ends and beyond."""
    plain = {"exponent_bits": 8, "mantissa_bits": 7, "mode": 2, "bias": 255, "offset": 0}
    single = [{}, {"mode": 3}, {"mode": 0}, {"mantissa_bits": 8}, {"mantissa_bits": 31}, {"offset": 1}, {"offset": 128}]
    for ne in range(1, 8):
        single += [{"exponent_bits": ne, "mode": mode, "bias": (1 << ne) - 1} for mode in range(4)]
        single += [{"exponent_bits": ne, "bias": 1 << b, "offset": 255} for b in (ne - 1, ne, 7)]
    return [plain | {"zero_mask": masked} | change for change in single for masked in (0, 1)]


def is_illegal(facts, known):
    """Whether no descriptor may state the facts that a unit knows."""
    try:
        Descriptor(
            source=Source.BF16, length=0, **{"mantissa_bits": 0} | {k: v for k, v in facts.items() if k in known}
        )
    except GeckoError:
        return 1
    return 0


@pytest.mark.parametrize("unit", ["gecko_encoder", "gecko_decoder", "container_pack", "container_unpack"])
def test_illegal_facts_are_told_and_leave_no_trace(unit):
    """Of tensors of nine rows (unpacker: of none) the illegal are marked and no others, in all rows or the status."""
    dut = make_unit(make_config(unit, zero_mask="on", **({"source": "bf16"} if unit.startswith("container") else {})))
    members, tensors = dut.tensor.payload.shape().members, facts_around_the_legal()
    random.Random(unit).shuffle(tensors)
    wrong = [is_illegal(facts, {"exponent_bits", *members}) for facts in tensors]
    assert 20 < sum(wrong) < len(wrong) - 20
    more = {"length": 0 if unit == "container_unpack" else 70, "beats": 0, "sign_elided": 0}
    items = [facts | more | {"ne_minus_1": facts["exponent_bits"] - 1} for facts in tensors]
    given = [(dut.tensor, [{name: item[name] for name in members} for item in items])]
    if unit in ("gecko_encoder", "container_pack"):
        row = {"exponent": [0] * LANES} if unit == "gecko_encoder" else {"value": [float_parts(0, Source.BF16)] * LANES}
        given.append((dut.i, [row | {"count": 6, "last": int(k == 8)} for _ in tensors for k in range(9)]))
    else:  # as much as any of them may take
        given.append((dut.meta, [{"word": 0}] * (2 * len(tensors))))
    if unit == "gecko_decoder":
        given.append((dut.i, [{"code": [0] * LANES}] * (11 * len(tensors))))
    seen = []

    async def bench(ctx):
        packs = unit == "container_pack"
        out, ended = dut.status if packs else dut.o, 0
        for name, member in dut.signature.members.items():
            if member.flow is Out:
                ctx.set(getattr(dut, name).ready, 1)
        for _ in range(20 * len(tensors)):
            _, _, valid, item = await ctx.tick().sample(out.valid, out.payload)
            if valid and not ("mask" in item.shape().members and item.mask):
                seen.append((ended, item.tensor_error if packs else item.error))
                ended += 1 if packs else item.last
        assert ended == len(tensors), "the unit hangs"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for port, payloads in given:
        simulator.add_testbench(sender(port, payloads), background=True)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [(number, wrong[number]) for number, _ in seen]
    assert len(seen) == len(tensors) * (9 if unit in ("gecko_encoder", "gecko_decoder") else 1)
