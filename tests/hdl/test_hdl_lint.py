"""Every kind of unit is clean under `verilator -Wall` with the waivers of tb/lint.vlt alone."""

import pytest
from conftest import require
from test_hdl_generate import VARIANTS

from hdl.emit import emit
from hdl.registry import make_config
from tb.toolchain import ToolMissing, find_verilator, lint


@pytest.mark.parametrize(
    ("unit", "options"),
    [
        *VARIANTS,
        ("dot", {"format": "bfp16x25", "accumulate": "fused", "contexts": 5, "pipeline": 8}),
        ("quantize", {"format": "bfp16x3e5", "source": "fp16", "scale_rule": "even", "rounding": "sr"}),
        ("quantize", {"format": "bfp2x6", "lanes": 3, "source": "bf16", "pipeline": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_lint_is_clean(unit, options):
    try:
        find_verilator()
    except ToolMissing as missing:
        require("Verilator", False, str(missing))
    made = emit(make_config(unit, **options))
    assert lint(made.verilog, made.name) == ""


def test_lint_sees_a_sum_too_narrow():
    made = emit(make_config("dot", format="bfp4x4", arch="plain"))
    bug = made.verilog.replace("wire [7:0] sum0_0;", "wire [5:0] sum0_0;")
    assert bug != made.verilog
    assert "WIDTH" in lint(bug, made.name)
