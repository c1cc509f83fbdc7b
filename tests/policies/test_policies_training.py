"""Policies at work on models: every one trains, resumes to the bit, and is accounted for exactly."""

import json

import numpy as np
import pytest
from policies_support import hexes

from golden import gecko
from golden.data import load
from golden.nn.loss import CrossEntropy
from golden.nn.models import build
from golden.nn.optimiser import SGD
from golden.nn.precision import Precision
from golden.nn.products import wide_storage
from golden.policies import POLICIES, Role, Session, make_policy
from golden.policies.controller import Controller, Gate
from golden.policies.formats import FP32, Affine, Blocks, Container, Float
from golden.policies.usage import gecko_bits, multiplier_bits

DIGITS = load("digits")
BATCH, STEPS = 32, 24
LEARNED = {"lr": 30.0, "gamma": 1.0, "max_step": 0.5, "source": "bf16"}
HYPER = {"qm": LEARNED, "qe": {**LEARNED, "source": None}, "qm_qe": LEARNED}
HYPER["qe"] = {key: value for key, value in LEARNED.items() if key != "source"}


class Run:
    """A small network on digits; `model` mlp, or resnet8 for the policies that gate blocks."""

    def __init__(self, name, model="mlp", sizes=None, precision=None, epochs=3):
        sizes = {"hidden": (16,)} if model == "mlp" else {"width": 4} if model == "resnet8" else {}
        self.model = build(model, DIGITS.input_shape, DIGITS.classes, 0, **sizes)
        batch = DIGITS.train.x[:BATCH]
        self.session = Session(
            make_policy(name, HYPER), self.model, epochs=epochs, steps_per_epoch=8, batch=batch, precision=precision
        )
        self.optimiser = SGD(self.model.parameters(), momentum=0.9, storage=wide_storage(self.model))
        self.loss = CrossEntropy()

    def steps(self, first, last, lr=0.05):
        losses = []
        for step in range(first, last):
            rows = np.arange(step * BATCH, (step + 1) * BATCH) % len(DIGITS.train)
            self.session.begin_step()
            loss = self.loss.forward(self.model.forward(DIGITS.train.x[rows], training=True), DIGITS.train.y[rows])
            self.model.backward(self.loss.backward())
            self.session.before_update(lr)
            self.optimiser.step(lr)
            self.session.after_update()
            self.session.end_step(loss)
            losses.append(loss)
            if step % 8 == 7:
                self.session.end_epoch(float(np.mean(losses[-8:])))
        return losses

    def weights(self):
        return [hexes(parameter.value) for parameter in self.model.parameters()]


NAMES = [name for name in POLICIES if name != "fixed"]
NAMES += ["fp32", "bf16", "fp16", "hbfp6", "mx9", "mxfp8", "mxint8", "dropback+hbfp6", "dropback+qm_qe"]


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_trains(name):
    gated = name in ("dfq", "fractrain")
    run = Run(name, "resnet8" if gated else "mlp")
    losses = run.steps(0, STEPS)
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    summary = run.session.usage.summary()
    assert json.loads(json.dumps(run.session.report()))["name"] == run.session.policy.name
    assert summary["gecko_bits_per_value"] <= summary["bits_per_value"]["total"] * 1.2


@pytest.mark.parametrize("name", ["qm_qe", "bitwave", "boosters", "dropback+hbfp6", "fast", "pfq"])
def test_resume_is_exact(name):
    whole = Run(name)
    whole.steps(0, 12)
    first, second = Run(name), Run(name)
    first.steps(0, 5)
    second.model.load(first.model.state())
    second.optimiser.load(first.optimiser.state())
    second.session.load_state(first.session.state_dict())
    x = DIGITS.validation.x[:20]
    seen = [hexes(run.model.forward(x, training=False)) for run in (first, second)]
    assert seen[0] == seen[1]
    second.steps(5, 12)
    assert second.weights() == whole.weights()
    assert second.session.report() == whole.session.report()


def test_a_policy_that_keeps_fp32_changes_nothing():
    plain, policed = build("mlp", DIGITS.input_shape, 10, 0, hidden=(16,)), Run("fp32")
    optimiser, loss = SGD(plain.parameters(), momentum=0.9), CrossEntropy()
    for step in range(3):
        rows = np.arange(step * BATCH, (step + 1) * BATCH)
        loss.forward(plain.forward(DIGITS.train.x[rows], training=True), DIGITS.train.y[rows])
        plain.backward(loss.backward())
        optimiser.step(0.05)
    policed.steps(0, 3)
    assert policed.weights() == [hexes(parameter.value) for parameter in plain.parameters()]


