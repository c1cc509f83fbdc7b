"""Loaders of the usual files, on small files made here in those formats."""

import gzip
import pickle
import struct

import numpy as np
import pytest

from golden.data import DataError, load
from golden.data.files import read_idx


def idx(array):
    """An idx file: zeros, type, axes, lengths, elements, all big-endian."""
    kind = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
    head = bytes([0, 0, kind[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(0,), (7,), (3, 4), (2, 3, 5)])
def test_idx_round_trip(dtype, shape, tmp_path):
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("a", "a.gz"):
        found = read_idx(tmp_path / name)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\1" + b[1:], lambda b: b[:6]])
def test_idx_refuses_what_its_header_does_not_say(spoil, tmp_path):
    (tmp_path / "a").write_bytes(spoil(idx(np.arange(6, dtype=np.uint8).reshape(2, 3))))
    with pytest.raises(DataError, match=r"^a: "):
        read_idx(tmp_path / "a")


@pytest.fixture
def mnist_like(tmp_path):
    rng = np.random.default_rng(1)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    made = {}
    for part, count in (("train", 60), ("t10k", 20)):
        x, y = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, 10, count, dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))
        made[part] = x, y
    return tmp_path, made


def test_fashion_mnist_from_idx_files(mnist_like):
    folder, made = mnist_like
    data = load("fashion-mnist", folder)
    assert (len(data.train), len(data.validation), data.input_shape) == (54, 6, (28, 28, 1))
    np.testing.assert_array_equal(np.rint(data.test.x[..., 0] * 255), made["t10k"][0])
    np.testing.assert_array_equal(data.test.y, made["t10k"][1])
    known = {image.tobytes(): label for image, label in zip(*made["train"], strict=True)}
    for part in (data.train, data.validation):
        for image, label in zip(np.rint(part.x[..., 0] * 255).astype(np.uint8), part.y, strict=True):
            assert known.pop(image.tobytes()) == label
    assert not known


def test_idx_folder_lacking_a_file_names_it(mnist_like):
    folder, _ = mnist_like
    (folder / "fashion-mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.*put Fashion-MNIST"):
        load("fashion-mnist", folder)


def cifar_batch(rng, count, keys):
    rows = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
    return {b"data": rows} | {key: rng.integers(0, 10, count).tolist() for key in keys}


@pytest.mark.parametrize(
    ("name", "folder", "training", "test", "key", "protocol"),
    [
        ("cifar10", "cifar-10-batches-py", [f"data_batch_{n}" for n in range(1, 6)], "test_batch", b"labels", 2),
        ("cifar100", "cifar-100-python", ["train"], "test", b"fine_labels", 4),
    ],
)
def test_cifar_batches(name, folder, training, test, key, protocol, tmp_path):
    rng, home = np.random.default_rng(2), tmp_path / folder
    home.mkdir()
    batches = {file: cifar_batch(rng, 20, [key, b"coarse_labels"]) for file in [*training, test]}
    for file, batch in batches.items():
        (home / file).write_bytes(pickle.dumps(batch, protocol=protocol))
    data = load(name, tmp_path)
    assert (len(data.train) + len(data.validation), len(data.test)) == (20 * len(training), 20)
    np.testing.assert_array_equal(data.test.y, batches[test][key])
    # planes become channels: undo the standardisation by comparing differences within one channel
    planes = batches[test][b"data"].reshape(-1, 3, 32, 32).astype(float)
    for channel in range(3):
        ours, theirs = data.test.x[..., channel], planes[:, channel]
        scale = theirs.std() / ours.std()
        np.testing.assert_allclose((ours - ours.mean()) * scale, theirs - theirs.mean(), atol=1e-2)


def test_cifar_loader_runs_no_foreign_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("pwned",))

    home = tmp_path / "cifar-100-python"
    home.mkdir()
    for file in ("train", "test"):
        (home / file).write_bytes(pickle.dumps({b"data": Evil(), b"fine_labels": []}))
    with pytest.raises(DataError, match=r"builtins\.print"):
        load("cifar100", tmp_path)


def test_cifar_loader_refuses_other_files(tmp_path):
    home = tmp_path / "cifar-100-python"
    home.mkdir()
    for file in ("train", "test"):
        (home / file).write_bytes(b"no pickle")
    with pytest.raises(DataError, match="not a CIFAR batch"):
        load("cifar100", tmp_path)


def test_packed_images(tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 256, (4000, 28, 28), dtype=np.uint8), rng.integers(0, 10, 4000, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x=x, y=y)
    data = load("mnist", tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (1000, 1000, 2000)
    assert (data.train.x.min(), data.train.x.max(), data.train.y.dtype) == (0, 1, np.int64)
