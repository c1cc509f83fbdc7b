"""Stimulus and test points: every corner is reached by design, and a missed or impossible one is a complaint."""

from collections import Counter

import numpy as np
import pytest

from hdl.config import BlockUnitConfig
from hdl.registry import UNITS, make_config
from tb.batches import length
from tb.configurations import configurations, shape
from tb.models import expected
from tb.plan import count_hits, points, verdict
from tb.stimulus import corner_batch, random_batch
from tb.testpoints import Need, Point, judge

SEEDS = (11, 12, 13)
BLOCK_UNITS = [config for config in configurations() if isinstance(config, BlockUnitConfig)]


def corners(config, seed):
    batch = corner_batch(config, np.random.default_rng(seed))
    return batch, expected(config, batch)


@pytest.mark.parametrize("config", configurations(), ids=lambda c: c.name)
def test_corners_alone_reach_every_point(config):
    plain, hits = config.to_dict(), Counter()
    for seed in SEEDS:
        hits += count_hits(plain, *corners(plain, seed))
    record, complaints = verdict(plain, hits)
    assert not complaints
    assert record.keys() == {point.name for point in points(plain)}
    assert sum(isinstance(times, int) for times in record.values()) >= 10


def test_same_seed_same_batch_other_seed_another():
    config = make_config(unit="dot", format="bfp4x16").to_dict()
    first, again, other = (random_batch(config, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize("config", BLOCK_UNITS, ids=lambda c: c.name)
def test_random_batches_fill_whole_blocks_and_turns(config):
    plain = config.to_dict()
    batch = random_batch(plain, 7, np.random.default_rng(5))
    assert length(batch) >= 7
    assert length(batch) % plain.get("contexts", 1) == 0
    assert len({len(values) for values in batch.values()}) == 1


def test_a_point_that_is_never_hit_is_named():
    config = make_config(unit="dot").to_dict()
    batch, _ = corners(config, 1)
    batch["a.exponent"][:] = 0  # neither poison nor anything out of range is left
    hits = count_hits(config, batch, expected(config, batch))
    _, complaints = verdict(config, hits)
    assert "test point never hit: poison in a" in complaints
    assert "test point never hit: block a all zero" not in complaints


def test_a_wrong_claim_of_unreachability_is_named():
    never = Need("the impossible", lambda config: False)
    rare = Need("patience", lambda config: False, exact=False)
    listed = [Point("one", lambda v: v, (never,)), Point("two", lambda v: v, (rare,)), Point("three", lambda v: v)]
    record, complaints = judge(listed, {}, {"one": 2, "two": 3, "three": 4})
    assert complaints == ["test point hit 2 times though declared unreachable (needs the impossible): one"]
    assert record == {"one": 2, "two": 3, "three": 4}
    record, complaints = judge(listed, {}, {"three": 1})
    assert not complaints
    assert record == {"one": "needs the impossible", "two": "needs patience", "three": 1}


def test_the_regression_list_keeps_its_promises():
    listed = BLOCK_UNITS
    shapes = {shape(config) for config in listed}
    assert len(shapes) <= 24
    for wanted, place in (((2, 3, 4, 5, 6, 8, 12), 0), ((1, 3, 16, 25, 64, 256, 576), 1)):
        times = Counter(pair[place] for pair in shapes)
        assert times.keys() == set(wanted)
        assert min(times.values()) >= 3
    assert {config.pipeline for config in listed} == {0, 1, 3}
    assert {config.unit for config in listed} >= {"dot", "quantize", "dequantize", "tile"} <= set(UNITS)
    assert {config.operand.scale.bits for config in listed} == {5, 6, 7, 8, 9, 10}
    assert len({config.name for config in listed}) == len(listed)
