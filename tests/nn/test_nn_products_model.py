"""Precisions by name, draws, baselines without blocks, stored weights, reports, and whole models."""

import ml_dtypes
import numpy as np
import pytest
from nn_products_support import BACKENDS, converted, output, patterns, tensor

import golden
from golden import reference
from golden.catalog import get_format
from golden.formats import Rounding
from golden.kernels.fake import Draws
from golden.nn.backend import NumpyBackend
from golden.nn.engines import Engine
from golden.nn.loss import CrossEntropy
from golden.nn.models import build
from golden.nn.optimiser import SGD
from golden.nn.plain import PlainProducts
from golden.nn.precision import FP32, Operand, Order, Precision, Product
from golden.nn.products import QuantisedProducts, quantise, wide_storage

PLAIN = PlainProducts()


def test_names():
    hbfp = Precision.named("hbfp4")
    assert (
        hbfp.forward
        == hbfp.data
        == hbfp.weight
        == Product(Operand(get_format("bfp4x64")), Operand(get_format("bfp4x64")))
    )
    assert hbfp.storage == Operand(get_format("bfp16x64"))
    assert Precision.named("hbfp6x16").storage.format.name == "bfp16x16"
    assert Precision.named("mx6").storage == FP32
    assert Precision.named("mx6", storage="bf16").storage.element == "bf16"
    hybrid = Precision.named("mxfp8_e4m3", gradient="mxfp8_e5m2", gradient_rounding="sr")
    names = [(p.a.name, p.b.name) for p in (hybrid.forward, hybrid.data, hybrid.weight)]
    assert names == [
        ("mxfp8_e4m3", "mxfp8_e4m3"),
        ("mxfp8_e5m2 sr", "mxfp8_e4m3"),
        ("mxfp8_e4m3", "mxfp8_e5m2 sr"),
    ]
    assert Precision.named("BF16").forward.a == Operand(element="bf16")
    assert Operand.named("hbfp4", scale_rule="ceil").name == "bfp4x64 ceil"
    assert [Operand.named(name).bits for name in ("fp32", "bf16", "mxfp4")] == [32, 16, 4.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Precision.named("hbfp99"), "mantissa 99"),
        (lambda: Precision.named("hbfp4", order="rows"), "rows"),
        (lambda: Precision.named("hbfp4", rounding="up"), "up"),
        (lambda: Precision.named("hbfp4", scale_rule="most"), "most"),
        (lambda: Precision.named("mx6", gradient="mxfp8"), "one size"),
        (lambda: Precision.named("mx6", order="tile2d"), "tile2d: mx6"),
        (lambda: Precision.named("mxfp4", order="tile2d"), "tile2d: mxfp4"),
        (lambda: Operand(element="fp8"), "fp8"),
        (lambda: Operand(rounding="sr"), "no blocks"),
        (lambda: Operand(get_format("mx6"), element="bf16"), "bf16"),
        (lambda: Operand(get_format("mx6"), random_bits=33), "1..32"),
    ],
)
def test_illegal_precisions(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("element", ["bf16", "fp16"])
def test_baselines_without_blocks(element):
    """Operands cast as ml_dtypes and NumPy cast, one FP32 GEMM."""
    kind = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16}[element]
    x, w = tensor((7, 33), 1, "wide"), tensor((33, 5), 2, "ties") / 3
    x[0, :4] = [np.inf, -0.0, 2.0**-140, 1 + 2.0**-8]
    p = QuantisedProducts(Precision.named(element))
    with np.errstate(all="ignore"):
        cast = [v.astype(kind).astype(np.float32) for v in (x, w)]
        expected = patterns(cast[0] @ cast[1])
        assert patterns(p.linear_forward(x, w)) == expected
    assert patterns(
        NumpyBackend().convert(np.array([np.nan], np.float32), 0, Operand(element=element), None).values
    ) == [0x7FC00000]
    assert p.records[0].engine is Engine.PLAIN
    assert p.describe() == f"linear forward: {element} x {element}, FP32 sums"


def test_half_a_product_in_blocks():
    """Blocks against FP32: values in blocks along the reduction, one FP32 GEMM."""
    x, w = tensor((2, 5, 5, 6), 1, "gauss"), tensor((3, 3, 6, 4), 2, "gauss")
    p = QuantisedProducts(Precision(forward=Product(Operand.named("bfp4x4"), FP32)))
    expected = PLAIN.conv_forward(golden.quantize(x, "bfp4x4").dequantize(), w, 1, 0)
    np.testing.assert_array_equal(p.conv_forward(x, w, 1, 0), expected)
    assert not p.records[0].realisable


