"""The worked vectors of gecko.md 9, through the scalar reference and the NumPy definition, both ways."""

import numpy as np
import pytest
from gecko_support import VECTORS, container_of, cut, lanes_of, vector_case, vector_id

from golden.gecko import reference
from golden.gecko.container import decode, encode
from golden.gecko.values import DTYPES

GECKO = VECTORS["gecko"]


def test_there_are_23():
    assert len(GECKO) == 23


@pytest.mark.parametrize("vector", GECKO, ids=vector_id)
def test_reference(vector):
    values, d = vector_case(vector)
    lanes, lane_bits, fields = reference.encode(values, d)
    assert lanes == [int(lane, 16) for lane in vector["lanes"]]
    assert (lane_bits, fields) == (vector["lane_bits"], vector["meta"])
    assert reference.decode(lanes, fields, d) == (cut(values, d), False)


@pytest.mark.parametrize("vector", GECKO, ids=vector_id)
def test_numpy(vector):
    values, d = vector_case(vector)
    container = encode(np.array(values, DTYPES[d.source]), d)
    assert lanes_of(container) == [int(lane, 16) for lane in vector["lanes"]]
    assert container.data.shape == (-(-vector["lane_bits"] // d.source.bits), 8)
    assert container.metadata == b"".join(bytes.fromhex(word)[::-1] for word in vector["meta_words"])
    bits, error, beats = decode(container)
    assert (bits.tolist(), error, beats) == (cut(values, d), False, len(container.data))


def test_g1_of_the_table_in_words():
    """gecko.md 9 prints lane 0 as words, and the whole of G1 as 488 bits (metadata included, last beat not)."""
    values, d = vector_case(GECKO[0])
    lanes, lane_bits, fields = reference.encode(values, d)
    container = container_of(lanes, lane_bits, fields, d)
    assert [f"{w:04X}" for w in container.data[:, 0]] == ["D3F8", "C0B0", "D257", "0283"]
    assert container.metadata == bytes([0xD8, 0x35, 0x4C])
    assert 8 * lane_bits + 8 * len(container.metadata) == 488
