"""The sliced dot product: the bits of whole mantissas, whatever the order of slices; in hardware too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies_support import hexes
from test_policies_regenerator import tb_support

import golden
from golden.slices import WIDTHS, running_sums, slice_count, split
from hdl.emit import emit
from hdl.registry import make_config
from tb.bulk_check import check
from tb.manifest import Manifest
from tb.models import expected
from tb.plan import count_hits, verdict
from tb.sliced import sliced_corners, sliced_model


@given(st.sampled_from(WIDTHS), st.lists(st.integers(-127, 127), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None, database=None)
def test_slices_add_up(width, mantissas):
    m = np.clip(mantissas, 1 - (1 << width), (1 << width) - 1)
    slices = split(m, width)
    assert len(slices) == slice_count(width)
    assert (np.abs(slices) < 8).all()
    assert sum(int(s) << 3 * k for k, s in enumerate(slices[:, 0])) == m[0]
    assert (sum(s << 3 * k for k, s in enumerate(slices)) == m).all()


def test_too_wide_a_mantissa_is_refused():
    with pytest.raises(ValueError, match="more than 5 magnitude bits"):
        split(np.array([32]), 5)


def test_sums_run_from_first_and_wrap():
    ones = np.ones((4, 2), np.int64)
    got = running_sums(ones, 3 * ones, np.array([0, 3, 0, 6]), np.array([False, False, True, False]), 9)
    assert got.tolist() == [6, 54, 6, 6 + 384 - 512]


@pytest.mark.parametrize("code", range(len(WIDTHS)))
def test_a_sliced_block_is_the_dot_product_of_whole_mantissas(code):
    """Against `golden.block_dot` of HBFP4, HBFP6, HBFP8 blocks, which knows nothing of slices."""
    rng, width, block = np.random.default_rng(code), WIDTHS[code], 64
    x, y = rng.standard_normal((2, 200, block)) * 2.0 ** rng.integers(-70, 60, (2, 200, 1))
    a, b = (golden.quantize(v.astype(np.float32), f"hbfp{width + 1}") for v in (x, y))
    number = slice_count(width)
    pairs = [(s, t) for s in range(number) for t in range(number)]
    columns = {}
    for name, q, which in (("a", a, 0), ("b", b, 1)):
        slices = split(q.mantissas, width)
        taken = np.stack([slices[pair[which]] for pair in pairs], axis=1).reshape(-1, block)
        columns[f"{name}.mantissa"] = ((taken < 0) * 8 + np.abs(taken)).astype(np.uint8)
        columns[f"{name}.exponent"] = np.repeat(q.scales.ravel() % 1024, len(pairs)).astype(np.uint16)
        columns[f"slice_{name}"] = np.tile([pair[which] for pair in pairs], 200).astype(np.uint8)
    columns["width"] = np.full(200 * len(pairs), code, np.uint8)
    columns["first"] = np.tile(np.arange(len(pairs)) == 0, 200).astype(np.uint8)
    columns["last"] = np.tile(np.arange(len(pairs)) == len(pairs) - 1, 200).astype(np.uint8)
    values = sliced_model({"unit": "dot_sliced", "format": "bfp4x64"}, columns)["value"]
    assert hexes(values.view(np.float32)) == hexes(golden.block_dot(a, b))


def test_every_point_is_driven():
    config = make_config("dot_sliced", format="bfp4x16").to_dict()
    batch = sliced_corners(config, np.random.default_rng(2))
    _, complaints = verdict(config, count_hits(config, batch, expected(config, batch)))
    assert complaints == []


@pytest.mark.parametrize(
    "change", [None, ("sum_first ? 19'h00000", "1'b0 ? 19'h00000")], ids=["as it is", "planted bug"]
)
def test_hardware(change):
    """The bug: the accumulator is never cleared."""
    tb_support.require_verilator()
    out = emit(make_config("dot_sliced", format="bfp4x16"))
    verilog = out.verilog if change is None else out.verilog.replace(*change)
    assert (verilog == out.verilog) == (change is None)
    record = check(Manifest.from_dict(out.manifest), verilog, vectors=8_000, optimize=False)
    assert record.passed == (change is None), record.failure
