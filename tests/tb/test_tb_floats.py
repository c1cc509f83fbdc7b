"""Test points of the float units: the corners reach every one that a unit has."""

import numpy as np
import pytest

from hdl.registry import make_config
from tb.models import expected
from tb.plan import count_hits, verdict
from tb.stimulus import corner_batch

UNITS = [
    {"unit": "float_multiply"},
    {"unit": "float_add", "float": "bf16"},
    {"unit": "float_fma", "float": "e4m3"},
    {"unit": "float_accumulate"},
    {"unit": "float_dot", "float": "e5m2"},
    {"unit": "float_dot", "float": "e4m3", "rounded": "once"},
]


@pytest.mark.parametrize("options", UNITS, ids=lambda options: make_config(**options).name)
def test_corners_reach_every_point(options):
    config = make_config(**options).to_dict()
    batch = corner_batch(config, np.random.default_rng(1))
    record, complaints = verdict(config, count_hits(config, batch, expected(config, batch)))
    assert not complaints
    assert len(record) >= 7