@pytest.mark.parametrize(("name", "rule"), [("nvfp4", "floor"), ("mx9", "ceil"), ("bfp4x4", "floor")])
def test_blocks_dequantised(name, rule):
    """Where sums are not by block: tensor scales multiplied in, infinite where FP32 is exceeded, poison as NaN."""
    x, w = tensor((3, 40), 1, "specials"), np.eye(40, dtype=np.float32)
    x[0, :16], x[1, :2] = 0, [3.4e38, 1]
    expected = golden.quantize(x, name, scale_rule=rule).dequantize()
    for backend in BACKENDS:
        operand = Operand(get_format(name), scale_rule=rule)
        assert patterns(backend.convert(x, 1, operand, Draws("")).dequantized()) == patterns(expected)
        stored = QuantisedProducts(Precision(storage=operand), backend=backend).store(x.T.copy())
        assert patterns(stored.T) == patterns(expected)
    finite = tensor((3, 40), 1, "gauss")
    p = QuantisedProducts(Precision(forward=Product(Operand(get_format(name), scale_rule=rule), FP32)))
    np.testing.assert_array_equal(
        p.linear_forward(finite, w), golden.quantize(finite, name, scale_rule=rule).dequantize()
    )


def test_fp32_is_the_plain_product():
    x, w = tensor((2, 5, 5, 6), 1, "gauss"), tensor((3, 3, 6, 4), 2, "gauss")
    p = QuantisedProducts(Precision())
    np.testing.assert_array_equal(p.conv_forward(x, w, 1, 1), PLAIN.conv_forward(x, w, 1, 1))
    q = tensor((2, 3, 4), 3, "gauss")
    np.testing.assert_array_equal(p.batched(q, q.swapaxes(1, 2), "scores"), q @ q.swapaxes(1, 2))


def test_draws_follow_seed_step_name_role_and_operand():
    x, w = tensor((4, 9), 1, "gauss"), tensor((9, 3), 2, "gauss")
    operand = Operand(get_format("bfp3x4"), Rounding.SR)

    def run(name="conv1", seed=0, step=0):
        p = QuantisedProducts(
            Precision(Product(operand, operand), *[Product(operand, operand)] * 2), name=name, seed=seed
        )
        p.begin_step(step)
        return p

    a = converted(x, 1, operand, "conv1/forward.x", 5, 9)
    b = converted(w, 0, operand, "conv1/forward.w", 5, 9)
    expected = output((4, 3), lambda m, n: reference.dot(a[m,], b[n,])).ravel().tolist()
    assert patterns(run(seed=9, step=5).linear_forward(x, w)) == expected
    assert patterns(run(seed=9, step=6).linear_forward(x, w)) != expected
    assert patterns(run(seed=8, step=5).linear_forward(x, w)) != expected
    assert patterns(run("conv2", seed=9, step=5).linear_forward(x, w)) != expected
    again = run(seed=9, step=5)
    again.linear_data(w.T, w.T)
    assert patterns(again.linear_forward(x, w)) == expected  # no call depends on an earlier one


def test_records_count_conversions_and_multiplications():
    x, w = tensor((2, 6, 6, 3), 1, "gauss"), tensor((3, 3, 3, 5), 2, "gauss")
    p = QuantisedProducts(Precision.named("bfp4x2"), name="conv")
    p.begin_step(0)
    y = p.conv_forward(x, w, 2, 1)
    p.conv_weight(x, y, 2, 1, w.shape)
    p.conv_data(y, w, 2, 1, x.shape)
    macs = y.size * 27
    assert [(r.role, r.conversions, r.macs) for r in p.records] == [
        ("forward", (x.size, w.size), macs),
        ("weight", (x.size, y.size), macs),
        ("data", (y.size, w.size), macs),
    ]
    assert p.describe().splitlines() == [
        "conv conv forward: bfp4x2 x bfp4x2, blocks of 2 along input channels at each tap, float32",
        "conv conv weight: bfp4x2 x bfp4x2, blocks of 2 along the batch at each pixel, float32",
        "conv conv data: bfp4x2 x bfp4x2, blocks of 2 along output channels at each tap, float32",
    ]
    p.conv_forward(x, w, 2, 1)
    assert p.records[0].macs == 2 * macs
    p.begin_step(1)
    assert p.records == ()
    p.precision = p.precision.with_order(Order.IM2COL)
    p.conv_forward(x, w, 2, 1)
    assert p.records[0].conversions == (2 * 3 * 3 * 27, w.size)  # every window of the activation
    p.depthwise_forward(x, w[..., 0], 1, 1)
    p.batched(x, x.swapaxes(-1, -2), "scores")
    assert [r.macs for r in p.records[1:]] == [x.size * 6]
    assert p.records[0].macs == macs + x.size * 9


