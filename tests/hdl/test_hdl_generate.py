"""The command line: what it writes, that it writes the same everywhere, and how it answers bad input."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from hdl.config import ConfigError, flag_of
from hdl.emit import emit
from hdl.generate import main
from hdl.registry import UNITS, make_config

DEFAULT = ["--mantissa", "4", "--block", "8"]


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hdl.generate", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (env or {}),
    )


def test_default_goes_to_stdout_and_says_what_it_is_in_stderr(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("// dot_bfp_m4_b64: BFP4: sign + 3 magnitude bits, 10-bit shared exponent, block 64;")
    assert "\nmodule dot_bfp_m4_b64(" in out
    assert "BFP4: sign + 3 magnitude bits, 10-bit shared exponent, block 64" in err
    assert "simulate: python -m tb.simulate --unit dot --format bfp4x64" in err


def test_same_bytes_under_any_hash_seed_and_folder(tmp_path):
    made = []
    for seed in ("0", "1", "random"):
        folder = tmp_path / seed
        done = run(*DEFAULT, "-o", str(folder), env={"PYTHONHASHSEED": seed})
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1] == made[2]
    assert set(made[0]) == {"dot_bfp_m4_b8.v", "dot_bfp_m4_b8.json"}
    assert str(tmp_path).encode() not in b"".join(made[0].values())


def test_hash_in_header_and_manifest_is_that_of_the_body():
    made = emit(make_config("dot", format="bfp4x8"))
    header, body = made.verilog.split("\n\n", 1)
    assert hashlib.sha256(body.encode()).hexdigest() == made.manifest["sha256"]
    assert made.manifest["sha256"] in header


def test_file_and_folder_output_hold_the_same_and_nothing_else_is_left(tmp_path):
    assert main([*DEFAULT, "-q", "-o", str(tmp_path / "folder")]) == 0
    assert main([*DEFAULT, "-q", "-o", str(tmp_path / "file" / "unit.v")]) == 0
    assert (tmp_path / "file" / "unit.v").read_text() == (tmp_path / "folder" / "dot_bfp_m4_b8.v").read_text()
    assert sorted(path.name for path in (tmp_path / "file").iterdir()) == ["unit.json", "unit.v"]


def test_unchanged_output_is_left_alone_and_changed_output_replaced(tmp_path):
    assert main([*DEFAULT, "-q", "-o", str(tmp_path)]) == 0
    verilog = tmp_path / "dot_bfp_m4_b8.v"
    text = verilog.read_text()
    os.utime(verilog, (1, 1))
    assert main([*DEFAULT, "-q", "-o", str(tmp_path)]) == 0
    assert verilog.stat().st_mtime == 1
    verilog.write_text("stale")
    assert main([*DEFAULT, "-q", "-o", str(tmp_path)]) == 0
    assert verilog.read_text() == text


@pytest.mark.parametrize("unit", UNITS)
def test_manifest_regenerates_its_unit(unit, tmp_path):
    words = make_config(unit, **SMALL.get(unit, {}), pipeline=0).command().split()[3:]
    assert main([*words, "-q", "-o", str(tmp_path / "a")]) == 0
    (manifest,) = (tmp_path / "a").glob("*.json")
    assert main(["--config", str(manifest), "-q", "-o", str(tmp_path / "b")]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_text() == (tmp_path / "b" / path.name).read_text()


def test_manifest_fields_tile_every_payload():
    for unit in UNITS:
        for port in emit(make_config(unit, **SMALL.get(unit, {}))).manifest["ports"]:
            if port["role"] == "payload":
                at = 0
                for field in port["fields"]:
                    assert field["lsb"] == at, (unit, field)
                    at += field["width"]
                assert at == port["width"]


SMALL = {unit: {"format": "bfp4x4"} for unit in ("dot", "quantize", "dequantize", "tile")}
SMALL |= {"convert": {"format": "bfp4x4", "to": "bfp8x4"}, "microexponent_shifter": {"format": "mx4"}}
SMALL |= {f"float_{name}": {"float": "e4m3"} for name in ("multiply", "add", "fma", "accumulate", "dot")}

# Everything that is not a default shows in the name, so that no two of these may share one.
VARIANTS = [("dot", {"format": f}) for f in ("bfp4x4", "bfp5x4", "bfp4x8", "bfp4x4e8", "bfp16x4e5")] + [
    (unit, {"format": "bfp4x4"} | options)
    for unit, choices in {
        "dot": [
            {"pipeline": 0},
            {"pipeline": 2},
            {"format_b": "bfp6x4"},
            {"result": "fixed"},
            {"accumulate": "fp32"},
            {"accumulate": "fused"},
            {"accumulate": "fp32", "contexts": 2},
        ],
        "quantize": [
            {},
            {"source": "bf16"},
            {"source": "fp16"},
            {"subnormals": "flush"},
            {"lanes": 2},
            {"rounding": "sr"},
            {"rounding": "rtz"},
            {"scale_rule": "ceil"},
            {"scale_rule": "even"},
            {"rounding": "sr", "random_bits": 4},
            {"rounding": "sr", "random": "xorshift"},
            {"rounding": "sr", "random": "xorshift", "seed": 7},
        ],
        "dequantize": [{}, {"lanes": 1}, {"pipeline": 3}],
        "tile": [{}, {"to": "bfp8x4"}, {"activation": "none"}, {"accumulate": "fused"}, {"rounding": "sr"}],
    }.items()
    for options in choices
]
VARIANTS += [
    ("dot", {"format": "nvfp4", "accumulate": "fp32"}),
    ("microexponent_shifter", {"format": "mx4"}),
    ("convert", {}),
    ("convert", {"format": "mxfp8_e4m3x4", "to": "mxfp4x4", "inexact": "round"}),
]


def test_no_two_configurations_share_a_name():
    names = [make_config(unit, **options).name for unit, options in VARIANTS]
    assert len(set(names)) == len(names) == 36
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize(("unit", "options"), VARIANTS, ids=lambda value: value if isinstance(value, str) else None)
def test_canonical_command_line_means_the_same_configuration(unit, options, monkeypatch):
    config = make_config(unit, **options)
    taken = []
    monkeypatch.setattr("hdl.emit.emit", lambda made, engine: taken.append(made) or pytest.skip.Exception)
    main([*config.command().split()[3:], "-q"])
    assert taken == [config]


BAD = [
    ("--mantissa 17", "--mantissa 17: 2..16"),
    ("--mantissa 1", "--mantissa 1: 2..16"),
    ("--mantissa four", "--mantissa four: a whole number in 2..16"),
    ("--block 0", "--block 0: 1..1024"),
    ("--block 1025", "--block 1025: 1..1024"),
    ("--exponent 4", "--exponent 4: 5..10"),
    ("--exponent 11", "--exponent 11: 5..10"),
    ("--mantissa 4 --format bfp4x64", "--format bfp4x64: not together with --mantissa"),
    ("--format bfp17x64", "--format bfp17x64: mantissa 17: 2..16"),
    ("--format bpf4", "did you mean"),
    ("--unit dott", "--unit dott: one of dot, "),
    ("--pipeline 9", "--pipeline 9: 0..8"),
    ("--pipeline -1", "--pipeline -1: 0..8"),
    ("--result fp16", "--result fp16: one of fp32, fixed"),
    ("--contexts 2", "--contexts 2: 1 with --accumulate none"),
    ("--accumulate fp32 --result fixed", "--result fixed: fp32 with --accumulate"),
    ("--accumulate fp32 --contexts 9", "--contexts 9: 1..8"),
    ("--format-b bfp4x32", "--format-b bfp4x32: a format of block 64"),
    ("--lanes 4", "--lanes 4: unit dot has no such option; it belongs to "),
    ("--unit quantize --lanes 3", "--lanes 3: a divisor of the block, 64"),
    ("--unit quantize --random-bits 4", "--random-bits 4: only with --rounding sr"),
    ("--unit quantize --rounding sr --seed 4", "--seed 4: only with --random xorshift"),
    ("--unit quantize --from fp64", "--from fp64: one of fp32, bf16, fp16"),
    ("--unit quantize --subnormals zero", "--subnormals zero: one of keep, flush"),
    ("--unit quantize --from fp16 --subnormals flush", "--subnormals flush: keep with --from fp16: its subnormals are"),
    (
        "--unit quantize --to nvfp4",
        "--format nvfp4: a format whose scale is a power of two; nvfp4 goes into --unit dot",
    ),
    ("--unit tile --format nvfp4", "--format nvfp4: a format whose scale is a power of two"),
    ("--format nvfp4 --mode f25", "--format nvfp4: sign-magnitude elements in blocks that divide 64"),
    ("--unit microexponent_shifter --format mxfp4", "--format mxfp4: a format with microexponents (mx9, mx6, mx4, "),
    ("--unit convert --from mx9 --to mx6", "--to mx6: --from mx9 is not exact (elements reach down 6 binades, mx6"),
    ("--unit convert --from mx9 --to mxfp4", "--to mxfp4: a format of block 16, like --format mx9"),
    ("--unit convert --rounding rtz", "--rounding rtz: only with --inexact round"),
    ("--unit tile --seed 1", "--seed 1: only with --rounding sr"),
    ("--config missing.json", "--config missing.json: "),
    ("--config pyproject.toml", "--config pyproject.toml: not a manifest"),
    ("--config pyproject.toml --mantissa 4", "no other unit option goes with it (--mantissa was given)"),
    ("--frobnicate", "--frobnicate"),
    ("-o /dev/null/x", "-o /dev/null/x"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_one_line_and_status_2(words, message, capsys, tmp_path):
    output = [] if "-o" in words else ["-o", str(tmp_path)]
    assert main([*words.split(), *output]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert not out
    assert not list(tmp_path.iterdir())


def test_an_option_that_came_later_is_silent_at_its_default():
    kept, flushed = (make_config("quantize", format="bfp4x4", subnormals=word) for word in ("keep", "flush"))
    assert kept.name == "quantize_bfp_m4_b4"
    assert flushed.name == "quantize_bfp_m4_b4_ftz"
    assert "subnormals" not in emit(kept).verilog
    assert '"subnormals": "flush"' in emit(flushed).verilog
    assert [make_config(**config.to_dict()) for config in (kept, flushed)] == [kept, flushed]


def test_no_wire_is_declared_signed():
    # write_verilog prints operands of unsigned cells bare: Verilog would extend what is declared signed by its sign
    verilog = emit(make_config("microexponent_shifter", format="mx4")).verilog
    assert "$signed(" in verilog
    assert " signed " not in verilog


def test_missing_tool_is_status_3_with_a_hint(capsys):
    assert main(["--yosys", "no-such-yosys"]) == 3
    assert capsys.readouterr().err.startswith("error: --yosys no-such-yosys: no such program")


def test_list_names_every_unit_and_option(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    for name, unit in UNITS.items():
        assert f"\n{name}: " in "\n" + listed
        for option in fields(unit.config):
            assert flag_of(option.name) in listed


def test_options_are_checked_without_the_command_line_too():
    with pytest.raises(ConfigError, match="--lanes 5: a divisor of the block, 64"):
        make_config("quantize", lanes=5)
    with pytest.raises(ConfigError, match="unit dot has no such option"):
        make_config("dot", lanes=4)
    with pytest.raises(ConfigError, match="--pipeline True"):
        make_config("dot", pipeline=True)


def test_help_and_version_do_not_need_the_engine():
    assert "--mantissa M" in run("--help").stdout
    assert run("--version").stdout.startswith("narrowgauge ")


def test_no_trace_of_the_machine_in_the_output(tmp_path):
    made = emit(make_config("dot", format="bfp4x4"))
    text = made.verilog + json.dumps(made.manifest)
    for secret in (str(Path.home()), str(Path.cwd())):
        assert secret not in text


def test_list_tells_listed_formats_from_unverified_ones(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert "in the bench lists: bfp4x64, " in listed
    assert "unverified" in listed


@pytest.mark.parametrize(
    ("flags", "bench"),
    [("--unit dot_core --format mxfp4", "tb.core"), ("--unit float_fma --float bf16 --ports plain", "tb.floats")],
)
def test_hint_names_the_bench_of_a_unit_without_streams(flags, bench, tmp_path, capsys):
    assert main([*flags.split(), "-o", str(tmp_path)]) == 0
    (verilog,) = tmp_path.glob("*.v")
    assert f"simulate: python -m {bench} {verilog.stem}.json {verilog.name} " in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["-q"]])
def test_long_generation_says_so_unless_told_to_be_quiet(flags, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("hdl.generate._PATIENCE", 0.05)
    assert main(["--unit", "dot", "--format", "bfp4x4", "-o", str(tmp_path), *flags]) == 0
    assert ("dot_bfp_m4_b4: generating for " in capsys.readouterr().err) == (not flags)