def test_a_fixed_policy_is_the_run_s_own_precision():
    """`--policy hbfp6` and `--format hbfp6` are the same training, to the bit."""
    from golden.nn.products import quantise

    policed = Run("hbfp6", precision=Precision.named("hbfp4", gradient_rounding="sr"))
    policed.steps(0, 3)
    model = build("mlp", DIGITS.input_shape, 10, 0, hidden=(16,))
    products = quantise(model, Precision.named("hbfp6", gradient_rounding="sr"))
    for parameter, start in zip(model.parameters(), Run("fp32").model.parameters(), strict=True):
        parameter.value[...] = start.value
    optimiser, loss = SGD(model.parameters(), momentum=0.9, storage=wide_storage(model)), CrossEntropy()
    for step in range(3):
        rows = np.arange(step * BATCH, (step + 1) * BATCH)
        for one in products:
            one.begin_step(step)
        loss.forward(model.forward(DIGITS.train.x[rows], training=True), DIGITS.train.y[rows])
        model.backward(loss.backward())
        optimiser.step(0.05)
    assert policed.weights() == [hexes(parameter.value) for parameter in model.parameters()]


def test_dropback_leaves_untracked_weights_at_their_regenerated_values():
    run = Run("dropback")
    run.steps(0, 4)
    policy = run.session.policy
    flat = np.concatenate([parameter.value.reshape(-1) for parameter in run.model.parameters()])
    assert hexes(flat[~policy.tracked]) == hexes(policy.initial()[~policy.tracked])
    assert policy.tracked.sum() == policy.kept == round(0.2 * flat.size)


def test_lengths_follow_the_gradient_that_layers_compute():
    """The first layer's activation has its gradient too, which an ordinary first layer does not compute."""
    run = Run("qm")
    run.steps(0, 1)
    for length in run.session.policy.lengths.values():
        assert length.gradient == 0.0
    lengths = run.session.policy.lengths
    lengths["fc1/activation/m"].value = lengths["fc1/weight/m"].value = 1.0
    run.session.begin_step()
    run.loss.forward(run.model.forward(DIGITS.train.x[:BATCH], training=True), DIGITS.train.y[:BATCH])
    run.model.backward(run.loss.backward())
    assert lengths["fc1/activation/m"].gradient != 0.0
    assert lengths["fc1/weight/m"].gradient != 0.0


@pytest.mark.parametrize("k", [2, 4, 8])
@pytest.mark.parametrize("n", [0, 2, 23])
def test_gecko_s_count_is_the_container_s_size(k, n):
    x = np.maximum(np.random.default_rng(k).standard_normal(1000), 0).astype(np.float32)
    policy = make_policy("qm_qe").begin(Run("fp32").session.network)
    policy.lengths["fc1/weight/m"].value, policy.lengths["fc1/weight/k"].value = float(n), float(k)
    cut = policy.quantize("fc1", Role.WEIGHT, x, training=True)
    precision = policy.precision("fc1", Role.WEIGHT)
    assert (precision.mantissa_bits, precision.exponent_bits) == (n, k)
    bits = cut.view(np.uint32)
    facts = {"exponent_bits": k, "mantissa_bits": n, "offset": precision.offset}
    d = gecko.choose(bits, gecko.Source.FP32, zero_mask=None, sign_elided=None, **facts)
    container = gecko.encode(bits, d)
    size = container.data.size * 32 + 8 * len(container.metadata) + 256
    assert gecko_bits(cut, precision) * x.size == size
    assert gecko.decode(container).bits.tolist() == bits.tolist()


def test_widths_at_the_multiplier():
    assert [multiplier_bits(f) for f in (FP32, Float("bf16"), Affine(8), Container(1, 3))] == [32, 16, 8, 32]
    assert multiplier_bits(Blocks("bfp6x64", 6.16)) == 6
    run = Run("boosters", epochs=3)
    run.steps(0, 1)
    # two layers, both first or last: HBFP6
    assert run.session.usage.summary()["multiply_cost"] == 36 / 1024