@pytest.mark.parametrize(("shape", "axis"), [((40, 3), 0), ((3, 3, 40, 2), 2), ((3, 3, 40), 2)])
def test_stored_weights(shape, axis):
    w = tensor(shape, 1, "gauss")
    p = QuantisedProducts(Precision.named("hbfp4x16"))
    np.testing.assert_array_equal(p.store(w), golden.quantize(w, "bfp16x16", axis=axis).dequantize())


def step(model, x, y, storage=None):
    loss = CrossEntropy()
    optimiser = SGD(model.parameters(), storage=storage) if storage else SGD(model.parameters())
    value = loss.forward(model.forward(x, training=True), y)
    model.backward(loss.backward())
    optimiser.step(0.05)
    return value


def trained(precision, backend, seed=0):
    """A LeNet of half width after two steps."""
    model = build("lenet5", (12, 12, 1), 10, seed=0, width=0.5)
    layers = quantise(model, precision, backend=backend, seed=seed)
    x, y = tensor((9, 12, 12, 1), 3, "gauss"), np.arange(9) % 10
    for number in range(2):
        for products in layers:
            products.begin_step(number)
        step(model, x, y, wide_storage(model))
    return model


@pytest.mark.parametrize("name", ["hbfp4x4", "mx6", "mxfp8_e5m2"])
@pytest.mark.parametrize("order", ["channel", "im2col"])
def test_models_have_the_same_bits_on_both_backends(name, order):
    precision = Precision.named(name, gradient_rounding="sr", order=order)
    states = [trained(precision, backend).state() for backend in BACKENDS]
    for key, value in states[0].items():
        assert value.tobytes() == states[1][key].tobytes(), key
    other = trained(precision, BACKENDS[0], seed=1).state()
    assert any(value.tobytes() != other[key].tobytes() for key, value in states[0].items())


def test_quantise_names_every_layer_and_stores_its_weights():
    model = build("lenet5", (12, 12, 1), 10, seed=0, width=0.5)
    before = {p.name: p.value.copy() for p in model.parameters()}
    layers = quantise(model, Precision.named("hbfp4x16"))
    assert [p.name for p in layers] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    for parameter in model.parameters():
        axis = 0 if parameter.value.ndim == 2 else 2
        fmt = "bfp16x16" if parameter.quantised else None
        wanted = golden.quantize(before[parameter.name], fmt, axis=axis).dequantize() if fmt else before[parameter.name]
        np.testing.assert_array_equal(parameter.value, wanted)
    layers[0].precision = Precision.named("fp32")  # as a policy does, in mid-run
    weight = model.parameters()[0]
    np.testing.assert_array_equal(wide_storage(model)(weight, before[weight.name]), before[weight.name])


def test_wide_blocks_train_like_fp32():
    """16 bits everywhere: gradients within rounding of those in FP32, and none of them exactly theirs by accident."""
    x, y = tensor((9, 12, 12, 1), 3, "gauss"), np.arange(9) % 10
    plain, narrow = (build("lenet5", (12, 12, 1), 10, seed=0, width=0.5) for _ in range(2))
    quantise(narrow, Precision.named("bfp16x16"))
    losses = [step(model, x, y) for model in (plain, narrow)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    for a, b in zip(plain.parameters(), narrow.parameters(), strict=True):
        np.testing.assert_allclose(a.grad, b.grad, atol=2e-3 * np.abs(a.grad).max())
    assert not np.array_equal(plain.parameters()[0].grad, narrow.parameters()[0].grad)


def test_attention_runs_in_blocks():
    model = build("transformer_lm", (8,), 11, seed=0)
    layers = quantise(model, Precision.named("mx9"))
    tokens = np.arange(16).reshape(2, 8) % 11
    loss = CrossEntropy()
    loss.forward(model.forward(tokens, training=True), np.roll(tokens, -1, axis=1))
    model.backward(loss.backward())
    core = next(p for p in layers if "core" in p.name)
    assert [r.role for r in core.records] == ["scores", "context", "d_probabilities", "d_value", "d_query", "d_key"]
    assert all(r.realisable and r.macs for r in core.records)
