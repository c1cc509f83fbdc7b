"""Layers, loss and optimisers against PyTorch in float64: values, gradients, twenty steps of each update rule.

    python tests/bench/compare_torch.py

By hand, where PyTorch is installed; the test suite does without it. Prints the largest difference of each kind,
relative to the largest value, and exits with 1 if one is above 1e-13.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional
from torch_models import torch_model

from golden.nn.activation import GELU, ReLU
from golden.nn.attention import MultiHeadAttention
from golden.nn.conv import Conv2d, DepthwiseConv2d
from golden.nn.embedding import Embedding
from golden.nn.layer import Layer, Parameter
from golden.nn.linear import Linear
from golden.nn.loss import CrossEntropy
from golden.nn.norm import BatchNorm, LayerNorm
from golden.nn.optimiser import SGD, AdamW, Optimiser
from golden.nn.pooling import AveragePool, GlobalAveragePool, MaxPool

LIMIT = 1e-13
Difference = tuple[str, float]
rng = np.random.default_rng(0)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def leaf(array: np.ndarray) -> torch.Tensor:
    return tensor(array).requires_grad_()


def difference(ours: np.ndarray, theirs: torch.Tensor) -> float:
    other = theirs.detach().numpy()
    assert ours.shape == other.shape
    return float(np.abs(ours - other).max() / np.abs(other).max())


def against(name: str, layer: Layer, twin: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, ...], *pairs):
    """Output, gradient of the input, gradients of (parameter, tensor, tensor's layout -> ours)."""
    layer.to(np.float64)
    x = rng.standard_normal(shape)
    y = layer.forward(x, training=True)
    g = rng.standard_normal(y.shape)
    dx, tx = layer.backward(g), leaf(x)
    ty = twin(tx)
    ty.backward(tensor(g))
    yield f"{name}: output", difference(y, ty)
    yield f"{name}: input gradient", difference(dx, tx.grad)
    for parameter, theirs, turned in pairs:
        yield f"{name}: parameter gradient", difference(parameter.grad, turned(theirs.grad))


def image(twin: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The twin between our order of dimensions and PyTorch's."""

    def nhwc(x: torch.Tensor) -> torch.Tensor:
        y = twin(x.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1) if y.ndim == 4 else y

    return nhwc


def same(gradient: torch.Tensor) -> torch.Tensor:
    return gradient


def images() -> Iterator[Difference]:
    shape = (4, 9, 8, 3)
    for kernel, stride, padding in ((3, 1, 1), (3, 2, 1), (5, 1, 0), (1, 2, 0), (5, 1, 2)):
        conv = Conv2d(3, 4, kernel, rng, stride=stride, padding=padding, bias=True)
        twin = torch_model("conv", conv).double()
        pairs = ((conv.weight, twin.weight, lambda g: g.permute(2, 3, 1, 0)), (conv.bias, twin.bias, same))
        yield from against("conv", conv, image(twin), shape, *pairs)
    for stride in (1, 2):
        depthwise = DepthwiseConv2d(3, 3, rng, stride=stride, padding=1)
        w = leaf(depthwise.weight.value.transpose(2, 0, 1)[:, np.newaxis].astype(np.float64))
        twin = image(lambda x, w=w, stride=stride: functional.conv2d(x, w, None, stride, 1, groups=3))
        yield from against(
            "depthwise", depthwise, twin, shape, (depthwise.weight, w, lambda g: g[:, 0].permute(1, 2, 0))
        )
    norm = BatchNorm(3)
    twin = torch_model("norm", norm).double()
    yield from against(
        "batch norm", norm, image(twin), shape, (norm.scale, twin.weight, same), (norm.shift, twin.bias, same)
    )
    yield "batch norm: running mean", difference(norm.buffers["mean"], twin.running_mean)
    yield "batch norm: running variance", difference(norm.buffers["variance"], twin.running_var)
    twin.eval()
    x = rng.standard_normal(shape)
    yield "batch norm: evaluation", difference(norm.forward(x, training=False), image(twin)(tensor(x)))
    for layer in (MaxPool(2), MaxPool(3, 2), GlobalAveragePool(), ReLU()):
        yield from against(type(layer).__name__, layer, image(torch_model("layer", layer)), shape)
    yield from against("AveragePool", AveragePool(2), image(lambda x: functional.avg_pool2d(x, 2)), shape)


def sequences() -> Iterator[Difference]:
    linear = Linear(5, 3, rng)
    twin = torch_model("linear", linear).double()
    yield from against(
        "linear", linear, twin, (2, 4, 5), (linear.weight, twin.weight, lambda g: g.T), (linear.bias, twin.bias, same)
    )
    yield from against("GELU", GELU(), lambda x: functional.gelu(x, approximate="tanh"), (2, 4, 5))
    norm, twin = LayerNorm(6), torch.nn.LayerNorm(6).double()
    yield from against(
        "layer norm", norm, twin, (2, 3, 6), (norm.scale, twin.weight, same), (norm.shift, twin.bias, same)
    )
    for causal, keep in ((False, None), (True, None), (False, np.array([[True] * 5, [True] * 3 + [False] * 2]))):
        yield from attention(causal, keep)
    embedding, tokens = Embedding(7, 4, rng), rng.integers(0, 7, (3, 5))
    embedding.to(np.float64)
    w, y = leaf(embedding.weight.value), embedding.forward(tokens, training=True)
    g = rng.standard_normal(y.shape)
    embedding.backward(g)
    functional.embedding(tensor(tokens), w).backward(tensor(g))
    yield "embedding: parameter gradient", difference(embedding.weight.grad, w.grad)


def attention(causal: bool, keep: np.ndarray | None) -> Iterator[Difference]:
    layer = MultiHeadAttention(8, 2, rng, causal=causal)
    layer.to(np.float64)
    twin = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    projections = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        twin.in_proj_weight.copy_(tensor(np.concatenate([p.weight.value.T for p in projections])))
        twin.out_proj.weight.copy_(tensor(layer.output.weight.value.T))
    x = rng.standard_normal((2, 5, 8))
    y = layer.forward(x, training=True, keep=keep)
    g = rng.standard_normal(y.shape)
    dx, tx = layer.backward(g), leaf(x)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    hidden = None if keep is None else tensor(~keep)
    ty, _ = twin(tx, tx, tx, attn_mask=future, key_padding_mask=hidden)
    ty.backward(tensor(g))
    yield "attention: output", difference(y, ty)
    yield "attention: input gradient", difference(dx, tx.grad)
    ours = np.concatenate([p.weight.grad.T for p in projections])
    yield "attention: parameter gradient", difference(ours, twin.in_proj_weight.grad)
    yield "attention: parameter gradient", difference(layer.output.weight.grad.T, twin.out_proj.weight.grad)


def training() -> Iterator[Difference]:
    for smoothing, ignore in ((0.0, None), (0.1, None), (0.1, 0)):
        loss, logits, targets = CrossEntropy(smoothing, ignore), rng.standard_normal((20, 7)), rng.integers(0, 7, 20)
        value, theirs = np.array(loss.forward(logits, targets)), leaf(logits)
        options = {"label_smoothing": smoothing, "ignore_index": -100 if ignore is None else ignore}
        other = functional.cross_entropy(theirs, tensor(targets), **options)
        other.backward()
        yield "loss: value", difference(value, other)
        yield "loss: gradient", difference(loss.backward(), theirs.grad)
    rules: dict[str, tuple[Callable[..., Optimiser], Callable[..., torch.optim.Optimizer], dict]] = {
        "SGD": (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0}),
        "SGD Nesterov": (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        "AdamW": (AdamW, torch.optim.AdamW, {"weight_decay": 0.02}),
    }
    for name, (own, other_rule, options) in rules.items():
        parameter = Parameter(rng.standard_normal(50), name="w")
        theirs = leaf(parameter.value)
        ours, other = own([parameter], **options), other_rule([theirs], lr=0.1, **options)
        for _ in range(20):
            parameter.grad = rng.standard_normal(50)
            theirs.grad = tensor(parameter.grad)
            ours.step(0.1)
            other.step()
        yield f"{name}: 20 steps", difference(parameter.value, theirs)


def main() -> None:
    worst: dict[str, float] = {}
    for part in (images, sequences, training):
        for name, value in part():
            worst[name] = max(worst.get(name, 0.0), value)
    for name, value in worst.items():
        print(f"{name:34} {value:.1e}")
    if max(worst.values()) > LIMIT:
        sys.exit(1)


if __name__ == "__main__":
    main()
