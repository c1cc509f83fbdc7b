"""The DropBack weight regenerator in hardware: against the golden model by the thousand, and with bugs planted."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from golden.policies.regenerate import index_states
from hdl.emit import emit
from hdl.registry import make_config
from tb.bulk_check import check
from tb.dropback import dropback_corners, index_of
from tb.manifest import Manifest
from tb.models import expected
from tb.plan import count_hits, verdict

# another room's helper for missing tools
_spec = importlib.util.spec_from_file_location("tb_support", Path(__file__).parent.parent / "tb" / "tb_support.py")
tb_support = sys.modules.setdefault("tb_support", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(tb_support)

BUGS = {
    "state of the index that hashes to zero": ("19'h379f5", "19'h379f4"),
    "sign of a byte sum of zero": ("total < 9'h1fe", "total <= 9'h1fe"),
    "a byte left out": ("state_2c[23:16] + state_2c[31:24]", "state_2c[23:16] + state_2c[23:16]"),
}


def run(config, vectors, change=None):
    out = emit(config)
    verilog = out.verilog if change is None else out.verilog.replace(*change)
    assert (verilog == out.verilog) == (change is None)
    return check(Manifest.from_dict(out.manifest), verilog, vectors=vectors, optimize=False)


@pytest.mark.parametrize(("pipeline", "seed"), [(0, 0), (4, 0xFFFFFFFF)])
def test_regenerator(pipeline, seed):
    tb_support.require_verilator()
    record = run(make_config("dropback_weight", pipeline=pipeline, seed=seed), 12_000)
    assert record.passed, record.failure


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug):
    tb_support.require_verilator()
    before, after = BUGS[bug]
    assert run(make_config("dropback_weight", pipeline=0), 5_000, (before, after)).failure


@pytest.mark.parametrize("seed", [0, 0x9E3779B9, 0xFFFFFFFF, 0x12345678])
def test_every_point_is_driven(seed):
    config = make_config("dropback_weight", seed=seed).to_dict()
    batch = dropback_corners(config, np.random.default_rng(1))
    _, complaints = verdict(config, count_hits(config, batch, expected(config, batch)))
    assert complaints == []


@pytest.mark.parametrize("state", [1, 0xFFFFFFFF, 0x80000000, 0xDEADBEEF])
def test_the_hash_goes_back(state):
    assert index_states(np.array([index_of(state, 0x9E3779B9)])).tolist() == [state]
