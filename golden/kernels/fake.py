"""Quantise and dequantise in one step, float32 to float32: compiled where numba is there, else by the definition."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.block_array import as_format
from golden.blocks import DTYPES, quantize, random_words
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.kernels import available
from golden.kernels.plan import covers, plan
from golden.layout import blocked_shape, from_blocked, normalized_axis
from golden.words import counter_key, counter_words, top_bits

__all__ = ["Draws", "fake_quantize"]

_NO_WORDS = {1: np.empty(0, np.uint32), 3: np.empty((0, 0, 0), np.uint32)}  # by dimensions


@dataclass(frozen=True, slots=True)
class Draws:
    """Random words for SR of one tensor at one step: the R = `bits` (1..32) uppermost bits of `counter_words`.

    A word depends on its element's slot alone (formats.md 0.2), so that they are made where they are used, and a tensor
    may be converted part by part: `first` is the slot of the first element of a part.
    """

    tensor: str
    step: int = 0
    seed: int = 0
    bits: int = 16
    first: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise ValueError(f"bits {self.bits}: 1..32")

    def words(self, shape: tuple[int, ...], fmt: BlockFormat | str, axis: int = -1) -> NDArray[np.unsignedinteger[Any]]:
        """The words of R bits that a tensor of `shape` takes in blocks of `fmt` along `axis`, in its own shape."""
        axis = normalized_axis(shape, axis)
        blocked = blocked_shape(shape, axis, as_format(fmt))
        slots = np.arange(self.first, self.first + math.prod(blocked))
        words = counter_words(self.tensor, self.step, slots, self.seed)
        return from_blocked(top_bits(words, self.bits).reshape(blocked), shape, axis)


def fake_quantize(
    x: ArrayLike,
    fmt: BlockFormat | str,
    *,
    axis: int = -1,
    rounding: Rounding | str = Rounding.RNE,
    scale_rule: ScaleRule | str = ScaleRule.FLOOR,
    random: NDArray[np.unsignedinteger[Any]] | Draws | None = None,
    random_bits: int | None = None,
    out: NDArray[np.float32] | None = None,
    compiled: bool | None = None,
) -> NDArray[np.float32]:
    """`golden.quantize(x, fmt, ...).dequantize()` to the bit, without the codes in between.

    Arguments as there; `random` may also be `Draws`. `out`, C-contiguous float32 of the shape of x, takes the result;
    it may be x itself. `compiled` chooses the way: None takes the kernel where `kernels.available()` and it covers the
    format and the rule (all but NVFP4 and `emulator`, and no words of more than 32 bits), True insists on it, False is
    the NumPy definition. All give the same bits.
    """
    way = _way(fmt, rounding, scale_rule)
    tensor = np.asarray(x)
    if out is not None and not (out.dtype == np.float32 and out.shape == tensor.shape and out.flags.c_contiguous):
        raise ValueError(f"out {out.dtype} {out.shape}: C-contiguous float32 {tensor.shape} wanted")
    covered = way.plan is not None and not (isinstance(random, np.ndarray) and random.dtype.itemsize > 4)
    if compiled and not (covered and available()):
        raise ValueError(
            f"compiled: no kernel for {way.fmt.name} by '{scale_rule}' with these words"
            if available()
            else "compiled: numba is missing: pip install numba"
        )
    if covered and compiled is not False and available():
        return _compiled(tensor, axis, way, random, random_bits, out)
    if isinstance(random, Draws):
        random_bits, random = random.bits, random.words(tensor.shape, way.fmt, axis)
    blocks = quantize(
        tensor, way.fmt, axis=axis, rounding=rounding, scale_rule=scale_rule, random=random, random_bits=random_bits
    )
    if out is None:
        return blocks.dequantize()
    out[...] = blocks.dequantize()
    return out


class _Way(NamedTuple):
    """What the arguments that repeat from call to call come to."""

    fmt: BlockFormat
    rounding: int  # in the kernels' order
    plan: NDArray[np.void] | None  # None where no kernel covers them


@cache
def _way(fmt: BlockFormat | str, rounding: Rounding | str, scale_rule: ScaleRule | str) -> _Way:
    fmt, order = as_format(fmt), (Rounding.RNE, Rounding.RNA, Rounding.RTZ, Rounding.SR)
    facts = plan(fmt, ScaleRule(scale_rule)) if covers(fmt, scale_rule) else None
    return _Way(fmt, order.index(Rounding(rounding)), facts)


def _compiled(
    tensor: NDArray[Any],
    axis: int,
    way: _Way,
    random: NDArray[np.unsignedinteger[Any]] | Draws | None,
    random_bits: int | None,
    out: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    from golden.kernels import compiled  # late: it imports numba

    if tensor.dtype != np.float32:
        if tensor.dtype.name not in DTYPES:
            raise TypeError(f"x has dtype {tensor.dtype}: {', '.join(DTYPES)} wanted")
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            tensor = tensor.astype(np.float32)
    if not tensor.flags.c_contiguous:
        tensor = np.ascontiguousarray(tensor)
    axis = normalized_axis(tensor.shape, axis)
    if out is None:
        out = np.empty(tensor.shape, np.float32)

    length = tensor.shape[axis]
    inner = math.prod(tensor.shape[axis + 1 :])
    shape = (tensor.size,) if inner == 1 else (tensor.size // (length * inner), length, inner)
    words, key, kept, first = _NO_WORDS[len(shape)], 0, 0, 0
    if way.rounding == compiled.SR:
        if isinstance(random, Draws):
            key, kept = counter_key(random.tensor, random.step, random.seed), -1 << 32 - random.bits & 0xFFFFFFFF
            first = random.first & 0xFFFFFFFF
        else:
            given, bits = random_words(random, random_bits, tensor.shape)
            words = np.left_shift(given, 32 - bits, dtype=np.uint32, order="C").reshape(shape)
    values, made = np.ndarray(shape, np.uint32, tensor), np.ndarray(shape, np.uint32, out)
    if inner == 1:
        compiled.along_rows(values, made, length, way.fmt.block, way.plan, way.rounding, words, key, kept, first)
    else:
        compiled.across_rows(values, made, way.fmt.block, way.plan, way.rounding, words, key, kept, first)
    return out
