"""The sets that need no download, and the rule that divides every set."""

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from golden.data import SOURCES, DataError, load
from golden.data.mnist1d import signals
from golden.data.photos import PER_PHOTO, grey, patches
from golden.data.sets import Split, divide, standardise

WORD = (1 << 32) - 1


def mix(x):
    """formats.md 0.2, on Python's integers."""
    x = (x ^ x >> 16) * 0x7FEB352D & WORD
    x = (x ^ x >> 15) * 0x846CA68B & WORD
    return x ^ x >> 16


def order_of(name, samples):
    key = mix(mix(crc32(f"split/{name}".encode())))
    return sorted(range(samples), key=lambda i: (mix(key ^ i * 0x85EBCA6B & WORD), i))


def rows(split):
    return [sample.tobytes() for sample in split.x]


def test_digits_are_divided_by_the_documented_rule():
    from sklearn.datasets import load_digits

    data, whole = load("digits"), load_digits()
    order = order_of("digits", len(whole.target))
    for part, chosen in ((data.validation, order[:360]), (data.test, order[360:720]), (data.train, order[720:])):
        np.testing.assert_array_equal(part.y, whole.target[chosen])
        np.testing.assert_array_equal(part.x[..., 0] * 16, whole.images[chosen])
    assert (data.kind, data.classes, data.input_shape, data.train.x.dtype) == ("images", 10, (8, 8, 1), np.float32)


def test_parts_are_disjoint_and_complete():
    x = np.arange(50.0)[:, None]
    parts = divide("some set", x, np.arange(50), 7, 11)
    assert [len(part) for part in parts] == [32, 7, 11]
    assert sorted(np.concatenate([part.x[:, 0] for part in parts])) == list(range(50))
    assert all((part.x[:, 0] == part.y).all() for part in parts)
    with pytest.raises(DataError, match="50 samples, more than 50"):
        divide("some set", x, np.arange(50), 25, 25)


def test_sets_of_other_names_are_divided_differently():
    x = np.arange(50)
    assert (divide("a", x, x, 10)[1].x != divide("b", x, x, 10)[1].x).any()


def test_standardise_uses_the_training_part_alone():
    rng = np.random.default_rng(0)
    train = Split(rng.normal(3, 2, (200, 4, 4, 3)).astype(np.float32), np.zeros(200))
    other = Split(np.full((2, 4, 4, 3), 3, np.float32), np.zeros(2))
    done, moved = standardise([train, other])
    np.testing.assert_allclose(done.x.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(done.x.std(axis=(0, 1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(moved.x[0, 0, 0], (3 - train.x.mean((0, 1, 2))) / train.x.std((0, 1, 2)), atol=1e-5)


@pytest.fixture(scope="module")
def mnist1d():
    return signals()


def test_mnist1d_is_the_package_s(mnist1d):
    """First and last values and labels as `mnist1d` 0.0.2's make_dataset() printed them."""
    x, y = mnist1d
    first = [-0.33200566736939013, -0.4719103656557236, -0.778697076293495, -1.0097408265367045, -0.8823525654053073]
    last = [0.4472328851428726, 0.6598756470890784, 0.8777343497528006, 1.1931518368352758]
    np.testing.assert_array_equal(x[0, :5], np.float32(first))
    np.testing.assert_array_equal(x[-1, -4:], np.float32(last))
    assert (y[:6].tolist(), y[-6:].tolist()) == ([2, 6, 4, 5, 6, 6], [1, 2, 5, 9, 6, 4])
    assert np.bincount(y).tolist() == [500] * 10


def test_mnist1d_tests_on_the_package_s_test_part(mnist1d, monkeypatch):
    monkeypatch.setattr("golden.data.readers.signals", lambda: mnist1d)
    data, (x, y) = load("mnist1d"), mnist1d
    np.testing.assert_array_equal(data.test.x[:, 0, :, 0], x[4000:])
    np.testing.assert_array_equal(data.test.y, y[4000:])
    assert (len(data.train), len(data.validation)) == (3500, 500)
    assert not set(rows(data.train)) & set(rows(data.validation))


def test_patches_do_not_overlap():
    rng = np.random.default_rng(0)
    numbered = np.zeros((32 * 40, 32 * 30, 3), np.uint8)
    cells = rng.permutation(1 << 16)[:1200].reshape(40, 30)
    for channel, part in enumerate((cells >> 8, cells & 255)):
        numbered[..., channel] = np.kron(part, np.ones((32, 32))).astype(np.uint8)
    x, y = patches([numbered, numbered[::-1]], ["a", "b"])
    assert (x == x[:, :1, :1]).all(), "a patch is one cell of the grid"
    seen = [x[y == photo][:, 0, 0, 0].astype(int) << 8 | x[y == photo][:, 0, 0, 1] for photo in (0, 1)]
    assert [len(set(cells)) for cells in seen] == [PER_PHOTO, PER_PHOTO]
    with pytest.raises(ValueError, match="small: 1 patches"):
        patches([numbered[:32, :32]], ["small"])


def test_grey_patches_tell_nothing_by_brightness():
    x = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    lit = grey(x)
    assert lit.shape == (5, 32, 32, 1)
    np.testing.assert_allclose(lit.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(lit.std(axis=(1, 2, 3)), 1, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.needs])
def test_a_missing_set_says_how_to_get_it(name, tmp_path):
    with pytest.raises(DataError) as caught:
        load(name, tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert name in text
    assert SOURCES[name].get in text


def test_an_unknown_set_is_answered_with_the_names():
    with pytest.raises(DataError, match=r"nmist is unknown: one of digits, mnist, .*chars:FILE"):
        load("nmist")


def test_the_page_of_data_sets_has_every_set():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert [name for name in SOURCES if f"| `{name}` |" not in page] == []
    digits, signals = load("digits"), load("mnist1d")
    for data in (digits, signals):
        sizes = " / ".join(f"{len(part):,}" for part in (data.train, data.validation, data.test))
        assert any(f"`{data.name}`" in line and sizes in line for line in page.splitlines())
