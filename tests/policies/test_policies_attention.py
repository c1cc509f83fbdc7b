"""Attention's own tensors under policies: cut once, read cut in both passes, learned from, stored and paid for."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from policies_support import hexes

from golden.data import load
from golden.nn.attention import AttentionCore
from golden.nn.loss import CrossEntropy
from golden.nn.models import build
from golden.nn.optimiser import SGD
from golden.nn.plain import BATCHED_ROLES, PlainProducts
from golden.nn.products import wide_storage
from golden.policies import Role, Session, make_policy
from golden.policies.affine import mac_cost
from golden.policies.containers import truncate
from golden.policies.formats import Container
from golden.training.config import RunConfig
from golden.training.loop import Trainer

TOKENS = np.random.default_rng(0).integers(1, 11, (4, 8))
CORE = "block1.attention.core"
PARTS = "qkvp"


def session(policy, hyper=None, epochs=1):
    model = build("transformer_lm", (8,), 11, 0, width=16, depth=1)
    policy = make_policy(policy, {policy: hyper or {}})
    return Session(policy, model, epochs=epochs, steps_per_epoch=4, batch=TOKENS)


class Seen(PlainProducts):
    """What the products of attention were given, by role."""

    def __init__(self):
        self.operands = {}

    def batched(self, a, b, role):
        self.operands[role] = a, b
        return super().batched(a, b, role)


def step(run, lr=0.1):
    """One training step; the operands of attention's six products as they were multiplied."""
    core, seen, loss = run.model.matmul_layers()[3], Seen(), CrossEntropy()
    assert isinstance(core, AttentionCore)
    core.products.arithmetic.products = lambda formats: seen
    run.begin_step()
    value = loss.forward(run.model.forward(TOKENS, training=True), TOKENS)
    run.model.backward(loss.backward())
    run.before_update(lr)
    run.end_step(value)
    return seen.operands


def turned(x):
    return x.swapaxes(-1, -2)


def test_both_passes_read_the_same_cut_tensors():
    run = session("qm")
    for part, length in zip(PARTS, (1, 2, 3, 4), strict=True):
        run.policy.lengths[f"{CORE}.{part}/activation/m"].value = float(length)
    read = step(run)
    assert list(read) == list(BATCHED_ROLES)
    q, k, v, p = read["scores"][0], turned(read["scores"][1]), read["context"][1], read["context"][0]
    for x, length in zip((q, k, v, p), (1, 2, 3, 4), strict=True):
        assert hexes(x) == hexes(truncate(x, length))
        assert hexes(x) != hexes(truncate(x, length - 1))
    used = run.model.matmul_layers()[3].products.used()
    assert [hexes(used[f"{CORE}.{part}/activation"]) for part in PARTS] == [hexes(x) for x in (q, k, v, p)]
    backward = {"d_probabilities": turned(v), "d_value": p, "d_query": k, "d_key": q}
    for role, second in backward.items():
        assert hexes(read[role][1]) == hexes(second)


def test_the_softmax_goes_back_through_the_probabilities_that_were_kept():
    run = session("qm")
    run.policy.lengths[f"{CORE}.p/activation/m"].value = 0.0
    read = step(run)
    p, (g, vt) = read["context"][0], read["d_probabilities"]
    dp = g @ vt
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * np.float32(4**-0.5)
    assert hexes(read["d_query"][0]) == hexes(ds)


def test_lengths_learn_from_the_gradients_of_attention():
    """Of every part: the finite difference against the gradient that its products and the softmax give."""
    run, taken = session("qm"), {}
    run.policy.update = lambda lr: None
    for part in PARTS:
        run.policy.lengths[f"{CORE}.{part}/activation/m"].value = 2.0
        stash = run.model.matmul_layers()[3].stashes[part]
        stash.backward = lambda g, part=part, real=stash.backward: (taken.__setitem__(part, g), real(g))[1]
    read = step(run)
    ds = read["d_query"][0]
    expected = {
        "q": ds @ turned(read["scores"][1]),
        "k": turned(ds) @ read["scores"][0],
        "v": turned(read["context"][0]) @ read["d_value"][0].swapaxes(-1, -2),
        "p": read["d_probabilities"][0] @ read["d_probabilities"][1],
    }
    for part in PARTS:
        np.testing.assert_allclose(taken[part], expected[part], rtol=1e-5, atol=1e-9)
        stash = run.model.matmul_layers()[3].stashes[part]
        x = stash._given
        gain = truncate(x, 3).astype(np.float64) - truncate(x, 2)
        gradient = run.policy.lengths[f"{CORE}.{part}/activation/m"].gradient
        assert gradient == pytest.approx((gain * taken[part]).sum(), rel=1e-9)
        assert gradient != 0


def test_gradients_are_cut_once_for_both_products():
    run = session("static", {"forward": 8, "backward": 4})
    read = step(run)
    for first, second in (("d_probabilities", "d_value"), ("d_query", "d_key")):
        g = read[first][0]
        assert hexes(turned(read[second][0])) == hexes(g)
        assert np.unique(g).size <= 16  # four bits
    assert all(np.unique(read["scores"][i]).size <= 256 for i in (0, 1))


def test_evaluation_uses_settled_lengths_and_keeps_nothing():
    run = session("qm")
    step(run)
    kept = {key: hexes(value) for key, value in run.model.matmul_layers()[3].products.used().items()}
    run.policy.lengths[f"{CORE}.v/activation/m"].value = 1.5
    seen = Seen()
    run.model.matmul_layers()[3].products.arithmetic.products = lambda formats: seen
    run.model.forward(TOKENS[::-1], training=False)
    v = seen.operands["context"][1]
    assert hexes(v) == hexes(truncate(v, 2)) != hexes(truncate(v, 1))
    assert {key: hexes(value) for key, value in run.model.matmul_layers()[3].products.used().items()} == kept


