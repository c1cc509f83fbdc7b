"""What layers and products compute, against their definitions: closed forms, loops, worked numbers."""

import numpy as np
import pytest

from golden.nn import plain_conv
from golden.nn.activation import GELU, Dropout, ReLU
from golden.nn.attention import AttentionCore, MultiHeadAttention
from golden.nn.channels import channel_sums, long_rows
from golden.nn.embedding import Positions
from golden.nn.layer import Stash
from golden.nn.norm import BatchNorm, LayerNorm
from golden.nn.plain import PlainProducts
from golden.nn.pooling import AveragePool, GlobalAveragePool, MaxPool
from golden.nn.shape import PadChannels


def integers(*shape, seed=0):
    """Small integers: float32 sums of their products are exact, in any order."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


def taps(x_shape, kernel, stride, padding):
    """(pixel of the output, pixel of the input, tap) for all that meet inside the image: convolution's definition."""
    for y, x in np.ndindex(*((size + 2 * padding - k) // stride + 1 for size, k in zip(x_shape, kernel, strict=True))):
        for i, j in np.ndindex(*kernel):
            row, column = y * stride + i - padding, x * stride + j - padding
            if 0 <= row < x_shape[0] and 0 <= column < x_shape[1]:
                yield (y, x), (row, column), (i, j)


@pytest.mark.parametrize("chunk", [1, 8000, 1 << 19], ids=["one image at a time", "some", "all at once"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((3, 3), 1, 1), ((5, 3), 1, 0), ((2, 3), 2, 1), ((1, 1), 2, 0), ((2, 2), 1, 2)]
)
def test_convolution_is_the_sum_over_its_taps(monkeypatch, chunk, channels, kernel, stride, padding):
    monkeypatch.setattr(plain_conv, "CHUNK", chunk)
    x, w = integers(5, 6, 7, channels), integers(*kernel, channels, 2, seed=1)
    products = PlainProducts()
    y = products.conv_forward(x, w, stride, padding)
    g = integers(*y.shape, seed=2)
    expected, dx, dw = np.zeros_like(y), np.zeros_like(x), np.zeros_like(w)
    for out, at, tap in taps(x.shape[1:3], kernel, stride, padding):
        expected[:, *out] += x[:, *at] @ w[tap]
        dx[:, *at] += g[:, *out] @ w[tap].T
        dw[tap] += x[:, *at].T @ g[:, *out]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(products.conv_data(g, w, stride, padding, x.shape), dx)
    np.testing.assert_array_equal(products.conv_weight(x, g, stride, padding, w.shape), dw)


@pytest.mark.parametrize("chunk", [1, 8000, 1 << 19], ids=["one image at a time", "some", "all at once"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 3), 1, 1), ((2, 3), 2, 1)])
def test_depthwise_convolution_is_the_sum_over_its_taps(monkeypatch, chunk, kernel, stride, padding):
    monkeypatch.setattr(plain_conv, "CHUNK", chunk)
    x, w = integers(5, 6, 7, 4), integers(*kernel, 4, seed=1)
    products = PlainProducts()
    y = products.depthwise_forward(x, w, stride, padding)
    g = integers(*y.shape, seed=2)
    expected, dx, dw = np.zeros_like(y), np.zeros_like(x), np.zeros_like(w)
    for out, at, tap in taps(x.shape[1:3], kernel, stride, padding):
        expected[:, *out] += x[:, *at] * w[tap]
        dx[:, *at] += g[:, *out] * w[tap]
        dw[tap] += (x[:, *at] * g[:, *out]).sum(axis=0)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(products.depthwise_data(g, w, stride, padding, x.shape), dx)
    np.testing.assert_array_equal(products.depthwise_weight(x, g, stride, padding, w.shape), dw)


def test_a_kernel_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match=r"kernel 5 on 3 pixels .* at most 3 fits"):
        PlainProducts().conv_forward(integers(1, 3, 3, 1), integers(5, 5, 1, 1), 1, 0)


