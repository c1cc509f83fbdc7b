"""Softmax cross-entropy, the loss of every model here."""

import numpy as np
from numpy.typing import NDArray

from golden.nn.layer import Array

__all__ = ["CrossEntropy"]


class CrossEntropy:
    """Mean cross-entropy of softmax(logits) against integer targets, with label smoothing (Szegedy et al. 2016).

    The target distribution is (1 - smoothing) on the target plus smoothing / classes everywhere. Positions whose
    target is `ignore` (padding) count neither in the mean nor in the gradient; if all are, loss and gradient are 0.
    """

    def __init__(self, smoothing: float = 0.0, ignore: int | None = None) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"label smoothing {smoothing}: 0 <= smoothing < 1 wanted")
        self.smoothing = smoothing
        self.ignore = ignore
        self._gradient: Array | None = None

    def forward(self, logits: Array, targets: NDArray[np.integer]) -> float:
        """logits (..., classes), targets (...) in 0..classes - 1 (or `ignore`) -> loss in nats per position."""
        classes = logits.shape[-1]
        rows, labels = logits.reshape(-1, classes), targets.reshape(-1)
        counted = np.ones(len(labels), bool) if self.ignore is None else labels != self.ignore
        labels = np.where(counted, labels, 0)
        weight = counted.astype(logits.dtype) / max(int(counted.sum()), 1)
        shifted = rows - rows.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(axis=1, keepdims=True)
        log_p = shifted - np.log(total)
        each = np.arange(len(labels))
        loss = -(1 - self.smoothing) * log_p[each, labels] - self.smoothing * log_p.mean(axis=1)
        p /= total
        p -= self.smoothing / classes
        p[each, labels] -= 1 - self.smoothing
        self._gradient = (p * weight[:, np.newaxis]).reshape(logits.shape)
        return float(loss @ weight)

    def backward(self) -> Array:
        """Gradient of the last `forward` with respect to its logits."""
        if self._gradient is None:
            raise ValueError("backward without a forward pass before it")
        gradient, self._gradient = self._gradient, None
        return gradient
