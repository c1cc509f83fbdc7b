"""The proof harness must be able to fail; and the proofs that take no more than seconds hold."""

import json
import os
import re
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Array, Module, Signal
from amaranth.sim import Simulator

from golden.gecko.descriptor import GROUP, ROWS, Descriptor, GeckoError, Mode, Source
from golden.gecko.rows import read_metadata
from hdl.gecko.config import tensor_layout
from hdl.gecko.unpack import ContainerUnpackConfig
from hdl.registry import make_config
from hdl.stream import OutputBuffer
from hdl.yosys import ToolMissing, find_engine
from tb.formal import __main__ as cli
from tb.formal.gecko_errors import field_limit, illegal_facts
from tb.formal.handshake import Subject, handshake_proofs
from tb.formal.links import attach
from tb.formal.methods import Bounded, Combinational, Induction, NoPath, Verdict
from tb.formal.proof import Proof, run_proof
from tb.formal.registry import PROOFS, select
from tb.formal.rules import check_order
from tb.formal.setup import Setup

DOCS = Path(__file__).parents[2] / "docs" / "formal.md"

QUICK = [
    "output_buffer.*",
    "dot.*",
    "dequantize_l1.progress",
    "gecko_row.delta_ne[258]",
    "gecko_row.legal_width",
    "gecko_encoder.no_path",
]


@pytest.fixture(scope="module")
def engine():
    """A missing Yosys skips locally, with its install hint, and fails where CI is set."""
    try:
        return find_engine()
    except ToolMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def verdict(engine, method, design, timeout=60.0):
    proof = Proof(name="probe", claim="", method=method, design=design, bugs=("none",))
    return run_proof(proof, engine, timeout=timeout).runs[0].verdict


@pytest.mark.parametrize("proof", select(QUICK), ids=lambda proof: proof.name)
def test_quick_proofs_hold_and_find_their_bugs(proof, engine):
    outcome = run_proof(proof, engine, timeout=60)
    assert outcome.holds, f"{outcome.words}\n{outcome.runs[0].log[-2000:]}"
    assert [run.bug for run in outcome.runs] == [None, *proof.bugs]


def test_every_unit_has_the_three_stream_proofs():
    units = {name.rsplit(".", 1)[0] for name in PROOFS if name.endswith(".stable")}
    assert units >= {"dot", "quantize", "dequantize", "tile", "gecko_encoder", "gecko_decoder"}
    assert units >= {"container_pack", "container_unpack", "output_buffer"}
    for unit in units:
        assert {f"{unit}.{rule}" for rule in ("stable", "progress", "no_path")} <= PROOFS.keys()


def test_every_width_of_the_row_code_is_proved():
    for ne in range(2, 9):
        assert {f"gecko_row.delta_ne{ne}", f"gecko_row.fixed_ne{ne}"} <= PROOFS.keys()


