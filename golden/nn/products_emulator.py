"""The emulators' shortcut: tensors converted in one pass are read again, as they are, in the others (formats.md 1.5).

HBFPEmulator converts x and w in the forward pass and the output gradient once, whatever they are reduced along next.
Where the reduction turns to another axis, exponents vary inside its blocks: floats can multiply that, a dot unit not.
"""

import numpy as np

from golden.kernels.fake import Draws
from golden.nn.backend import Backend, Converted
from golden.nn.layer import Array
from golden.nn.precision import Operand

__all__ = ["Reuse"]


class Reuse:
    """Conversions of a step by the memory that the tensor lives in, whichever way a view of it is transposed."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[Array, Converted]] = {}

    def clear(self) -> None:
        """Forget everything: a new forward pass."""
        self._kept.clear()

    def convert(self, backend: Backend, x: Array, axis: int, operand: Operand, draws: Draws) -> tuple[Converted, bool]:
        """The conversion of x, and whether it was made now; an earlier one keeps its axis and its format."""
        order = np.argsort([-stride for stride in x.strides], kind="stable")
        base = x.transpose(order)
        key = base.__array_interface__["data"][0], base.shape, base.strides
        made = key not in self._kept
        if made:
            converted = backend.convert(x, axis, operand, draws)
            # the source is kept too, so that no other tensor can come to live in its memory
            self._kept[key] = x, converted.map(lambda v: v.transpose(order))
        return self._kept[key][1].map(lambda v: v.transpose(np.argsort(order))), made
