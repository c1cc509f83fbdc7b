"""What the policy tests share: the worked vectors, FP32 patterns, a small network description."""

import json
from pathlib import Path

import numpy as np

from golden.policies import Network, Role, Tensor

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text())["policy"]


def floats(patterns):
    return np.array([int(p, 16) if isinstance(p, str) else p for p in patterns], np.uint32).view(np.float32)


def patterns(values):
    return np.ravel(np.asarray(values, np.float32)).view(np.uint32).tolist()


def hexes(values):
    return [f"{pattern:08x}" for pattern in patterns(values)]


def network(layers=("first", "middle", "last"), epochs=10, steps=20, seed=0, values=100):
    tensors = [Tensor(layer=layer, role=role, values=values) for layer in layers for role in Role]
    return Network(layers=layers, tensors=tensors, epochs=epochs, steps_per_epoch=steps, seed=seed)
