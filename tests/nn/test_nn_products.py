"""Every product of every layer kind against blocks of Python integers: bits, order of accumulation, padding, draws."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nn_products_support import BACKENDS, KINDS, converted, output, pairs, patterns, tensor

from golden import reference
from golden.nn.im2col import output_size
from golden.nn.precision import Precision
from golden.nn.products import QuantisedProducts

SEEDS = st.integers(0, 1 << 30)
few = settings(max_examples=25, deadline=None, database=None)
STEP, SEED = 3, 7


def products(pair, backend):
    made = QuantisedProducts(Precision(pair, pair, pair), name="layer", backend=backend, seed=SEED)
    made.begin_step(STEP)
    return made


def same(pair, expected, call):
    """`call` of both backends' products gives these patterns."""
    for backend in BACKENDS:
        result = call(products(pair, backend))
        assert result.dtype == np.float32
        assert result.shape == expected.shape
        assert patterns(result) == expected.reshape(-1).tolist()


def blocks(x, axis, operand, role):
    return converted(x, axis, operand, f"layer/{role}", STEP, SEED)


@given(pairs(), SEEDS, KINDS, KINDS, st.integers(1, 6), st.integers(1, 11), st.integers(1, 5))
@few
def test_linear(pair, seed, kind, other, rows, inputs, outputs):
    x, w, g = tensor((rows, inputs), seed, kind), tensor((inputs, outputs), seed + 1, other), None
    g = tensor((rows, outputs), seed + 2, other)
    a, b = blocks(x, 1, pair.a, "forward.x"), blocks(w, 0, pair.b, "forward.w")
    expected = output((rows, outputs), lambda m, n: reference.dot(a[m,], b[n,]))
    same(pair, expected, lambda p: p.linear_forward(x, w))

    a, b = blocks(g, 1, pair.a, "data.g"), blocks(w, 1, pair.b, "data.w")
    expected = output((rows, inputs), lambda m, k: reference.dot(a[m,], b[k,]))
    same(pair, expected, lambda p: p.linear_data(g, w))

    a, b = blocks(x, 0, pair.a, "weight.x"), blocks(g, 0, pair.b, "weight.g")
    expected = output((inputs, outputs), lambda k, n: reference.dot(a[k,], b[n,]))
    same(pair, expected, lambda p: p.linear_weight(x, g))


@given(pairs(), SEEDS, KINDS, KINDS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 9))
@few
def test_batched(pair, seed, kind, other, stack, heads, depth):
    a, b = tensor((stack, heads, 3, depth), seed, kind), tensor((stack, heads, depth, 4), seed + 1, other)
    for role in ("context", "d_key"):
        left, right = blocks(a, 3, pair.a, f"{role}.a"), blocks(b, 2, pair.b, f"{role}.b")
        expected = output(
            (stack, heads, 3, 4), lambda s, h, m, n, x=left, y=right: reference.dot(x[s, h, m], y[s, h, n])
        )
        same(pair, expected, lambda p, role=role: p.batched(a, b, role))


@st.composite
def geometries(draw):
    """x (N, H, W, C), kernel (kh, kw), stride, padding, output channels."""
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    size = [draw(st.integers(max(1, k - 2 * padding), 5)) for k in kernel]
    return (draw(st.integers(1, 4)), *size, draw(st.integers(1, 4))), kernel, stride, padding, draw(st.integers(1, 2))


def sizes(geometry):
    (n, h, w, c), (kh, kw), stride, padding, outputs = geometry
    rows, columns = output_size(h, kh, stride, padding), output_size(w, kw, stride, padding)
    return (n, h, w, c), (kh, kw, c, outputs), (n, rows, columns, outputs)


def reaching(geometry, y, x):
    """(kh, kw, output row, output column) of the taps that reach input pixel (y, x), in order."""
    _, (kh, kw), stride, padding, _ = geometry
    for i, j in product(range(kh), range(kw)):
        row, column = y + padding - i, x + padding - j
        if row % stride == 0 and column % stride == 0:
            yield i, j, row // stride, column // stride


def joined(lists):
    return [block for part in lists for block in part]


