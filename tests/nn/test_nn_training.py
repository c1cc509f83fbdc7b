"""Loss, optimisers and schedules against worked numbers."""

from math import log

import numpy as np
import pytest

from golden.nn.layer import Parameter
from golden.nn.loss import CrossEntropy
from golden.nn.optimiser import SGD, AdamW
from golden.nn.schedule import Constant, Cosine, Steps, WarmUp


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_even_logits_is_the_entropy(smoothing):
    assert CrossEntropy(smoothing).forward(np.zeros((2, 3, 5)), np.ones((2, 3), int)) == pytest.approx(log(5))


def test_loss_by_hand():
    """p = (1/4, 3/4) on target 1, smoothing 0.2: -(0.9 ln 3/4 + 0.1 ln 1/4)."""
    loss = CrossEntropy(0.2)
    value = loss.forward(np.array([[0.0, log(3)]]), np.array([1]))
    assert value == pytest.approx(-(0.9 * log(0.75) + 0.1 * log(0.25)))
    np.testing.assert_allclose(loss.backward(), [[0.25 - 0.1, 0.75 - 0.9]])


@pytest.mark.parametrize(("smoothing", "ignore"), [(0.0, None), (0.1, None), (0.2, 0)])
def test_gradient_of_the_loss(smoothing, ignore):
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((3, 4, 5)), rng.integers(0, 5, (3, 4))
    targets[0, 0] = 0
    loss = CrossEntropy(smoothing, ignore)
    loss.forward(logits, targets)
    gradient, direction = loss.backward(), rng.standard_normal(logits.shape)
    high, low = (loss.forward(logits + sign * 1e-6 * direction, targets) for sign in (1, -1))
    assert (high - low) / 2e-6 == pytest.approx((gradient * direction).sum(), rel=1e-7)


def test_ignored_positions_do_not_count():
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((4, 5)), np.array([3, 0, 1, 0])
    loss = CrossEntropy(ignore=0)
    value = loss.forward(logits, targets)
    gradient = loss.backward()
    assert value == pytest.approx(CrossEntropy().forward(logits[[0, 2]], targets[[0, 2]]))
    assert not gradient[[1, 3]].any()
    assert loss.forward(logits, np.zeros(4, int)) == 0
    assert not loss.backward().any()


def test_loss_of_large_logits_is_finite():
    loss = CrossEntropy()
    assert loss.forward(np.array([[1e4, -1e4]], np.float32), np.array([1])) == 2e4
    assert loss.backward().tolist() == [[1, -1]]


def test_misuse_of_the_loss():
    with pytest.raises(ValueError, match="0 <= smoothing < 1"):
        CrossEntropy(1.0)
    with pytest.raises(ValueError, match="without a forward"):
        CrossEntropy().backward()


def parameters():
    """A weight at 1 and a bias at 1, both with gradient 1/2."""
    both = [
        Parameter(np.ones(1), quantised=True, name="weight"),
        Parameter(np.ones(1), decay=False, name="bias"),
    ]
    for parameter in both:
        parameter.grad = np.full(1, 0.5)
    return both


def run(optimiser, lr, steps):
    for _ in range(steps):
        optimiser.step(lr)
    return [float(parameter.value[0]) for parameter in optimiser.parameters]


def test_sgd_by_hand():
    """lr 1/8, decay 1/2 on the weight only, momentum 1/2: v = 1, w = 1 - 1/8; v = 1/2 + 15/16, w = 7/8 - 23/128."""
    assert run(SGD(parameters(), momentum=0.0, nesterov=False), 0.125, 2) == [0.875, 0.875]
    plain = {"momentum": 0.5, "nesterov": False, "weight_decay": 0.5}
    assert run(SGD(parameters(), **plain), 0.125, 2) == [1 - 0.125 - 0.125 * 23 / 16, 1 - 0.0625 - 0.125 * 0.75]
    # Nesterov: w moves by g + v/2: 1 + 1/2, then g = 1/2 + 13/32 and v = 1/2 + g
    moved = 0.125 * (1 + 0.5)
    g = 0.5 + 0.5 * (1 - moved)
    expected = 1 - moved - 0.125 * (g + 0.5 * (0.5 + g))
    assert run(SGD(parameters(), momentum=0.5, weight_decay=0.5), 0.125, 2)[0] == expected


def test_adamw_by_hand():
    """Bias correction makes the first steps of a constant gradient sign(g): w = w - lr (1 + decay w)."""
    found = run(AdamW(parameters(), weight_decay=0.5, eps=0.0), 0.125, 2)
    assert found == pytest.approx([(1 - 0.1875) - 0.125 * (1 + 0.5 * (1 - 0.1875)), 0.75], rel=1e-12)
    both = parameters()
    optimiser = AdamW(both, betas=(0.5, 0.75), weight_decay=0.0, eps=0.0)
    optimiser.step(0.125)
    both[1].grad = np.full(1, -1.0)
    optimiser.step(0.125)
    mean = (0.5 * 0.5 * 0.5 + 0.5 * -1.0) / (1 - 0.5**2)
    square = (0.75 * 0.25 * 0.25 + 0.25 * 1.0) / (1 - 0.75**2)
    assert both[1].value[0] == pytest.approx(0.875 - 0.125 * mean / square**0.5, rel=1e-12)


def test_storage_rounds_quantised_parameters_only_and_is_the_only_copy():
    def halves(parameter, value):
        assert parameter.name == "weight"
        return np.rint(value * 2) / 2

    optimiser = SGD(parameters(), momentum=0.0, nesterov=False, storage=halves)
    assert run(optimiser, 0.125, 4) == [1.0, 0.75]  # each step's 1/16 is rounded away


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_a_resumed_optimiser_goes_on_with_the_same_bits(kind):
    through = run(kind(parameters()), 0.1, 6)
    first = kind(parameters())
    run(first, 0.1, 3)
    state = {key: value.copy() for key, value in first.state().items()}
    second = kind(first.parameters)
    second.load(state)
    assert run(second, 0.1, 3) == through
    state.pop("steps")
    with pytest.raises(ValueError, match="another model or optimiser"):
        second.load(state)


def test_optimisers_want_names():
    with pytest.raises(ValueError, match="distinct names"):
        SGD([Parameter(np.ones(1)), Parameter(np.ones(1))])


def test_schedules():
    steps = Steps(0.5, (10, 20), 0.5)
    assert [steps(t) for t in (0, 9, 10, 19, 20, 99)] == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    cosine = Cosine(1.0, 100, 0.25)
    assert [cosine(t) for t in (0, 50, 100, 150)] == pytest.approx([1, 0.625, 0.25, 0.25])
    assert cosine(25) == pytest.approx(0.25 + 0.75 * (1 + 0.5**0.5) / 2)
    warm = WarmUp(steps, 4)
    assert [warm(t) for t in (0, 1, 3, 4, 10)] == [0.125, 0.25, 0.5, 0.5, 0.25]
    assert WarmUp(Constant(0.3), 0)(0) == 0.3
