"""The file of real tensors: it is what its script and its own record say."""

import hashlib
import json

import numpy as np
import pytest
from golden_support import DATA

import golden


@pytest.fixture(scope="module")
def digits():
    with np.load(DATA / "digits.npz") as file:
        return dict(file)


def correct(digits, product):
    """How many test images the network gets right with this product of activations (n, k) and weights (n', k)."""
    x = digits["test_images"]
    for layer in (1, 2, 3):
        logits = product(x, digits[f"w{layer}"]) + digits[f"b{layer}"]
        x = np.maximum(logits, 0)
    return (logits.argmax(axis=1) == digits["test_labels"]).sum()


def test_the_script_is_the_one_that_made_it(digits):
    script = hashlib.sha256((DATA / "make_digits.py").read_bytes()).hexdigest()
    assert json.loads(str(digits["provenance"]))["script_sha256"] == script


def test_file_is_small():
    assert (DATA / "digits.npz").stat().st_size < 400_000


def test_tensors_are_float32_of_the_declared_shapes(digits):
    for layer, (k, n) in enumerate([(64, 64), (64, 64), (64, 10)], 1):
        shapes = [digits[f"{name}{layer}"].shape for name in "wbxg"]
        assert shapes == [(n, k), (n,), (64, k), (64, n)]
        assert all(digits[f"{name}{layer}"].dtype == np.float32 for name in "wbxg")
        assert all(np.abs(digits[f"{name}{layer}"]).max() > 0 for name in "wxg")


def test_accuracy_in_fp32_is_as_recorded(digits):
    assert correct(digits, lambda x, w: x @ w.T) == digits["test_correct"] > 340


def test_layers_belong_together(digits):
    """Each layer's recorded input is the ReLU of the one before, each gradient the next one sent back."""
    for layer in (1, 2):
        x = np.maximum(digits[f"x{layer}"] @ digits[f"w{layer}"].T + digits[f"b{layer}"], 0)
        np.testing.assert_allclose(digits[f"x{layer + 1}"], x, rtol=1e-5, atol=1e-6)
        g = (digits[f"g{layer + 1}"] @ digits[f"w{layer + 1}"]) * (x > 0)
        np.testing.assert_allclose(digits[f"g{layer}"], g, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "loss"), [("bfp4x64", 8), ("bfp6x64", 2), ("bfp8x64", 1)])
def test_accuracy_in_bfp_stays_near(digits, name, loss):
    def product(x, w):
        return golden.matmul(golden.quantize(x, name), golden.quantize(w.T, name, axis=0))

    assert correct(digits, product) >= digits["test_correct"] - loss
