"""Models by name, size-parameterised: `build("lenet5", (28, 28, 1), 10, seed=0)`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from golden.nn.layer import Layer
from golden.nn.models.densenet import densenet
from golden.nn.models.lenet import lenet5
from golden.nn.models.mlp import lenet300, mlp
from golden.nn.models.resnet import resnet
from golden.nn.models.transformer import transformer_lm, transformer_seq2seq

__all__ = ["MODELS", "build"]

MODELS: dict[str, Callable[..., Layer]] = {
    "mlp": mlp,
    "lenet300": lenet300,
    "lenet5": lenet5,
    "resnet8": partial(resnet, depth=8),
    "resnet20": partial(resnet, depth=20),
    "resnet74": partial(resnet, depth=74),
    "densenet40": partial(densenet, depth=40),
    "transformer_lm": transformer_lm,
    "transformer_seq2seq": transformer_seq2seq,
}
"""Constructors (input_shape, classes, rng, **sizes), each documenting its sizes."""


def build(name: str, input_shape: tuple[int, ...], classes: int, seed: int, **sizes: Any) -> Layer:
    """The model `name` in float32, its layers named and its weights drawn from PCG64(seed).

    input_shape (H, W, C) of images or (T,) of sequences, without the batch; classes is the vocabulary of language
    models. `sizes` are the constructor's keywords (`width`, `depth`, ...). ValueError for an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r}: one of {', '.join(MODELS)}")
    model = MODELS[name](tuple(input_shape), classes, np.random.Generator(np.random.PCG64(seed)), **sizes)
    model.rename()
    return model
