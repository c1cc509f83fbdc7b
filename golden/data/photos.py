"""Patches of photographs: which photograph is a 32 x 32 patch from? A stand-in for CIFAR-10, with twelve classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.words import counter_words

__all__ = ["PATCH", "PER_PHOTO", "grey", "patches"]

PATCH, PER_PHOTO = 32, 1000
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def patches(photos: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(n, 32, 32, 3) and the photograph of each: `PER_PHOTO` of every photograph, none overlapping another.

    A photograph (height, width, 3) is cut on a grid from its upper left corner; which cells are taken is drawn by the
    counter-based words of its name.
    """
    found = []
    for photo, name in zip(photos, names, strict=True):
        rows, columns = photo.shape[0] // PATCH, photo.shape[1] // PATCH
        if rows * columns < PER_PHOTO:
            raise ValueError(f"{name}: {rows * columns} patches of 32 x 32 fit in, {PER_PHOTO} are needed")
        cells = photo[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3).swapaxes(1, 2)
        order = np.argsort(counter_words(f"photos/{name}", 0, rows * columns), kind="stable")
        found.append(cells.reshape(-1, PATCH, PATCH, 3)[np.sort(order[:PER_PHOTO])])
    return np.concatenate(found), np.repeat(np.arange(len(found)), PER_PHOTO)


def grey(pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Luma of each patch, brought to mean 0 and deviation 1: float32 (n, 32, 32, 1). Far harder than colour."""
    luma = pixels @ _LUMA
    luma -= luma.mean(axis=(1, 2), keepdims=True)
    luma /= np.maximum(luma.std(axis=(1, 2), keepdims=True), 1.0)
    return luma[..., None].astype(np.float32)
