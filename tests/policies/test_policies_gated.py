"""DFQ and FracTrain: choices, what they cost and how the cost pulls; blocks mixed by choice, and their gradients."""

import numpy as np
import pytest
from policies_support import hexes, network

from golden.nn.linear import Linear
from golden.policies import Role, make_policy
from golden.policies.controller import Controller, Gate
from golden.policies.dfq import choice_costs
from golden.policies.formats import FP32
from golden.policies.gating import GatedBlock

LAYERS = ("conv1", "a", "b", "c", "fc")


def gated(name="dfq", epochs=10, **hyper):
    policy = make_policy(name, {name: hyper}).begin(network(LAYERS, epochs=epochs))
    policy.gated([["a", "b"], ["c"]])
    return policy


def pick(policy, *shares):
    policy.picked = {block: np.array(share, np.float64) for block, share in enumerate(shares)}


def test_costs_of_the_choices_are_the_published_ones():
    assert [round(float(cost), 3) for cost in choice_costs("cifar")] == [1.758, 2.083, 2.604, 3.385, 4.688]
    assert [round(float(cost), 3) for cost in choice_costs("imagenet")] == [2.344, 3.385, 5.859, 8.854]


def test_formats_and_cost_are_means_over_samples():
    """Block 1: (3, 6). Block 2: half (6, 8), half (6, 12). Weights 4. Blocks count alike, whatever they hold."""
    policy = gated()
    pick(policy, (1, 0, 0, 0, 0), (0, 0, 0, 0.5, 0.5))
    bits = {(layer, role): policy.precision(layer, role) for layer in LAYERS for role in Role}
    assert [bits["b", role].bits for role in Role] == [4, 3, 6]
    assert [bits["c", role].bits for role in Role] == [4, 6, 10]
    assert all(bits[layer, role] is FP32 for layer in ("conv1", "fc") for role in Role)
    second = (3.3854167 + 4.6875) / 2
    assert policy.layer_cost("a") == policy.layer_cost("b") == pytest.approx(0.017578125)
    assert policy.layer_cost("c") == pytest.approx(second / 100)
    assert policy.layer_cost("conv1") is policy.layer_cost("fc") is None
    assert policy.cost == pytest.approx((1.7578125 + second) / 2)


def test_the_cost_pulls_down_above_the_target_and_up_below():
    policy = gated(target=2.0, beta=0.5)
    pick(policy, (1, 0, 0, 0, 0), (0, 1, 0, 0, 0))
    assert policy.cost < 2.0
    np.testing.assert_allclose(policy.cost_gradient(0), -0.5 * choice_costs("cifar"))
    pick(policy, (0, 0, 1, 0, 0), (0, 0, 1, 0, 0))
    assert policy.cost > 2.0
    np.testing.assert_allclose(policy.cost_gradient(1), 0.5 * choice_costs("cifar"))


def test_targets_of_fractrain_rise_with_the_indicator():
    policy, targets = gated("fractrain", epochs=100), []
    for _ in range(16):
        targets.append(policy.target)
        policy.on_epoch(1.0)  # a constant loss switches after every five epochs
    assert targets == [1.5] * 5 + [2.0] * 5 + [2.5] * 5 + [3.0]
    assert gated("fractrain", eps=0.0).indicator.eps == 0.0


@pytest.mark.parametrize("name", ["pfq", "fractrain"])
def test_the_scale_of_the_indicator_freezes_after_ten_epochs_or_a_tenth(name):
    def epochs(epochs, **hyper):
        return make_policy(name, {name: hyper}).begin(network(epochs=epochs)).indicator.scale_epochs

    assert [epochs(n) for n in (4, 30, 100, 400)] == [1, 3, 10, 10]
    assert epochs(30, scale_epochs=7) == 7


class Scaled:
    """A chooser whose candidate k multiplies by k + 1, so that gradients are known."""

    pairs = ((0, 0),) * 3
    candidate = 0

    def __init__(self):
        self.picked = {}
        self.cost = np.array([0.5, -0.25, 0.125])

    def cost_gradient(self, block):
        return self.cost


class ScaledLinear(Linear):
    def __init__(self, policy, rng):
        super().__init__(4, 4, rng, bias=False)
        self.policy = [policy]

    def forward(self, x, *, training):
        y = super().forward(x, training=training) * np.float32(self.policy[0].candidate + 1)
        self.saved |= {"factor": np.float32(self.policy[0].candidate + 1)} if training else {}
        return y

    def backward(self, g):
        return super().backward(g * self.saved.pop("factor"))


def test_a_gated_block_is_the_mixture_of_its_candidates():
    """Forward, the gradient to its weight and input, and what the controller is told: per sample, by choice."""
    rng = np.random.default_rng(2)
    policy, controller, gate = Scaled(), Controller(3, rng), Gate(4, rng)
    body = ScaledLinear(policy, rng)
    block = GatedBlock(0, body, gate, controller, policy)
    block.rename("block")
    choices, told = np.array([2, 0, 1, 0, 2]), []
    controller.step = lambda x, training: np.eye(3)[choices]
    controller.step_back = lambda dp: (told.append(dp), np.zeros((5, 16), np.float32))[1]
    x, g = (rng.standard_normal((5, 4)).astype(np.float32) for _ in range(2))
    factor = (choices[:, np.newaxis] + 1).astype(np.float32)
    y = block.forward(x, training=True)
    plain = x @ body.weight.value
    np.testing.assert_allclose(y, factor * plain, rtol=1e-6)
    np.testing.assert_allclose(policy.picked[0], [2 / 5, 1 / 5, 2 / 5])
    dx = block.backward(g)
    np.testing.assert_allclose(dx, (factor * g) @ body.weight.value.T, rtol=1e-5)
    np.testing.assert_allclose(body.weight.grad, x.T @ (factor * g), rtol=1e-5, atol=1e-6)
    score = (g * plain).sum(axis=1)
    np.testing.assert_allclose(told[0], score[:, np.newaxis] * [1, 2, 3] + policy.cost, rtol=1e-5)
    evaluated = block.forward(x, training=False)
    np.testing.assert_allclose(evaluated, y, rtol=1e-6)


def test_each_candidate_goes_back_through_its_own_cut_operands():
    """A policy's products keep what the last candidate read; backward finds what each of them read."""
    from golden.data import load
    from golden.nn.models import build
    from golden.policies import Session

    digits = load("digits")
    model = build("lenet5", digits.input_shape, digits.classes, 0)
    x = digits.train.x[:6]
    session = Session(make_policy("dfq"), model, epochs=1, steps_per_epoch=1, batch=x)
    policy, block = session.policy, next(layer for layer in model.layers() if isinstance(layer, GatedBlock))
    layer = block.body.matmul_layers()[0]
    read = {}
    products = layer.products
    learn = products._weight
    products._weight = lambda g, product: (
        read.__setitem__(policy.candidate, hexes(products.kept[Role.ACTIVATION])),
        learn(g, product),
    )[1]
    session.begin_step()
    given = model.forward(x, training=True)
    assert given.shape == (6, 10)
    block._picked = np.array([0, 1, 2, 3, 4, 0])  # every candidate is in use
    inputs = products._given[Role.ACTIVATION]
    model.backward(np.ones_like(given))
    for candidate in range(5):
        policy.candidate = candidate
        own = policy.quantize(layer.name, Role.ACTIVATION, inputs, training=True)
        assert read[candidate] == hexes(own)
    assert len({tuple(values) for values in read.values()}) == 3  # 3, 4 and 6 bits