@given(pairs(), SEEDS, KINDS, KINDS, geometries())
@few
def test_conv(pair, seed, kind, other, geometry):
    _, (kh, kw), stride, padding, _ = geometry
    x_shape, w_shape, g_shape = sizes(geometry)
    x, w, g = (
        tensor(s, seed + i, k)
        for i, (s, k) in enumerate(zip((x_shape, w_shape, g_shape), (kind, other, other), strict=True))
    )
    taps = list(product(range(kh), range(kw)))

    a, b = blocks(x, 3, pair.a, "forward.x"), blocks(w, 2, pair.b, "forward.w")

    def forward(n, row, column, o):
        left = [a[n, row * stride + i - padding, column * stride + j - padding] for i, j in taps]
        return reference.dot(joined(left), joined(b[i, j, o] for i, j in taps))

    same(pair, output(g_shape, forward), lambda p: p.conv_forward(x, w, stride, padding))

    a2, b2 = blocks(g, 3, pair.a, "data.g"), blocks(w, 3, pair.b, "data.w")

    def data(n, row, column, c):
        found = list(reaching(geometry, row, column))
        left = joined(a2[n, y, z] for _, _, y, z in found)
        return reference.dot(left, joined(b2[i, j, c] for i, j, _, _ in found)) if found else 0

    same(pair, output(x_shape, data), lambda p: p.conv_data(g, w, stride, padding, x_shape))

    a3, b3 = blocks(x, 0, pair.a, "weight.x"), blocks(g, 0, pair.b, "weight.g")
    pixels = list(product(range(g_shape[1]), range(g_shape[2])))

    def weight(i, j, c, o):
        left = joined(a3[y * stride + i - padding, z * stride + j - padding, c] for y, z in pixels)
        return reference.dot(left, joined(b3[y, z, o] for y, z in pixels))

    same(pair, output(w_shape, weight), lambda p: p.conv_weight(x, g, stride, padding, w_shape))


@given(pairs(), SEEDS, KINDS, KINDS, geometries())
@few
def test_depthwise(pair, seed, kind, other, geometry):
    _, (kh, kw), stride, padding, _ = geometry
    x_shape, w_shape, g_shape = sizes(geometry)
    w_shape, g_shape = w_shape[:3], (*g_shape[:3], x_shape[3])
    x, w, g = (
        tensor(s, seed + i, k)
        for i, (s, k) in enumerate(zip((x_shape, w_shape, g_shape), (kind, other, other), strict=True))
    )
    taps = list(product(range(kh), range(kw)))

    a, b = blocks(x, 3, pair.a, "forward.x"), blocks(w, 2, pair.b, "forward.w")

    def forward(n, row, column, c):
        left = [a.element((n, row * stride + i - padding, column * stride + j - padding), c) for i, j in taps]
        return reference.dot(joined(left), joined(b.element((i, j), c) for i, j in taps))

    same(pair, output(g_shape, forward), lambda p: p.depthwise_forward(x, w, stride, padding))

    a2, b2 = blocks(g, 3, pair.a, "data.g"), blocks(w, 2, pair.b, "data.w")

    def data(n, row, column, c):
        found = list(reaching(geometry, row, column))
        left = joined(a2.element((n, y, z), c) for _, _, y, z in found)
        return reference.dot(left, joined(b2.element((i, j), c) for i, j, _, _ in found)) if found else 0

    same(pair, output(x_shape, data), lambda p: p.depthwise_data(g, w, stride, padding, x_shape))

    a3, b3 = blocks(x, 0, pair.a, "weight.x"), blocks(g, 0, pair.b, "weight.g")
    pixels = list(product(range(g_shape[1]), range(g_shape[2])))

    def weight(i, j, c):
        left = joined(a3[y * stride + i - padding, z * stride + j - padding, c] for y, z in pixels)
        return reference.dot(left, joined(b3[y, z, c] for y, z in pixels))

    same(pair, output(w_shape, weight), lambda p: p.depthwise_weight(x, g, stride, padding, w_shape))


@pytest.mark.parametrize("fmt", ["nvfp4", "mx9", "mx6", "mxfp8_e5m2", "bfp4x64"])
@given(SEEDS, st.sampled_from(["gauss", "specials", "wide"]))
@settings(max_examples=3, deadline=None, database=None)
def test_whole_blocks(fmt, seed, kind):
    """Formats at their own block size, two blocks and a ragged one; NVFP4 with its tensor scales."""
    pair = Precision.named(fmt).forward
    depth = 2 * pair.a.format.block + 5
    x, w = tensor((2, depth), seed, kind), tensor((depth, 2), seed + 1, "gauss")
    a, b = blocks(x, 1, pair.a, "forward.x"), blocks(w, 0, pair.b, "forward.w")
    expected = output((2, 2), lambda m, n: reference.dot(a[m,], b[n,]))
    same(pair, expected, lambda p: p.linear_forward(x, w))