def test_batch_norm_normalises_and_keeps_running_statistics():
    layer, x = BatchNorm(3), np.random.default_rng(0).normal((1, -2, 50), (1, 3, 0.1), (8, 5, 4, 3)).astype(np.float32)
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), 1, atol=2e-3)  # eps beside a variance of 0.01
    rows = x.astype(np.float64).reshape(-1, 3)
    np.testing.assert_allclose(layer.buffers["mean"], 0.1 * rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(layer.buffers["variance"], 0.9 + 0.1 * rows.var(axis=0, ddof=1), rtol=1e-5)
    layer.scale.value[:], layer.shift.value[:] = 2, 1
    expected = 2 * (x - layer.buffers["mean"]) / np.sqrt(layer.buffers["variance"] + 1e-5) + 1
    np.testing.assert_allclose(layer.forward(x, training=False), expected, rtol=1e-5, atol=1e-5)


def test_layer_norm_normalises_each_row():
    y = LayerNorm(4).forward(np.array([[1.0, 2, 3, 4], [40, 30, 20, 10]]), training=False)
    np.testing.assert_allclose(y, [[-1.3416, -0.4472, 0.4472, 1.3416], [1.3416, 0.4472, -0.4472, -1.3416]], atol=1e-4)


def test_relu_has_one_zero_and_lets_nan_through():
    y = ReLU().forward(np.array([-1.0, -0.0, 0.0, 2.0, np.nan, -np.inf, np.inf], np.float32), training=False)
    np.testing.assert_array_equal(y, [0, 0, 0, 2, np.nan, 0, np.inf])
    assert not np.signbit(y[:4]).any()
    for size in range(1, 70):  # vector and scalar parts of the loop
        assert not np.signbit(ReLU().forward(np.full(size, -0.0, np.float32), training=False)).any()


def test_gelu_at_known_points():
    """x Phi(x) at -1, 0, 1, 3 to the accuracy of the tanh form."""
    y = GELU().forward(np.array([-1.0, 0.0, 1.0, 3.0]), training=False)
    np.testing.assert_allclose(y, [-0.158655, 0, 0.841345, 2.995950], atol=5e-4)


def test_max_pool_gives_ties_to_the_first_and_drops_the_rim():
    x = np.array([[7, 7, 0], [7, 1, 9], [9, 9, 9]], np.float32).reshape(1, 3, 3, 1)
    layer = MaxPool(2)
    assert layer.forward(x, training=True).ravel().tolist() == [7]
    dx = layer.backward(np.full((1, 1, 1, 1), 5, np.float32))
    assert dx.ravel().tolist() == [5, 0, 0, 0, 0, 0, 0, 0, 0]
    x[0, 0, 1] = 8
    layer.forward(x, training=True)
    assert layer.backward(np.full((1, 1, 1, 1), 5, np.float32)).ravel().tolist() == [0, 5, 0, 0, 0, 0, 0, 0, 0]
    x[0, 1, 1] = np.nan
    assert np.isnan(layer.forward(x, training=False)).all()


def test_mean_pools():
    x = np.arange(16, dtype=np.float64).reshape(1, 4, 4, 1)
    assert AveragePool(2).forward(x, training=False).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert GlobalAveragePool().forward(x, training=False).tolist() == [[7.5]]


def test_padded_identity_takes_every_second_pixel():
    y = PadChannels(2, 2).forward(np.arange(9.0).reshape(1, 3, 3, 1), training=False)
    assert y.shape == (1, 2, 2, 3)
    assert y[..., 0].ravel().tolist() == [0, 2, 6, 8]
    assert not y[..., 1:].any()


def test_positions_are_the_published_sinusoids():
    y = Positions(4).forward(np.zeros((1, 3, 4)), training=False)[0]
    np.testing.assert_allclose(y[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)], rtol=1e-12)


def test_attention_weights():
    """Keys alike: the mean of the values seen; one key far ahead: its value; no key: zeros."""
    core, v = AttentionCore(), np.array([[[[1.0], [3.0], [8.0]]]])
    q, k = np.ones((1, 1, 2, 1)), np.zeros((1, 1, 3, 1))
    mask = np.array([[True, True, False], [False, False, False]])
    assert core.attend(q, k, v, None, training=False).ravel().tolist() == [4, 4]
    assert core.attend(q, k, v, mask, training=False).ravel().tolist() == [2, 0]
    k[0, 0, 2] = 1000
    assert core.attend(q, k, v, None, training=False).ravel().tolist() == [8, 8]
    q, k = np.full((1, 1, 1, 4), 1.0), np.zeros((1, 1, 2, 4))
    k[0, 0, 1] = 0.5 * np.log(3)  # the score is 2 log 3 / sqrt(4)
    found = core.attend(q, k, np.array([[[[0.0], [1.0]]]]), None, training=False)
    np.testing.assert_allclose(found.ravel(), [0.75])


def test_a_causal_query_sees_neither_the_future_nor_padding():
    layer, x = (
        MultiHeadAttention(4, 2, np.random.default_rng(0), causal=True),
        np.random.default_rng(1).random((1, 4, 4)),
    )
    keep = np.array([[True, True, False, True]])
    y = layer.forward(x, training=False, keep=keep)
    for changed, same in ((1, [0]), (2, [0, 1, 3]), (3, [0, 1, 2])):
        other = x.copy()
        other[0, changed] += 1
        z = layer.forward(other, training=False, keep=keep)
        assert np.array_equal(z[0, same], y[0, same])
        assert not np.array_equal(z[0, changed], y[0, changed])


@pytest.mark.parametrize("shape", [(7, 3), (1, 5), (2, 3, 4), (4, 8, 8, 3), (6, 1000)])
def test_sums_over_long_rows(shape):
    x, y = integers(*shape), integers(*shape, seed=1)
    assert long_rows(x).base is not None
    np.testing.assert_array_equal(channel_sums(x), x.sum(axis=tuple(range(x.ndim - 1))))
    np.testing.assert_array_equal(channel_sums(x, y), (x * y).sum(axis=tuple(range(x.ndim - 1))))
    np.testing.assert_array_equal(channel_sums(x[:1]), x[:1].sum(axis=tuple(range(x.ndim - 1))))


def test_dropout_scales_what_stays_and_draws_anew():
    layer, x = Dropout(0.25, seed=1), np.ones((100, 100), np.float32)
    first, second = layer.forward(x, training=True), layer.forward(x, training=True)
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02  # 4.6 deviations
    assert not np.array_equal(first, second)
    again = Dropout(0.25, seed=1)
    again.buffers["passes"][...] = 1
    assert np.array_equal(again.forward(x, training=True), second)
    assert layer.forward(x, training=False) is x
    with pytest.raises(ValueError, match="0 <= rate < 1"):
        Dropout(1.0, seed=1)


def test_the_plain_stash_changes_nothing():
    x = integers(2, 2)
    assert Stash()(x) is x
    assert Stash().backward(x) is x