def test_limits_of_the_error_proofs_are_the_golden_ones():
    """Every field value of every row, width, mode and mask, rows missing or not: illegal exactly above the limit."""
    m, left = Module(), Signal(range(GROUP + 1))
    tensor = Signal(tensor_layout(make_config("gecko_decoder", zero_mask="on")))
    limits = Array(field_limit(r, tensor, left) for r in range(ROWS))
    row, limit = Signal(range(ROWS)), Signal(3)
    m.d.comb += limit.eq(limits[row])

    async def bench(ctx):
        for ne, mode, masked, values in product(range(2, 9), (Mode.DELTA, Mode.FIXED), (0, 1), (1, 8, 9, 56, 57, 64)):
            d = Descriptor(
                source=Source.BF16, length=values, mode=mode, exponent_bits=ne, mantissa_bits=0, zero_mask=bool(masked)
            )
            ctx.set(tensor, {"ne_minus_1": ne - 1, "mode": int(mode), "zero_mask": masked, "bias": 0})
            ctx.set(left, values)
            for r in range(ROWS):
                words = (np.uint32(f << 3 * r).astype("<u4").tobytes()[:3] for f in range(8))
                legal = [not read_metadata(word, d, values).error for word in words]
                ctx.set(row, r)
                assert legal == [f <= ctx.get(limit) for f in range(8)], (d, r)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def test_illegal_facts_of_the_error_proofs_are_the_golden_ones():
    m = Module()
    layout = tensor_layout(ContainerUnpackConfig(source="bf16", zero_mask="on"), container=True)
    tensor, wrong = Signal(layout), Signal()
    m.d.comb += wrong.eq(illegal_facts(tensor, Source.BF16.mantissa_bits))

    async def bench(ctx):
        ends = ((0, 6, 7), (0, 7, 8, 31), range(4), (0, 1), (0, 1, 127, 128, 255), (0, 1, 128))
        for ne_minus_1, wm, mode, masked, bias, offset in product(*ends):
            facts = {"mantissa_bits": wm, "mode": mode, "zero_mask": masked, "bias": bias, "offset": offset}
            ctx.set(tensor, facts | {"ne_minus_1": ne_minus_1})
            try:
                Descriptor(source=Source.BF16, length=0, exponent_bits=ne_minus_1 + 1, **facts)
            except GeckoError:
                assert ctx.get(wrong), facts
            else:
                assert not ctx.get(wrong), facts

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


# What the methods can tell apart.


def saturating(limit, bug):
    """A counter that stops at 5, claimed never to pass `limit`."""
    setup = Setup()
    count = Signal(3)
    with setup.m.If(setup.free("step") & (count < 5)):
        setup.m.d.sync += count.eq(count + 1)
    setup.check(count <= limit)
    return setup


def test_induction_proves_and_refutes(engine):
    assert verdict(engine, Induction(), partial(saturating, 5)) is Verdict.PROVED
    assert verdict(engine, Induction(), partial(saturating, 4)) is Verdict.REFUTED


def test_bounded_sees_to_its_bound_and_no_further(engine):
    assert verdict(engine, Bounded(5), partial(saturating, 4)) is Verdict.PROVED
    assert verdict(engine, Bounded(6), partial(saturating, 4)) is Verdict.REFUTED


def test_a_claim_that_needs_more_than_ports_is_undecided(engine):
    def design(bug):
        setup = Setup()
        first, second = Signal(4), Signal(4)
        step = setup.free("step")
        setup.m.d.sync += [first.eq(first + step), second.eq(second + step)]
        alarm = Signal()
        with setup.m.If(setup.free("look")):
            setup.m.d.sync += alarm.eq(first != second)
        setup.check(~alarm)
        return setup

    assert verdict(engine, Induction(longest=2), design) is Verdict.UNDECIDED


def test_out_of_time_is_undecided(engine):
    def design(bug):
        setup = Setup()
        a, b, c = (setup.free(name, 14) for name in "abc")
        setup.check(a * (b + c) == a * b + a * c)
        return setup

    assert verdict(engine, Combinational(), design, timeout=1) is Verdict.UNDECIDED


def test_registers_power_up_with_anything(engine):
    def design(reset_less, bug):
        setup = Setup()
        register = Signal(4, reset_less=reset_less)
        with setup.m.If(setup.free("clear")):
            setup.m.d.sync += register.eq(0)
        setup.check(register == 0)
        return setup

    assert verdict(engine, Induction(), partial(design, False)) is Verdict.PROVED
    assert verdict(engine, Induction(), partial(design, True)) is Verdict.REFUTED


def test_no_path_stops_at_registers_and_tells_bits_apart(engine):
    def design(kind, bug):
        setup = Setup()
        word, out, ready = Signal(2), setup.seen("out"), setup.free("ready")
        setup.m.d.sync += word[0].eq(ready)
        if kind != "register":
            setup.m.d.comb += setup.seen("other").eq(word[0])
        setup.m.d.comb += out.eq((word[0] & ready) if kind == "path" else word[0])
        return setup

    assert verdict(engine, NoPath(), partial(design, "register")) is Verdict.PROVED
    assert verdict(engine, NoPath(), partial(design, "two outputs")) is Verdict.PROVED
    assert verdict(engine, NoPath(), partial(design, "path")) is Verdict.REFUTED


