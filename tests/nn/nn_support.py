"""Gradient checks: what backward says against central differences of forward, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from golden.nn.layer import NO_GRADIENT, Layer

STEP = 1e-6  # central difference: small enough to cross few kinks of ReLU in deep models, 1e-10 of rounding
TOLERANCE = 1e-6


def check_gradients(layer: Layer, x: Any, forward: Callable[[], np.ndarray] | None = None, inputs: tuple = ()) -> None:
    """Every parameter's and input's gradient along a random direction, for the scalar sum(weights * output).

    `inputs` are (array, function giving its gradient after backward) besides x itself. A gradient wrong anywhere is
    wrong along almost every direction.
    """
    layer.to(np.float64)
    if forward is None:

        def forward() -> np.ndarray:
            return layer.forward(x, training=True)

    rng = np.random.default_rng(5)
    weights = rng.standard_normal(forward().shape)
    dx = layer.backward(weights.copy())
    assert not any(part.saved for part in layer.layers()), "backward left something behind"
    targets = [(p.name or "parameter", p.value, p.grad.copy()) for p in layer.parameters()]
    targets += [("an input", array, gradient()) for array, gradient in inputs]
    if dx is not NO_GRADIENT:
        targets.append(("x", x, dx))
    for name, array, gradient in targets:
        assert gradient.shape == array.shape, name
        direction = rng.standard_normal(array.shape)
        kept, results = array.copy(), []
        for sign in (1, -1):
            array[...] = kept + sign * STEP * direction
            results.append(float((forward() * weights).sum()))
        array[...] = kept
        numeric, claimed = (results[0] - results[1]) / (2 * STEP), float((gradient * direction).sum())
        scale = max(abs(numeric), abs(claimed), float(np.abs(weights).mean()))
        assert abs(numeric - claimed) <= TOLERANCE * scale * array.size**0.5, f"{name}: {numeric}, not {claimed}"
