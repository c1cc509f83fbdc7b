"""Quantise and dequantise in one step, float32 to float32: compiled where numba is there, else by the definition."""

import math
from dataclasses import dataclass
from typing import Any

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

_ROUNDINGS = {Rounding.RNE: 0, Rounding.RNA: 1, Rounding.RTZ: 2, Rounding.SR: 3}
_NO_WORDS = np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Draws:
    """Random words of one tensor at one step for SR, R = `bits` (1..32) uppermost bits of `golden.words.counter_words`.

    Made where they are used: the word of an element depends on its slot alone, not on the order of conversion.
    """

    tensor: str
    step: int = 0
    seed: int = 0
    bits: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise ValueError(f"bits {self.bits}: 1..32")

    def words(self, shape: tuple[int, ...], axis: int, fmt: BlockFormat) -> NDArray[np.unsignedinteger[Any]]:
        """The words of R bits that a tensor of `shape` takes in blocks of `fmt` along `axis`, in its own shape."""
        axis = normalized_axis(shape, axis)
        blocked = blocked_shape(shape, axis, fmt)
        words = counter_words(self.tensor, self.step, int(np.prod(blocked)), self.seed)
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
    """`golden.quantize(x, fmt, ...).dequantize()`, to the bit, without the codes in between.

    Arguments as there; `random` may also be `Draws`. `out`, a C-contiguous float32 array of the shape of x, takes the
    result; it may be x itself. `compiled` chooses the way: None takes the numba kernel where `kernels.available()` and
    `kernels.covers(fmt, scale_rule)`, False the NumPy definition, True insists on the kernel. Both give the same bits.
    """
    fmt, rounding = as_format(fmt), Rounding(rounding)
    covered = covers(fmt, scale_rule)
    if compiled is None:
        compiled = covered and available()
    elif compiled and not covered:
        raise ValueError(f"compiled: no kernel for {fmt.name} by scale_rule '{scale_rule}'")
    if not compiled:
        drawn, width = (
            (random.words(np.shape(x), axis, fmt), random.bits) if isinstance(random, Draws) else (random, random_bits)
        )
        blocks = quantize(x, fmt, axis=axis, rounding=rounding, scale_rule=scale_rule, random=drawn, random_bits=width)
        if out is None:
            return blocks.dequantize()
        out[...] = blocks.dequantize()
        return out
    return _compiled(np.asarray(x), fmt, axis, rounding, ScaleRule(scale_rule), random, random_bits, out)


def _compiled(
    tensor: NDArray[Any],
    fmt: BlockFormat,
    axis: int,
    rounding: Rounding,
    scale_rule: ScaleRule,
    random: NDArray[np.unsignedinteger[Any]] | Draws | None,
    random_bits: int | None,
    out: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    from golden.kernels import compiled as kernels

    if tensor.dtype.name not in DTYPES:
        raise TypeError(f"x has dtype {tensor.dtype}: {', '.join(DTYPES)} wanted")
    axis = normalized_axis(tensor.shape, axis)
    if tensor.dtype != np.float32 or not tensor.flags.c_contiguous:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            tensor = np.ascontiguousarray(tensor, np.float32)
    if out is None:
        out = np.empty(tensor.shape, np.float32)
    elif out.dtype != np.float32 or out.shape != tensor.shape or not out.flags.c_contiguous:
        raise ValueError(f"out {out.dtype} {out.shape}: C-contiguous float32 {tensor.shape} wanted")
    key, kept, words = 0, 0, _NO_WORDS
    if rounding is Rounding.SR:
        if isinstance(random, Draws):
            key, kept = counter_key(random.tensor, random.step, random.seed), -1 << 32 - random.bits & 0xFFFFFFFF
        else:
            given, width = random_words(random, random_bits, tensor.shape)
            words = np.ascontiguousarray(given, np.uint32) << np.uint32(32 - width)
    length = tensor.shape[axis]
    outer = math.prod(tensor.shape[:axis])
    inner = tensor.size // (outer * length)
    shape = (tensor.size,) if inner == 1 else (outer, length, inner)
    x, made = tensor.view(np.uint32).reshape(shape), out.view(np.uint32).reshape(shape)
    drawn = words.reshape(shape) if words.size else words.reshape((0,) * len(shape))
    facts, mode = plan(fmt, scale_rule), _ROUNDINGS[rounding]
    if inner == 1:
        kernels.along_rows(x, made, length, fmt.block, facts, mode, drawn, key, kept)
    else:
        kernels.across_rows(x, made, fmt.block, facts, mode, drawn, key, kept)
    return out