def test_controller_goes_back_through_time():
    rng = np.random.default_rng(3)
    controller, gate = Controller(5, rng), Gate(3, rng)
    for part in (controller, gate):
        part.rename("part")
        part.to(np.float64)
    inputs = [rng.standard_normal((4, 2, 2, 3)) for _ in range(3)]
    weights = [rng.standard_normal((4, 5)) for _ in range(3)]

    def objective():
        controller.begin()
        return sum((w * controller.step(x, training=True)).sum() for x, w in zip(features(), weights, strict=True))

    def features():
        return [gate.forward(x, training=True) for x in inputs]

    objective()
    got = [controller.step_back(w) for w in reversed(weights)][::-1]
    gradients = {key: parameter.grad.copy() for key, parameter in controller.own_parameters().items()}
    step = 1e-6
    for key, parameter in controller.own_parameters().items():
        flat = parameter.value.reshape(-1)
        for at in rng.choice(flat.size, min(6, flat.size), replace=False):
            was = flat[at]
            flat[at] = was + step
            up = objective()
            flat[at] = was - step
            down = objective()
            flat[at] = was
            assert gradients[key].reshape(-1)[at] == pytest.approx((up - down) / (2 * step), abs=1e-7)
    # and to the image, through the gate of the last step
    gate.forward(inputs[2], training=True)
    dx = gate.backward(got[2])
    for at in [(0, 0, 0, 0), (3, 1, 1, 2)]:
        was = inputs[2][at]
        inputs[2][at] = was + step
        up = objective()
        inputs[2][at] = was - step
        down = objective()
        inputs[2][at] = was
        assert dx[at] == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_dfq_holds_to_its_cost():
    run = Run("dfq", "resnet8")
    policy = run.session.policy
    run.steps(0, 8)
    assert set(policy.blocks[0]) == {"stage1_block1.sum.body.conv1", "stage1_block1.sum.body.conv2"}
    assert policy.untouched("conv1")
    assert policy.untouched("fc")
    high = policy.cost_gradient(0)
    policy.hyper = type(policy.hyper)(target=99.0)
    assert np.allclose(policy.cost_gradient(0), -np.abs(high))
    low, most = policy.costs.min(), policy.costs.max()
    assert low <= policy.cost <= most


def test_gating_needs_inner_blocks():
    model = build("transformer_lm", (8,), 11, 0, width=16, depth=1)
    with pytest.raises(ValueError, match="--policy dfq: at least three layers with products"):
        Session(make_policy("dfq"), model, epochs=1, steps_per_epoch=1, batch=np.zeros((2, 8), np.int64))


def test_transformers_train_under_policies():
    model = build("transformer_lm", (8,), 11, 0, width=16, depth=1)
    x = np.random.default_rng(0).integers(1, 11, (4, 8))
    session = Session(make_policy("qm_qe", HYPER), model, epochs=1, steps_per_epoch=4, batch=x)
    optimiser, loss = SGD(model.parameters()), CrossEntropy()
    losses = []
    for _ in range(6):
        session.begin_step()
        losses.append(loss.forward(model.forward(x, training=True), x))
        model.backward(loss.backward())
        session.before_update(0.1)
        optimiser.step(0.1)
        session.after_update()
        session.end_step(losses[-1])
    assert losses[-1] < losses[0]
    assert session.usage.summary()["footprint_ratio"] > 2


def test_gecko_counts_at_the_last_step_of_each_epoch():
    run = Run("fp32")
    samples = []
    for step in range(17):
        run.steps(step, step + 1)
        samples.append(run.session.usage.samples)
    assert samples == [0] * 7 + [1] * 8 + [2] * 2


def test_a_gradient_is_cut_once_for_both_its_products():
    """Flexpoint remembers every use: one of each tensor and step."""
    run = Run("flexpoint")
    run.steps(0, 3)
    tensors = run.session.policy.tensors
    assert {key: len(flex.history) for key, flex in tensors.items()} == dict.fromkeys(tensors, 3)
    assert len(tensors) == 6


def test_both_backward_products_read_cut_operands():
    """x and w as they were cut forward, g cut once for both."""
    run = Run("static")
    layer, policy = run.model.matmul_layers()[0], run.session.policy
    rng = np.random.default_rng(5)
    x, g = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 64), (8, 16)))
    run.session.begin_step()
    layer.products.linear_forward(x, layer.weight.value)
    xq, wq, gq = (
        policy.quantize(layer.name, role, value, training=True)
        for role, value in ((Role.ACTIVATION, x), (Role.WEIGHT, layer.weight.value), (Role.GRADIENT, g))
    )
    assert not np.array_equal(gq, g)
    assert hexes(layer.products.linear_data(g, layer.weight.value)) == hexes(gq @ wq.T)
    assert hexes(layer.products.linear_weight(x, g)) == hexes(xq.T @ gq)
