"""MNIST-1D (Greydanus, arXiv 2011.14439): 40-sample signals of ten shapes, made on the spot from its definition.

Each signal is a digit's template of 12 points, padded, stretched, scaled, shifted, laid in correlated noise where it
is zero, in white noise everywhere, sheared and resampled to 40 points. Random numbers come from NumPy's legacy MT19937
stream, seed 42, whose values NumPy guarantees, in the order in which the package `mnist1d` draws them: its
`make_dataset()` gives the same 5,000 signals.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["LENGTH", "SIGNALS", "signals"]

LENGTH, SIGNALS = 40, 5000
_SEED, _CLASSES = 42, 10
_POINTS, _SHORTEST_PAD, _LONGEST_PAD, _LARGEST_SHIFT = 12, 36, 60, 48
_SCALE, _CORRELATED, _WHITE, _SHEAR = 0.4, 0.25, 0.02, 0.75
_SMOOTHING = 2.0  # deviation, in points, of the Gaussian that correlates the noise

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
Signal = NDArray[np.float64]


def _templates() -> Signal:
    """(10, 12), each of mean 0 and deviation 1/6, then moved to start at 0."""
    x = np.array(_TEMPLATES, dtype=np.float64)
    x -= x.mean(axis=1, keepdims=True)
    x /= x.std(axis=1, keepdims=True)
    return (x - x[:, :1]) / 6


def _resample(x: Signal, points: int) -> Signal:
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(x)), x)


def _smooth(x: Signal) -> Signal:
    """Gaussian filter over four deviations to each side, the signal mirrored at its ends."""
    reach = int(4 * _SMOOTHING + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING) ** 2)
    return np.convolve(np.pad(x, reach, mode="symmetric"), weights / weights.sum(), mode="valid")


def _signal(template: Signal, random: np.random.RandomState) -> Signal:
    """One distorted copy; the order of the draws is part of the definition."""
    pad = _SHORTEST_PAD + int(random.rand() * (_LONGEST_PAD - _SHORTEST_PAD + 1))
    x = np.concatenate([template + 1e-8, np.zeros(pad)])
    x = _resample(x, _POINTS + _LONGEST_PAD)
    x *= 1 + _SCALE * (random.rand() - 0.5)
    x = np.roll(x, random.choice(_LARGEST_SHIFT))
    correlated = _smooth(_CORRELATED * random.randn(len(x)))
    x = np.where(x != 0, x, correlated) + _WHITE * random.randn(len(x))
    x -= _SHEAR * (random.rand() - 0.5) * np.linspace(-0.5, 0.5, len(x))
    return _resample(x, LENGTH)


def signals() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(5000, 40) of mean 0 and deviation 1 over all of them, and their classes; takes about half a second."""
    random = np.random.RandomState(_SEED)
    labels = np.repeat(np.arange(_CLASSES), SIGNALS // _CLASSES)
    templates = _templates()
    x = np.stack([_signal(templates[label], random) for label in labels])
    order = random.permutation(SIGNALS)
    x = x[order]
    return ((x - x.mean()) / x.std()).astype(np.float32), labels[order]
