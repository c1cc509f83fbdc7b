"""Gradient checks: what backward says against central differences of forward, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from golden.nn.layer import NO_GRADIENT, Layer

STEP = 1e-6  # central difference: small enough to cross few kinks of ReLU in deep models, 1e-10 of rounding
TOLERANCE = 1e-6


def check_gradients(
    layer: Layer,
    x: Any,
    forward: Callable[[], np.ndarray] | None = None,
    inputs: tuple = (),
    together: int = 1,
) -> None:
    """Every parameter's and input's gradient along a random direction, for the scalar sum(weights * output).

    A gradient wrong anywhere is wrong along almost every direction. `inputs` are (array, function giving its gradient
    after backward) besides x itself; `together` parameters share a direction, to save time on deep models.
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
    for start in range(0, len(targets), together):
        group = targets[start : start + together]
        names = ", ".join(name for name, _, _ in group)
        assert [gradient.shape for _, _, gradient in group] == [array.shape for _, array, _ in group], names
        directions = [rng.standard_normal(array.shape) for _, array, _ in group]
        kept, results = [array.copy() for _, array, _ in group], []
        for step in (STEP, -STEP, 0):
            for (_, array, _), value, direction in zip(group, kept, directions, strict=True):
                array[...] = value + step * direction
            if step:
                results.append(float((forward() * weights).sum()))
        numeric = (results[0] - results[1]) / (2 * STEP)
        claimed = sum(float((gradient * d).sum()) for (_, _, gradient), d in zip(group, directions, strict=True))
        scale = max(abs(numeric), abs(claimed), float(np.abs(weights).mean()))
        size = sum(array.size for _, array, _ in group)
        assert abs(numeric - claimed) <= TOLERANCE * scale * size**0.5, f"{names}: {numeric}, not {claimed}"
