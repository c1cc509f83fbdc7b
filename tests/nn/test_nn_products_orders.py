"""Named orders of blocks: unfolded rows, square tiles, and the emulators' reuse of forward blocks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_products_support import BACKENDS, converted, output, pairs, patterns, tensor, tiles

import golden
from golden import reference
from golden.nn import products_im2col
from golden.nn.engines import Engine
from golden.nn.im2col import output_size
from golden.nn.plain import PlainProducts
from golden.nn.precision import Order, Precision
from golden.nn.products import QuantisedProducts

X, W, STRIDES = (3, 3, 4, 3), (3, 2, 3, 2), [(1, 0), (1, 1), (2, 1), (3, 2)]
KINDS = st.sampled_from(["gauss", "wide", "sparse", "specials"])
few = settings(max_examples=6, deadline=None, database=None)
PLAIN = PlainProducts()


def made(pair, order, backend=BACKENDS[0]):
    return QuantisedProducts(Precision(pair, pair, pair, order=order), name="layer", backend=backend)


def unfolded(x, w_shape, stride, padding):
    """x (N, H, W, C) -> matrix (N H' W', C kh kw), by index."""
    n, h, w, c = x.shape
    kh, kw = w_shape[:2]
    rows, columns = ((size + 2 * padding - k) // stride + 1 for size, k in ((h, kh), (w, kw)))
    matrix = np.zeros((n, rows, columns, c, kh, kw), np.float32)
    for i, y, z, k, p, q in product(*map(range, matrix.shape)):
        row, column = y * stride + p - padding, z * stride + q - padding
        if 0 <= row < h and 0 <= column < w:
            matrix[i, y, z, k, p, q] = x[i, row, column, k]
    return matrix


def reached(g, w_shape, stride, padding, x_shape):
    """g (N, H', W', C) -> matrix (N H W, C kh kw): what a tap takes to a pixel of x."""
    matrix = np.zeros((*x_shape[:3], g.shape[3], *w_shape[:2]), np.float32)
    for i, y, z, k, p, q in product(*map(range, matrix.shape)):
        row, column = y + padding - p, z + padding - q
        if row % stride == 0 and column % stride == 0:
            row, column = row // stride, column // stride
            if 0 <= row < g.shape[1] and 0 <= column < g.shape[2]:
                matrix[i, y, z, k, p, q] = g[i, row, column, k]
    return matrix


def by_rows(a, b, pair, role):
    """Matrix product of the reference, blocks along the common axis."""
    names = {"forward": "xw", "data": "gw", "weight": "xg"}[role]
    left = converted(a, 1, pair.a, f"layer/{role}.{names[0]}")
    right = converted(b, 0, pair.b, f"layer/{role}.{names[1]}")
    return output((a.shape[0], b.shape[1]), lambda m, n: reference.dot(left[m,], right[n,]))


def by_tiles(a, b, pair, role):
    """The same with exponents shared by tiles."""
    left, right = tiles(a, pair.a, 1), tiles(b, pair.b, 0)
    return output((a.shape[0], b.shape[1]), lambda m, n: reference.dot(left[m], right[n]))


def conv_matrices(x, w, g, stride, padding):
    """(a, b) of forward, data and weight gradient, and the axes order of the results."""
    x_matrix = unfolded(x, w.shape, stride, padding).reshape(-1, w[..., 0].size)
    g_matrix = reached(g, w.shape, stride, padding, x.shape).reshape(-1, w[:, :, 0].size)
    rows = g.reshape(-1, g.shape[3])
    return {
        "forward": (x_matrix, w.transpose(2, 0, 1, 3).reshape(-1, w.shape[3])),
        "data": (g_matrix, w.transpose(3, 0, 1, 2).reshape(-1, w.shape[2])),
        "weight": (x_matrix.T.copy(), rows),
    }


def check_conv(order, pair, seed, kind, stride, padding, multiply):
    x, w = tensor(X, seed, kind), tensor(W, seed + 1, "gauss")
    rows, columns = (output_size(X[i + 1], W[i], stride, padding) for i in range(2))
    g = tensor((X[0], rows, columns, W[3]), seed + 2, kind)
    wanted = {role: multiply(a, b, pair, role) for role, (a, b) in conv_matrices(x, w, g, stride, padding).items()}
    by_tap = wanted["weight"].reshape(W[2], W[0], W[1], W[3]).transpose(1, 2, 0, 3)
    for backend in BACKENDS:
        p = made(pair, order, backend)
        assert patterns(p.conv_forward(x, w, stride, padding)) == wanted["forward"].ravel().tolist()
        assert patterns(p.conv_data(g, w, stride, padding, x.shape)) == wanted["data"].ravel().tolist()
        assert patterns(p.conv_weight(x, g, stride, padding, w.shape)) == by_tap.ravel().tolist()


@pytest.mark.parametrize(("stride", "padding"), STRIDES)
@given(pairs(), st.integers(0, 1 << 30), KINDS)
@few
def test_im2col_conv(stride, padding, pair, seed, kind):
    check_conv("im2col", pair, seed, kind, stride, padding, by_rows)


SQUARES = (("bfp4x4", "bfp12x4", "mxfp8_e5m2x4", "mxint8x4"), ("bfp4x9", "mxfp8_e4m3x9", "bfp16x9"))


@pytest.mark.parametrize(("stride", "padding"), STRIDES[1:3])
@given(pairs(SQUARES).filter(lambda p: "sr" not in (p.a.rounding, p.b.rounding)), st.integers(0, 1 << 30), KINDS)
@few
def test_tile2d_conv(stride, padding, pair, seed, kind):
    check_conv("tile2d", pair, seed, kind, stride, padding, by_tiles)


@pytest.mark.parametrize(("order", "multiply"), [("im2col", by_rows), ("tile2d", by_tiles)])
@pytest.mark.parametrize("rounding", ["rne", "sr"])
def test_unfolding_in_parts_changes_nothing(order, multiply, rounding, monkeypatch):
    """A row at a time, or a row of tiles; words of SR count through all of them."""
    if order == "tile2d" and rounding == "sr":
        rounding = "rtz"  # the reference has no words for tiles
    monkeypatch.setattr(products_im2col, "_PART", 1)
    check_conv(order, Precision.named("bfp4x9", rounding=rounding).forward, 0, "gauss", 1, 2, multiply)


@pytest.mark.parametrize("order", ["im2col", "tile2d"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_words_of_parts(order, backend, monkeypatch):
    """Parts as small as can be draw the words that the whole draws, in all passes and both ways of converting."""
    x, w, g = tensor((4, 5, 5, 3), 1, "gauss"), tensor((3, 3, 3, 4), 2, "gauss"), tensor((4, 5, 5, 4), 3, "gauss")
    d = tensor((3, 3, 3), 4, "gauss")

    def products(part):
        monkeypatch.setattr(products_im2col, "_PART", part)
        p = made(Precision.named("bfp4x4", rounding="sr").forward, order, backend)
        passes = p.conv_forward(x, w, 1, 1), p.conv_data(g, w, 1, 1, x.shape), p.conv_weight(x, g, 1, 1, w.shape)
        channels = p.depthwise_forward(x, d, 1, 1), p.depthwise_weight(x, x, 1, 1, d.shape)
        return [patterns(result) for result in passes + channels]

    assert products(1) == products(1 << 30)


@given(pairs(SQUARES).filter(lambda p: "sr" not in (p.a.rounding, p.b.rounding)), st.integers(0, 1 << 30), KINDS)
@few
def test_tile2d_linear_and_batched(pair, seed, kind):
    x, w, g = tensor((5, 7), seed, kind), tensor((7, 4), seed + 1, "gauss"), tensor((5, 4), seed + 2, kind)
    for backend in BACKENDS:
        p = made(pair, "tile2d", backend)
        assert patterns(p.linear_forward(x, w)) == by_tiles(x, w, pair, "").ravel().tolist()
        assert patterns(p.linear_data(g, w)) == by_tiles(g, w.T, pair, "").ravel().tolist()
        assert patterns(p.linear_weight(x, g)) == by_tiles(x.T, g, pair, "").ravel().tolist()
        stacked = p.batched(np.stack([x, x[::-1]]), np.stack([w, w]), "scores")
        assert patterns(stacked[1]) == by_tiles(x[::-1], w, pair, "").ravel().tolist()


@pytest.mark.parametrize(("stride", "padding"), STRIDES)
@pytest.mark.parametrize(("order", "multiply"), [("im2col", by_rows), ("tile2d", by_tiles)])
def test_depthwise_is_one_matrix_per_channel(order, multiply, stride, padding):
    pair = Precision.named("bfp5x4").forward
    x, w = tensor(X, 1, "gauss"), tensor(W[:3], 2, "gauss")
    g = tensor(PLAIN.depthwise_forward(x, w, stride, padding).shape, 3, "gauss")
    p = made(pair, order)
    y, dx = p.depthwise_forward(x, w, stride, padding), p.depthwise_data(g, w, stride, padding, x.shape)
    dw = p.depthwise_weight(x, g, stride, padding, w.shape)
    for c in range(W[2]):
        one = (x[..., c : c + 1], w[:, :, c : c + 1, np.newaxis], g[..., c : c + 1])
        matrices = conv_matrices(*one, stride, padding)
        wanted = {role: multiply(a, b, pair, role).ravel().tolist() for role, (a, b) in matrices.items()}
        assert patterns(y[..., c]) == wanted["forward"]
        assert patterns(dx[..., c]) == wanted["data"]
        assert patterns(dw[..., c]) == wanted["weight"]


BIG = 2.0**24  # what is added to it alone is lost: in the order BIG, 1, -BIG, 1 a sum is 1, with the ones together 2


@pytest.mark.parametrize("backend", BACKENDS, ids=["compiled", "numpy"])
def test_accumulation_follows_the_order(backend):
    """Blocks of one element: kh, kw, channel forward and in the data gradient; y, x, image in the weight gradient."""
    p = made(Precision.named("bfp4x1").forward, "channel", backend)
    ones = np.ones((1, 3, 3, 1), np.float32)
    for taps, total in (([[BIG, 1], [-BIG, 1]], 1), ([[BIG, -BIG], [1, 1]], 2)):
        w = np.array(taps, np.float32).reshape(2, 2, 1, 1)
        assert (p.conv_forward(ones, w, 1, 0) == total).all()
        assert (p.depthwise_forward(ones, w[..., 0], 1, 0) == total).all()
        assert (p.conv_data(ones, w, 1, 0, (1, 4, 4, 1))[:, 1:-1, 1:-1] == total).all()
        assert (p.depthwise_data(ones, w[..., 0], 1, 0, (1, 4, 4, 1))[:, 1:-1, 1:-1] == total).all()
        x = np.array(taps, np.float32).reshape(1, 2, 2, 1)
        assert p.conv_weight(x, ones[:, :2, :2], 1, 0, (1, 1, 1, 1)) == total
        assert p.depthwise_weight(x, ones[:, :2, :2], 1, 0, (1, 1, 1)) == total
    images = np.array([[BIG, -BIG], [1, 1]], np.float32).reshape(2, 1, 2, 1)  # image, x
    g = np.ones((2, 1, 2, 1), np.float32)
    assert p.conv_weight(images, g, 1, 0, (1, 1, 1, 1)) == 1
    channels = np.array([[BIG, -BIG], [1, 1]], np.float32).reshape(2, 1, 2, 1)  # kh, channel
    x = np.ones((1, 2, 1, 2), np.float32)
    assert p.conv_forward(x, channels, 1, 0) == 2
    p.precision = p.precision.with_order(Order.IM2COL)
    assert p.conv_forward(x, channels, 1, 0) == 1  # channel, kh, kw
    assert p.conv_weight(images, g, 1, 0, (1, 1, 1, 1)) == 2  # image, y, x


def test_emulator_reuses_forward_blocks():
    """dX = op(g_q, w_q), dW = op(x_q, g_q), each tensor converted once, along its forward or channel axis."""
    x, w = tensor((3, 5, 5, 4), 1, "gauss"), tensor((3, 3, 4, 6), 2, "gauss")
    pair = Precision.named("bfp4x4").forward
    p = made(pair, "emulator")
    y = p.conv_forward(x, w, 1, 1)
    assert patterns(y) == patterns(made(pair, "channel").conv_forward(x, w, 1, 1))
    g = tensor(y.shape, 3, "gauss")
    x_q, w_q, g_q = (golden.quantize(v, "bfp4x4", axis=axis).dequantize() for v, axis in ((x, 3), (w, 2), (g, 3)))
    np.testing.assert_array_equal(p.conv_weight(x, g, 1, 1, w.shape), PLAIN.conv_weight(x_q, g_q, 1, 1, w.shape))
    np.testing.assert_array_equal(p.conv_data(g, w, 1, 1, x.shape), PLAIN.conv_data(g_q, w_q, 1, 1, x.shape))
    forward, weight, data = p.records
    assert (forward.conversions, weight.conversions, data.conversions) == ((x.size, w.size), (0, g.size), (0, 0))
    assert (forward.realisable, weight.realisable, data.realisable) == (True, False, False)
    assert data.engine is Engine.PLAIN


def test_emulator_finds_transposed_operands_and_forgets():
    """Attention multiplies views of one tensor in turn; a new forward pass converts anew."""
    q, k = tensor((2, 3, 5, 4), 1, "gauss"), tensor((2, 3, 6, 4), 2, "gauss")
    ds = tensor((2, 3, 5, 6), 3, "gauss")
    p = made(Precision.named("bfp4x4").forward, "emulator")
    p.batched(q, k.swapaxes(-1, -2), "scores")
    k_q, ds_q = (golden.quantize(v, "bfp4x4").dequantize() for v in (k, ds))
    np.testing.assert_array_equal(p.batched(ds, k, "d_query"), ds_q @ k_q)
    q_q = golden.quantize(q, "bfp4x4").dequantize()
    np.testing.assert_array_equal(p.batched(ds.swapaxes(-1, -2), q, "d_key"), ds_q.swapaxes(-1, -2) @ q_q)
    assert [record.conversions for record in p.records] == [(q.size, k.size), (ds.size, 0), (0, 0)]
    k += 1  # in place, as an optimiser does
    p.batched(q, k.swapaxes(-1, -2), "scores")
    np.testing.assert_array_equal(p.batched(ds, k, "d_query"), ds_q @ golden.quantize(k, "bfp4x4").dequantize())


def test_linear_layers_know_no_channels():
    """Blocks of a linear layer lie along its one reduction in both orders."""
    x, w = tensor((4, 9), 1, "gauss"), tensor((9, 3), 2, "gauss")
    pair = Precision.named("bfp4x4", rounding="sr").forward
    results = [patterns(made(pair, order).linear_forward(x, w)) for order in (Order.CHANNEL, Order.IM2COL)]
    assert results[0] == results[1]