class Leaky(OutputBuffer):
    """The real thing, but always ready: the third transfer of a stall overwrites the second."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


def test_a_bug_inside_the_hardware_is_found(engine):
    def order(bug):
        setup = Setup()
        links = attach(setup, Leaky(4))
        check_order(setup, links["i"], links["o"], capacity=3)
        return setup

    assert verdict(engine, Induction(), order) is Verdict.REFUTED


def test_a_latency_one_too_short_is_refuted(engine):
    short = Subject(name="short", make=partial(OutputBuffer, 4), latency=0)
    (progress,) = (p for p in handshake_proofs(short) if p.name == "short.progress")
    assert run_proof(progress, engine, timeout=60).runs[0].verdict is Verdict.REFUTED


# What counts as a proof.


def sleepy(bug):
    """Ignores its planted bug."""
    return saturating(5, None)


def test_a_planted_bug_that_is_not_found_fails_the_proof(engine):
    proof = Proof(name="sleepy", claim="", method=Induction(), design=sleepy, bugs=("never there",))
    outcome = run_proof(proof, engine, timeout=60)
    assert outcome.runs[0].verdict is Verdict.PROVED
    assert not outcome.holds
    assert outcome.words == "PLANTED BUG MISSED: never there"


def test_a_proof_without_a_planted_bug_is_refused():
    with pytest.raises(ValueError, match="at least one planted bug"):
        Proof(name="blind", claim="", method=Induction(), design=sleepy, bugs=())


# The command line.


def test_run_writes_table_json_and_waves(engine, tmp_path, capsys):
    report = tmp_path / "report.json"
    words = ["--only", "output_buffer.stable", "--json", str(report), "--waves", str(tmp_path), "-q"]
    assert cli.main(words) == 0
    shown = capsys.readouterr()
    assert re.search(r"output_buffer\.stable +proved .* 2 of 2 ", shown.out)
    assert shown.err == ""
    entry = json.loads(report.read_text())
    assert [run["verdict"] for run in entry["proofs"][0]["runs"]] == ["proved", "refuted", "refuted"]
    assert entry["provenance"]["command"].startswith(
        "python -m tb.formal --only output_buffer.stable --json report.json"
    )
    assert str(tmp_path) not in report.read_text()
    waves = {path.name for path in tmp_path.glob("*.vcd")}
    assert waves == {"output_buffer.stable-valid_drops.vcd", "output_buffer.stable-payload_moves.vcd"}


def test_a_failing_proof_fails_the_command(engine, monkeypatch, capsys):
    proof = Proof(name="sleepy", claim="", method=Induction(), design=sleepy, bugs=("never there",))
    monkeypatch.setattr(cli, "select", lambda patterns: [proof])
    assert cli.main([]) == 1
    shown = capsys.readouterr()
    assert "0 of 1 proofs hold" in shown.out
    assert "[1/1] sleepy ... PLANTED BUG MISSED" in shown.err


def test_list_names_every_proof(capsys):
    assert cli.main(["--list"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(PROOFS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "nothing.*"], "--only nothing.*: no proof of that name; --list shows them"),
        (["--timeout", "0"], "--timeout 0: 1 or more"),
        (["--docs", "x.md", "--only", "dot.*"], "--docs: not together with --only"),
        (["--docs", "missing.md"], "missing.md"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_wrong_options_are_named_in_one_line(words, message, capsys):
    assert cli.main(words) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_documentation_lists_the_proofs_as_they_are():
    rows = re.findall(r"^\| ([\w.]+) \| (.*?) \| (.*?) \| (.*?) \| ([\d.]+) \|$", DOCS.read_text(), flags=re.M)
    assert [row[:4] for row in rows] == [(p.name, p.claim, p.method.words, ", ".join(p.bugs)) for p in PROOFS.values()]
