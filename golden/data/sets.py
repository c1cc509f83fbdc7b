"""What a data set is to the training loop, and the one rule that divides a set into training, validation and test."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.words import counter_words

__all__ = ["IGNORED", "DataError", "DataSet", "Split", "divide", "standardise", "unit_range"]

IGNORED = -1  # label of a position that counts neither in the loss nor in the accuracy: padding of sentences
Array = NDArray[Any]


class DataError(ValueError):
    """A set that is unknown, missing or malformed; the message is one line that says how to put it right."""


@dataclass(frozen=True, slots=True)
class Split:
    """Samples and their labels, aligned along the first axis.

    `x`: images float32 (n, height, width, channels); text int64 (n, length); sentence pairs int64
    (n, source length + target length), see `DataSet.source_length`. `y`: int64 (n), or (n, length) for text and pairs.
    """

    x: Array
    y: Array

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(f"{len(self.x)} samples with {len(self.y)} labels: as many labels as samples")
        if not len(self.x):
            raise DataError("no samples: at least one in each of training, validation and test")

    def __len__(self) -> int:
        return len(self.x)

    def head(self, count: int) -> "Split":
        """The first `count` samples."""
        return Split(self.x[:count], self.y[:count])


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A named set in its three fixed parts.

    `kind` is "images", "text" (predict each next token) or "pairs" (translate). `classes` is the number of labels, or
    the size of the vocabulary. `symbols`, for text, spells each token. `source_length`, for pairs: that many columns of
    x are the source sentence, the rest the target shifted right by one (teacher forcing).
    """

    name: str
    kind: str
    classes: int
    train: Split
    validation: Split
    test: Split
    symbols: tuple[str, ...] = field(default=(), repr=False)
    source_length: int = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train.x.shape[1:])


def divide(name: str, x: Array, y: Array, *held_out: int) -> list[Split]:
    """What is left for training, then parts of so many samples each, drawn once and for all.

    Samples are ordered by the counter-based words of ("split/NAME", sample); the parts held out are taken from the
    start of that order, in the order given. No library's generator is involved: the parts stay the same for ever.
    """
    if sum(held_out) >= len(x):
        raise DataError(f"{name}: {len(x)} samples, more than {sum(held_out)} are needed")
    order = np.argsort(counter_words(f"split/{name}", 0, len(x)), kind="stable")
    *parts, rest = np.split(order, np.cumsum(held_out))
    return [Split(x[part], y[part]) for part in (rest, *parts)]


def unit_range(pixels: Array) -> NDArray[np.float32]:
    """Bytes (n, height, width[, channels]) as float32 in 0..1, with an axis of channels."""
    images = pixels if pixels.ndim == 4 else pixels[..., None]
    return np.ascontiguousarray(images, dtype=np.float32) / np.float32(255)


def standardise(parts: Sequence[Split]) -> list[Split]:
    """Every channel less its mean, over its deviation; both are those of the training part, which comes first."""
    train = parts[0].x
    mean = train.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    deviation = np.maximum(train.std(axis=(0, 1, 2), dtype=np.float64).astype(np.float32), np.float32(1e-6))
    return [Split((part.x - mean) / deviation, part.y) for part in parts]