def test_footprint_and_shares_count_the_four():
    """q, k, v: 4 x 8 x 16 values each; probabilities 4 heads x 8 x 8 of each of 4 sequences."""
    run = session("bitwave", {"source": "bf16"})
    sizes = {tensor.key: tensor.values for tensor in run.network.tensors}
    assert [sizes[f"{CORE}.{part}/activation"] for part in PARTS] == [512, 512, 512, 1024]
    stashed = sum(tensor.values for tensor in run.network.tensors if tensor.role is not Role.GRADIENT)
    assert run.network.shares()[f"{CORE}.p/activation"] == 1024 / stashed
    run.policy.m = 3
    for _ in range(4):
        step(run)
    summary = run.usage.summary()
    assert summary["bits_per_value"] == {"weight": 12, "activation": 12, "total": 12}
    assert run.usage.coded[f"{CORE}.p/activation"] > 0
    assert isinstance(run.policy.precision(f"{CORE}.p", Role.ACTIVATION), Container)


def test_products_of_attention_are_paid_at_their_operands_widths():
    run = session("static", {"forward": 4, "backward": 8})
    step(run)
    products = {product.name: product for product in run.usage.products}
    # 4 sequences x 4 heads of 8 x 8 scores over 4 features each
    assert [products[f"{CORE}.{name}"].macs for name in ("scores", "context")] == [4096, 4096]
    cheap = sum(product.macs for name, product in products.items() if name != "output")
    dear = products["output"].macs  # the classifier stays FP32
    assert run.usage.cost == pytest.approx((cheap * mac_cost(4, 4, 8) + dear) / (cheap + dear), rel=1e-12)


def few_windows():
    data = load("topics")
    return replace(data, train=data.train.head(4), validation=data.validation.head(2), test=data.test.head(2))


@pytest.mark.parametrize(("policy", "q", "p"), [("fp32", 32, 32), ("hbfp8", 8 + 10 / 4, 8 + 10 / 64), ("qm", 32, 14)])
def test_the_run_s_own_footprint_asks_the_policy_about_attention(policy, q, p):
    """`final.json`'s: q has 4 features a head, hence 4 values a block, p 64 keys; a container of 5 mantissa bits."""
    config = RunConfig(model="transformer_lm", data="topics", width=16, depth=1, epochs=1, batch=2, policy=policy)
    trainer = Trainer(config, few_windows())
    if policy == "qm":
        trainer.session.policy.lengths[f"{CORE}.p/activation/m"].value = 5.0
    trainer.train_step(*next(trainer.batches()))
    rows = {row["tensor"]: row["bits_per_value"] for row in trainer.footprint.report()["tensors"]}
    assert [rows[f"{CORE}/activation {part}"] for part in PARTS] == [q, q, q, p]


def test_boosters_widen_the_classifier_alone_where_the_first_layer_is_an_embedding():
    run = session("boosters", epochs=3)
    wide = [name for name in run.network.layers if run.policy.precision(name, Role.WEIGHT).format == "bfp6x64"]
    assert wide == ["output"]


def test_every_product_asks_for_the_formats_of_its_own_operands():
    """With a format per tensor: b's is the weight's, a's the activation's, or the gradient's in backward."""
    run, asked = session("fp32"), []
    core = run.model.matmul_layers()[3]
    core.products.policy = SimpleNamespace(
        precision=lambda layer, role: f"{layer.removeprefix(CORE)[1:]} {role}",
        quantize=lambda layer, role, x, training: x,
    )
    core.products.arithmetic.products = lambda formats: (asked.append(formats), PlainProducts())[1]
    run.begin_step()
    run.model.backward(run.model.forward(TOKENS, training=True))
    q, k, v, p = (f"{part} activation" for part in PARTS)
    scores, context = "scores gradient", "context gradient"
    assert [(f[0], f[1]) for f in asked[:2]] == [(k, q), (v, p)]
    assert [(f[0], f[2]) for f in asked[2:]] == [(v, context), (p, context), (k, scores), (q, scores)]


@pytest.mark.parametrize("name", ["qm_qe", "bitwave", "static", "fast", "flexpoint", "hbfp6", "mx9", "boosters", "cpt"])
def test_a_transformer_learns_under_every_kind_of_policy(name):
    run = session(name, epochs=3)
    optimiser, loss, losses = SGD(run.model.parameters(), storage=wide_storage(run.model)), CrossEntropy(), []
    for _ in range(8):
        run.begin_step()
        losses.append(loss.forward(run.model.forward(TOKENS, training=True), TOKENS))
        run.model.backward(loss.backward())
        run.before_update(0.1)
        optimiser.step(0.1)
        run.after_update()
        run.end_step(losses[-1])
    assert losses[-1] < losses[0]
    assert {f"{CORE}.{part}/activation" for part in PARTS} <= set(run.usage.raw)
    if name == "fast":
        assert {f"{CORE}.{part}/activation" for part in PARTS} <= set(run.policy.gains)
        assert f"{CORE}.scores/gradient" in run.policy.gains
        assert run.network.depth(f"{CORE}.p") == run.network.depth(CORE) == 3 / 7
        with pytest.raises(ValueError, match=r"^encoder.q: one of block1"):
            run.network.depth("encoder.q")
