"""Each layer's backward against differences of its forward."""

import numpy as np
import pytest
from nn_support import check_gradients

from golden.nn.activation import GELU, Dropout, ReLU
from golden.nn.attention import MultiHeadAttention
from golden.nn.compose import Concatenated, Residual, Sequential
from golden.nn.conv import Conv2d, DepthwiseConv2d
from golden.nn.embedding import Embedding, Positions
from golden.nn.linear import Linear
from golden.nn.norm import BatchNorm, LayerNorm
from golden.nn.pooling import AveragePool, GlobalAveragePool, MaxPool
from golden.nn.shape import Flatten, PadChannels
from golden.nn.transformer_block import DecoderBlock, EncoderBlock


def generator():
    return np.random.default_rng(1)


def normal(*shape):
    return np.random.default_rng(2).standard_normal(shape)


CASES = {
    "linear": (lambda r: Linear(5, 3, r), (4, 5)),
    "linear_sequence_no_bias": (lambda r: Linear(5, 3, r, bias=False), (2, 3, 5)),
    "conv": (lambda r: Conv2d(3, 4, 3, r, padding=1, bias=True), (2, 5, 6, 3)),
    "conv_valid": (lambda r: Conv2d(2, 3, 5, r), (3, 7, 6, 2)),
    "conv_stride2": (lambda r: Conv2d(2, 3, 3, r, stride=2, padding=1), (2, 7, 8, 2)),
    "conv_1x1_stride2": (lambda r: Conv2d(3, 2, 1, r, stride=2), (2, 5, 4, 3)),
    "conv_wide_padding": (lambda r: Conv2d(2, 2, 2, r, padding=2), (2, 3, 3, 2)),
    "depthwise": (lambda r: DepthwiseConv2d(3, 3, r, padding=1), (2, 5, 4, 3)),
    "depthwise_stride2": (lambda r: DepthwiseConv2d(3, 3, r, stride=2), (2, 7, 8, 3)),
    "batch_norm": (lambda r: BatchNorm(3), (4, 2, 5, 3)),
    "batch_norm_rows": (lambda r: BatchNorm(4), (6, 4)),
    "layer_norm": (lambda r: LayerNorm(6), (2, 3, 6)),
    "relu": (lambda r: ReLU(), (3, 4)),
    "gelu": (lambda r: GELU(), (3, 4)),
    "max_pool": (lambda r: MaxPool(2), (2, 5, 6, 3)),
    "max_pool_overlapping": (lambda r: MaxPool(3, 2), (2, 7, 8, 3)),
    "average_pool": (lambda r: AveragePool(2), (2, 5, 6, 3)),
    "average_pool_overlapping": (lambda r: AveragePool(3, 1), (2, 5, 6, 3)),
    "global_average": (lambda r: GlobalAveragePool(), (2, 5, 6, 3)),
    "flatten": (lambda r: Flatten(), (2, 5, 6, 3)),
    "pad_channels": (lambda r: PadChannels(2, 2), (2, 5, 6, 3)),
    "positions": (lambda r: Positions(4, gain=2.0), (2, 3, 4)),
    "residual": (lambda r: Residual(Linear(4, 4, r)), (3, 4)),
    "residual_shortcut": (lambda r: Residual(Linear(4, 2, r), Linear(4, 2, r)), (3, 4)),
    "concatenated": (lambda r: Concatenated(Linear(4, 2, r)), (3, 4)),
    "sequential": (lambda r: Sequential(a=Linear(4, 3, r), b=GELU(), c=Linear(3, 2, r)), (3, 4)),
    "attention": (lambda r: MultiHeadAttention(6, 2, r), (2, 4, 6)),
    "attention_causal": (lambda r: MultiHeadAttention(6, 3, r, causal=True), (2, 4, 6)),
    "encoder_block": (lambda r: EncoderBlock(4, 2, r, causal=True), (2, 3, 4)),
}


@pytest.mark.parametrize("name", CASES)
def test_backward_is_the_derivative_of_forward(name):
    make, shape = CASES[name]
    layer, x = make(generator()), normal(*shape)
    layer.rename(name)
    for parameter in layer.parameters():  # biases, scales and shifts away from 0 and 1
        parameter.value += generator().standard_normal(parameter.value.shape).astype(np.float32) / 2
    check_gradients(layer, x)


def test_cross_attention_with_padding():
    layer, x, memory = MultiHeadAttention(6, 2, generator()), normal(2, 3, 6), normal(2, 5, 6) + 1
    keep = np.array([[True] * 5, [True, True, False, False, False]])

    def forward():
        return layer.forward(x, training=True, memory=memory, keep=keep)

    check_gradients(layer, x, forward, inputs=((memory, lambda: layer.memory_gradient),))


def test_decoder_block():
    layer, x, memory = DecoderBlock(4, 2, generator()), normal(2, 3, 4), normal(2, 5, 4)
    keep = np.array([[True] * 5, [True, True, False, False, False]])

    def forward():
        return layer.forward(x, training=True, memory=memory, keep=keep)

    check_gradients(layer, x, forward, inputs=((memory, lambda: layer.cross.memory_gradient),))


def test_embedding():
    tokens = np.array([[3, 0, 3], [1, 3, 0]])
    layer = Embedding(5, 4, generator())
    check_gradients(layer, tokens)
    layer.forward(tokens, training=True)
    layer.backward(np.ones((2, 3, 4)))
    assert layer.weight.grad[:, 0].tolist() == [2, 1, 0, 3, 0]


def test_dropout_with_its_mask_held():
    layer, x = Dropout(0.4, seed=3), normal(5, 6)

    def forward():
        layer.buffers["passes"][...] = 7
        return layer.forward(x, training=True)

    check_gradients(layer, x, forward)
