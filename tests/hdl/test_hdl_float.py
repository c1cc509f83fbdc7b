"""The float cores in Verilator against golden.floats: one build holds them all. Units: options, streams, sums."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden import floats
from golden.catalog import get_float
from hdl.config import ConfigError
from hdl.emit import emit, verilog_of
from hdl.float.add import AddFloat
from hdl.float.dot import DotFused
from hdl.float.fma import FmaFloat
from hdl.float.multiply import MultiplyFloat
from hdl.layouts import float_layout
from hdl.registry import make_config
from hdl.yosys import find_engine
from tb.build import build_bulk
from tb.bulk import Bulk
from tb.bulk_check import check
from tb.manifest import Manifest
from tb.stimulus_floats import corner_codes, float_batch, float_corners

_spec = importlib.util.spec_from_file_location("tb_support", Path(__file__).parent.parent / "tb" / "tb_support.py")
tb_support = sys.modules.setdefault("tb_support", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(tb_support)

NAMES = ("fp32", "bf16", "fp16", "e4m3", "e5m2", "e3m4")
OPERATIONS = ("multiply", "add", "fma")


class Cores(wiring.Component):
    """Every operation of every float, on operands that all floats of one width share."""

    def __init__(self):
        widths = {get_float(name).bits for name in NAMES}
        ports = {f"{operand}{bits}": In(bits) for bits in widths for operand in "abc"}
        ports |= {f"{name}_{operation}": Out(get_float(name).bits) for name in NAMES for operation in OPERATIONS}
        super().__init__(ports | {"pairs": In(64), "e4m3_dot": Out(8)})

    def elaborate(self, platform):
        m = Module()
        for name in NAMES:
            layout = float_layout(name)
            arch = {"fp16": "speed", "bf16": "plain"}.get(name, "area")
            cores = {"multiply": MultiplyFloat(layout, arch), "add": AddFloat(layout), "fma": FmaFloat(layout, arch)}
            for operation, core in cores.items():
                m.submodules[f"{name}_{operation}"] = core
                for operand in "abc" if operation == "fma" else "ab":
                    m.d.comb += getattr(core, operand).as_value().eq(getattr(self, f"{operand}{layout.size}"))
                m.d.comb += getattr(self, f"{name}_{operation}").eq(core.value.as_value())
        m.submodules.e4m3_dot = dot = DotFused(float_layout("e4m3"), 4, "area")
        m.d.comb += [
            dot.a.as_value().eq(self.pairs[:32]),
            dot.b.as_value().eq(self.pairs[32:]),
            self.e4m3_dot.eq(dot.value.as_value()),
        ]
        return m


@pytest.fixture(scope="module")
def cores():
    tb_support.require_verilator()
    module = Cores()
    ports = []
    for name, member in module.signature.members.items():
        direction, width = "input" if member.flow == wiring.In else "output", member.shape
        fields = [{"name": name, "lsb": 0, "width": width, "encoding": "unsigned"}]
        ports.append({"name": name, "direction": direction, "width": width, "role": "data", "fields": fields})
    facts = {"schema": "narrowgauge-manifest-1", "top": "cores", "config": {}, "clock": None, "reset": None}
    facts |= {"ports": ports, "latency": 0, "throughput": {"transfers": 1, "cycles": 1}, "command": "", "sha256": ""}
    with Bulk(
        build_bulk(verilog_of(module, "cores", find_engine()), Manifest.from_dict(facts), optimize=False)
    ) as unit:
        yield unit


def run(cores, **operands):
    """All outputs; operands that are not given are zero."""
    rows = len(next(iter(operands.values())))
    idle = {port.name: np.zeros(rows, np.uint64) for port in cores.manifest.data_ports("input")}
    for port in cores.manifest.data_ports("input"):
        dtype = port.unpack(np.zeros((1, -(-port.width // 8)), np.uint8))[port.name].dtype
        idle[port.name] = operands.get(port.name, idle[port.name]).astype(dtype)
    return cores.evaluate(idle)


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "e3m4"])
def test_every_pair_of_eight_bit_floats(cores, name):
    fmt = get_float(name)
    a, b = (grid.ravel().astype(np.uint8) for grid in np.meshgrid(np.arange(256), np.arange(256)))
    c = np.random.default_rng(1).integers(0, 256, len(a)).astype(np.uint8)
    got = run(cores, a8=a, b8=b, c8=c)
    for operation in OPERATIONS:
        operands = (a, b, c) if operation == "fma" else (a, b)
        expected = getattr(floats, operation)(*operands, fmt)
        assert np.array_equal(got[f"{name}_{operation}"], expected), operation


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_corners_and_random_operands_of_wider_floats(cores, name, operation):
    fmt, rng = get_float(name), np.random.default_rng(2)
    config = {"unit": f"float_{operation}", "float": name}
    for batch in (float_corners(config, rng), float_batch(config, 4000, rng)):
        got = run(cores, **{f"{operand}{fmt.bits}": codes for operand, codes in batch.items()})
        expected = getattr(floats, operation)(*batch.values(), fmt)
        assert np.array_equal(got[f"{name}_{operation}"], expected)


def test_fused_dot_product_of_fp8(cores):
    fmt, rng = get_float("e4m3"), np.random.default_rng(3)
    batch = float_corners({"unit": "float_dot", "float": "e4m3", "length": 4, "rounded": "once"}, rng)
    packed = np.zeros(len(batch["a"]), np.uint64)
    for k in range(4):
        packed |= batch["a"][:, k].astype(np.uint64) << np.uint64(8 * k)
        packed |= batch["b"][:, k].astype(np.uint64) << np.uint64(32 + 8 * k)
    assert np.array_equal(run(cores, pairs=packed)["e4m3_dot"], floats.dot_fused(batch["a"], batch["b"], fmt))


def test_running_sums_between_streams():
    tb_support.require_verilator()
    unit = emit(make_config("float_accumulate"))
    record = check(Manifest.from_dict(unit.manifest), unit.verilog, vectors=20_000)
    assert record.passed, record.failure


def test_corners_have_both_ends_of_every_kind():
    for name in NAMES:
        fmt = get_float(name)
        codes = set(corner_codes(fmt).tolist())
        assert {0, fmt.sign, 1, fmt.infinity - 1, fmt.infinity, fmt.nan, fmt.bias << fmt.fraction_bits} <= codes


@pytest.mark.parametrize(
    ("unit", "options", "message"),
    [
        ("float_multiply", {"float": "fp64"}, "--float fp64: one of fp32, bf16, fp16, e4m3, e5m2, or eXmY"),
        ("float_multiply", {"float": "e9m3"}, "eXmY with X in 2..8"),
        ("float_add", {"ports": "plain", "pipeline": 3}, "--pipeline 3: only with --ports stream"),
        ("float_accumulate", {"pipeline": 2}, "--pipeline 2: 0..1"),
        ("float_accumulate", {"ports": "plain"}, "its core is --unit float_add"),
        ("float_dot", {"length": 17, "rounded": "once"}, r"--length 17: 1\.\.16"),
    ],
)
def test_options_out_of_range_are_refused(unit, options, message):
    with pytest.raises(ConfigError, match=message):
        make_config(unit, **options)


def test_names_tell_units_apart():
    options = [{}, {"float": "bf16"}, {"ports": "plain"}, {"arch": "plain"}, {"arch": "plain", "ports": "plain"}]
    names = [make_config("float_multiply", **chosen).name for chosen in options]
    assert names[0] == "float_multiply_fp32"
    assert len(set(names)) == len(names)
