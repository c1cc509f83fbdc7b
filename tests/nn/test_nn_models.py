"""Whole models: their gradients, their published parameter counts, their names, their state."""

import numpy as np
import pytest
from nn_support import check_gradients

from golden.nn.layer import NO_GRADIENT, Stash
from golden.nn.loss import CrossEntropy
from golden.nn.models import MODELS, build
from golden.nn.optimiser import SGD
from golden.nn.plain import PlainProducts

TINY = {
    "mlp": ((2, 3, 1), 3, {"hidden": (4, 3)}),
    "lenet300": ((3, 3, 1), 3, {"width": 0.02}),
    "lenet5": ((8, 8, 1), 3, {"width": 0.3}),
    "resnet8": ((8, 8, 2), 3, {"width": 2}),
    "resnet20": ((4, 4, 1), 3, {"width": 2, "shortcut": "B"}),
    "resnet74": ((4, 4, 1), 3, {"width": 1}),
    "densenet40": ((4, 4, 1), 3, {"growth": 1}),
    "transformer_lm": ((5,), 7, {"width": 4, "depth": 2, "heads": 2, "dropout": 0.0}),
    "transformer_seq2seq": ((5,), 7, {"width": 4, "depth": 2, "heads": 2}),
}


def tiny(name, batch=4):
    shape, classes, sizes = TINY[name]
    model, rng = build(name, shape, classes, 3, **sizes), np.random.default_rng(4)
    if name == "transformer_seq2seq":
        source, target = rng.integers(1, classes, (batch, 5)), rng.integers(1, classes, (batch, 4))
        source[0, 3:] = 0
        return model, (source, target)
    if name == "transformer_lm":
        return model, rng.integers(0, classes, (batch, *shape))
    return model, rng.standard_normal((batch, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_the_whole_model(name):
    model, x = tiny(name)
    inputs = x if isinstance(x, tuple) or x.dtype.kind == "i" else x.astype(np.float64)
    check_gradients(model, inputs, together=6 if len(model.parameters()) > 100 else 1)


@pytest.mark.parametrize(
    ("name", "shape", "sizes", "parameters", "products"),
    [
        ("lenet300", (28, 28, 1), {}, 266_610, 3),  # LeCun et al. 1998: 784-300-100-10
        ("lenet5", (28, 28, 1), {}, 61_706, 5),  # the usual 6-16-120-84
        ("resnet20", (32, 32, 3), {}, 269_722, 20),  # He et al. 2016, table 6: 0.27 M
        ("resnet20", (32, 32, 3), {"shortcut": "B"}, 272_474, 22),  # two 1x1 with norm more: 16*32 + 64, 32*64 + 128
        ("resnet74", (32, 32, 3), {}, 1_144_666, 74),
        ("densenet40", (32, 32, 3), {}, 1_019_722, 40),  # Huang et al. 2017, table 2: 1.0 M
    ],
)
def test_published_parameter_counts(name, shape, sizes, parameters, products):
    model = build(name, shape, 10, 0, **sizes)
    assert sum(parameter.value.size for parameter in model.parameters()) == parameters
    assert len(model.matmul_layers()) == products


def test_transformer_parameter_count():
    """Per block 4 d^2 + 4d of attention, 8 d^2 + 5d of MLP, 4d of norms; embedding, last norm, output."""
    d, v, depth = 8, 11, 3
    model = build("transformer_lm", (5,), v, 0, width=d, depth=depth, heads=2)
    expected = depth * (12 * d * d + 13 * d) + v * d + 2 * d + d * v + v
    assert sum(parameter.value.size for parameter in model.parameters()) == expected


@pytest.mark.parametrize("name", MODELS)
def test_names_are_unique_and_the_seed_decides_the_weights(name):
    shape, classes, sizes = TINY[name]
    model, again, other = (build(name, shape, classes, seed, **sizes) for seed in (3, 3, 4))
    names = [parameter.name for parameter in model.parameters()]
    assert len(set(names)) == len(names)
    weights = {parameter.value.tobytes() for parameter in model.parameters() if parameter.decay}
    assert weights == {parameter.value.tobytes() for parameter in again.parameters() if parameter.decay}
    assert not weights & {parameter.value.tobytes() for parameter in other.parameters() if parameter.decay}
    assert all(parameter.value.dtype == np.float32 for parameter in model.parameters())


class Noted(PlainProducts):
    """Writes down whose product is asked for."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def linear_forward(self, x, w):
        self.calls.append(self.name)
        return super().linear_forward(x, w)

    def conv_forward(self, x, w, stride, padding):
        self.calls.append(self.name)
        return super().conv_forward(x, w, stride, padding)

    def batched(self, a, b, role):
        if role == "scores":
            self.calls.append(self.name)
        return super().batched(a, b, role)


@pytest.mark.parametrize("name", MODELS)
def test_matmul_layers_come_in_order_of_execution(name):
    """What comes first and last matters to precision policies: the order of the calls themselves."""
    model, x = tiny(name)
    calls = []
    for layer in model.matmul_layers():
        layer.products = Noted(layer.name, calls)
    model.forward(x, training=True)
    assert calls == [layer.name for layer in model.matmul_layers()]


@pytest.mark.parametrize("name", MODELS)
def test_training_lowers_the_loss_and_float32_stays_float32(name):
    model, x = tiny(name, batch=16)
    classes = TINY[name][1]
    first = x[1] if isinstance(x, tuple) else x
    targets = first % classes if first.dtype.kind == "i" else np.arange(16) % classes
    loss, optimiser = CrossEntropy(), SGD(model.parameters())
    losses = []
    for _ in range(12):
        logits = model.forward(x, training=True)
        assert logits.dtype == np.float32
        losses.append(loss.forward(logits, targets))
        assert model.backward(loss.backward()) is NO_GRADIENT
        assert {parameter.grad.dtype for parameter in model.parameters()} == {np.dtype(np.float32)}
        optimiser.step(0.05)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["resnet8", "transformer_seq2seq"])
def test_state_restores_the_model(name):
    model, x = tiny(name)
    model.forward(x, training=True)  # running statistics move
    state = {key: value.copy() for key, value in model.state().items()}
    expected = model.forward(x, training=False)
    shape, classes, sizes = TINY[name]
    other = build(name, shape, classes, 9, **sizes)
    assert not np.array_equal(other.forward(x, training=False), expected)
    other.load(state)
    assert np.array_equal(other.forward(x, training=False), expected)
    state.pop(next(iter(state)))
    with pytest.raises(ValueError, match="state of another model"):
        other.load(state)


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_keeps_nothing_and_changes_nothing(name):
    model, x = tiny(name)
    before = {key: value.copy() for key, value in model.state().items()}
    model.forward(x, training=False)
    assert not any(layer.saved for layer in model.layers())
    assert all(np.array_equal(before[key], value) for key, value in model.state().items())


def test_a_stash_is_used_forward_and_its_gradient_backward():
    model, x = tiny("lenet5")

    class Halved(Stash):
        def __call__(self, x):
            return x / 2

        def backward(self, g):
            return g / 2

    for layer in model.layers():
        layer.stash = Halved()
    check_gradients(model, x.astype(np.float64))


def test_causality_of_the_language_model():
    model, x = tiny("transformer_lm")
    y = model.forward(x, training=False)
    x[:, 3] = (x[:, 3] + 1) % 7
    changed = model.forward(x, training=False)
    assert np.array_equal(y[:, :3], changed[:, :3])
    assert not np.array_equal(y[:, 3:], changed[:, 3:])


def test_padding_of_the_source_is_not_seen():
    model, (source, target) = tiny("transformer_seq2seq")
    y = model.forward((source, target), training=False)
    longer = np.concatenate([source, np.zeros((4, 3), source.dtype)], axis=1)
    np.testing.assert_allclose(model.forward((longer, target), training=False), y, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build("alexnet", (8, 8, 1), 2, 0), "one of mlp, lenet300"),
        (lambda: build("lenet5", (3, 3, 1), 2, 0), "at least 4x4"),
        (lambda: build("resnet20", (8, 8, 1), 2, 0, shortcut="C"), "'A' .* or 'B'"),
        (lambda: build("resnet20", (8, 8, 1), 2, 0, depth=9), "6n \\+ 2"),
        (lambda: build("densenet40", (8, 8, 1), 2, 0, depth=41), "3n \\+ 4"),
        (lambda: build("transformer_lm", (8,), 2, 0, width=10, heads=4), "a multiple"),
    ],
)
def test_illegal_sizes_name_the_legal_ones(call, message):
    with pytest.raises(ValueError, match=message):
        call()
