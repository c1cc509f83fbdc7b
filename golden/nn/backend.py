"""Who converts operands and multiplies them: the one place where a training run meets its arithmetic.

A backend has two operations. `NumpyBackend` computes them in floats that are known to be exact (`golden.nn.engines`),
with compiled kernels where numba is there; another may drive simulated hardware. All give the same bits, those of
`golden.products.matmul`: exact inside a block, one RNE to FP32, blocks added in FP32 in order from +0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from golden.blocks import quantize
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.kernels import available
from golden.kernels.fake import Draws, fake_quantize
from golden.layout import from_blocked
from golden.nn import engines_numpy
from golden.nn.engines import Engine, declared_engine, span_budget
from golden.nn.layer import Array
from golden.nn.precision import Operand
from golden.rounding import NAN, power_of_two

__all__ = ["Backend", "Converted", "NumpyBackend"]

_INFINITY = 0x7F800000
_TOO_LARGE = 2.0**128


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A tensor after conversion: the values that its blocks stand for, which float32 holds exactly.

    (Float64 holds them where the scale rules ceil and even go beyond FLT_MAX.) A tensor scale is apart, in `factor`.
    `run` is how many elements along the reduction share an exponent, at most. `smallest` and `largest` bound the
    magnitudes that are neither 0 nor NaN (0 if there are none), `poison` says that there are NaN, which fill their
    blocks. `wide` marks the elements of blocks whose sums of products a float64 may not hold, None for none.

    A backend that needs codes converts `values` once more, RNE by the same scale rule: they stay as they are (but for
    tensor scales, and E4M3 by rule even after rtz or sr). Sums are exact, so no other codes could change a result.
    """

    values: Array
    operand: Operand
    run: int
    smallest: float
    largest: float
    poison: bool
    wide: NDArray[np.bool_] | None = None
    factor: np.float32 | None = None

    def map(self, view: Callable[[Array], Array]) -> Self:
        """The same after moving elements about: transposed, padded with zeros, unfolded to windows."""
        return replace(self, values=view(self.values), wide=None if self.wide is None else view(self.wide))

    def dequantized(self) -> Array:
        """The values as FP32 arrays hold them, tensor scale multiplied in: what the block array dequantises to."""
        if self.factor is None and self.values.dtype != np.float64:
            return self.values
        with np.errstate(over="ignore", under="ignore"):
            return self.values.astype(np.float32) * (np.float32(1) if self.factor is None else self.factor)

    @property
    def format(self) -> BlockFormat:
        """The block format; ValueError without one."""
        if self.operand.format is None:
            raise ValueError(f"{self.operand.name} operand: one with blocks wanted")
        return self.operand.format


class Backend(Protocol):
    """Quantiser and dot product. Both are pure: no call depends on an earlier one."""

    def convert(self, x: Array, axis: int, operand: Operand, draws: Draws) -> Converted:
        """float32 x in blocks along `axis`, its last block filled up with zeros.

        SR takes its words from `draws`, by slots of x in block order along `axis`; other roundings ignore them.
        """
        ...

    def product(self, a: Converted, b: Converted) -> NDArray[np.float32]:
        """(T, *rows, *K) x (T, *K, N) -> (T, *rows, N): T products of matrices whose K may have several axes.

        Blocks lie along the last axis of K and begin anew with each index of the others. They are accumulated in
        order of those indices, the last the fastest: a block that holds nothing but zeros may be left out.
        """
        ...


class NumpyBackend:
    """Both operations in NumPy; `compiled` None: by numba's kernels where it is installed, False: without them."""

    def __init__(self, compiled: bool | None = None) -> None:
        self.compiled = available() if compiled is None else compiled
        if self.compiled:
            from golden.nn import engines_compiled

            self._extremes, self._product = engines_compiled.extremes, engines_compiled.block_product
        else:
            self._extremes, self._product = engines_numpy.extremes, engines_numpy.block_product

    def convert(self, x: Array, axis: int, operand: Operand, draws: Draws) -> Converted:
        """See `Backend.convert`."""
        fmt = operand.format
        if fmt is None:
            return Converted(_rounded(x, operand.element), operand, 1, 0.0, np.inf, True)
        random = draws if operand.rounding is Rounding.SR else None
        factor = None
        values: Array
        if fmt.tensor_scale:
            exact, factor = _exact(x, fmt, axis, operand, random)
            values = exact.astype(np.float32)
        else:
            values = fake_quantize(
                x,
                fmt,
                axis=axis,
                rounding=operand.rounding,
                scale_rule=operand.scale_rule,
                random=random,
                compiled=None if self.compiled else False,
            )
            if operand.scale_rule != ScaleRule.FLOOR and np.isinf(values).any():
                values, _ = _exact(x, fmt, axis, operand, random)
        smallest, largest, poison = self._bounds(values)
        run = min(fmt.block, x.shape[axis])
        wide = _wide_blocks(values, axis, fmt) if _has_wide_blocks(fmt, run) else None
        return Converted(values, operand, run, smallest, largest, poison, wide, factor)

    def product(self, a: Converted, b: Converted) -> NDArray[np.float32]:
        """See `Backend.product`."""
        engine, compute = declared_engine(a.format, b.format, a.run), self._product
        if a.values.shape[a.values.ndim - b.values.ndim + 2 :] != b.values.shape[1:-1] or len(a.values) != len(
            b.values
        ):
            raise ValueError(f"{a.values.shape} by {b.values.shape}: (T, *rows, *K) and (T, *K, N) wanted")
        if a.run != b.run:
            raise ValueError(f"blocks of {a.run} and of {b.run} elements: equal ones wanted")
        finite = a.largest * b.largest * a.run < _TOO_LARGE
        if engine is Engine.FLOAT32 and not (finite and _unit(a) * _unit(b) >= 2.0**-149):
            engine = Engine.FLOAT64
        if a.values.dtype == np.float64 or b.values.dtype == np.float64:
            compute = engines_numpy.block_product
        wide = (a.wide, b.wide) if engine is Engine.FLOAT64X2 else (None, None)
        result = compute(a.values, b.values, a.run, engine, wide)
        return _finished(result, a, b, finite)

    def _bounds(self, values: Array) -> tuple[float, float, bool]:
        """smallest, largest and poison of converted values."""
        if values.dtype == np.float64:
            magnitudes = np.abs(values)[np.isfinite(values) & (values != 0)]
            return float(magnitudes.min()), float(magnitudes.max()), bool(np.isnan(values).any())
        smallest, largest = self._extremes(values)
        poison = largest > _INFINITY
        if poison:
            smallest, largest = self._extremes(np.nan_to_num(values))
        return _value(smallest), _value(largest), poison


def _value(pattern: int) -> float:
    return float(np.uint32(pattern).view(np.float32))


def _unit(x: Converted) -> float:
    """A lower bound of the power of two that all values of x are multiples of; infinite where all are 0.

    The smallest value is an integer of so many bits in its block's unit, and no other block's unit is below that.
    """
    return x.smallest * 2.0 ** -x.format.max_integer.bit_length() if x.smallest else np.inf


def _exact(
    x: Array, fmt: BlockFormat, axis: int, operand: Operand, random: Draws | None
) -> tuple[NDArray[np.float64], np.float32 | None]:
    """Values in float64, tensor scale apart, by way of the codes; and that scale."""
    blocks = quantize(
        x,
        fmt,
        axis=axis,
        rounding=operand.rounding,
        scale_rule=operand.scale_rule,
        random=None if random is None else random.words(x.shape, fmt, axis),
        random_bits=None if random is None else random.bits,
    )
    values = blocks.integers * power_of_two(blocks.unit_exponents)[..., np.newaxis]
    values = np.where(blocks.poison[..., np.newaxis], np.nan, values)
    values = from_blocked(values, blocks.shape, blocks.axis)
    if fmt.element.keeps_negative_zero:
        values = np.where(values == 0, np.copysign(values, x), values)
    return values, None if blocks.tensor_scale is None else np.float32(blocks.tensor_scale)


def _rounded(x: Array, element: str) -> Array:
    """RNE to BF16 or FP16, as float32."""
    if element == "fp32":
        return x
    with np.errstate(over="ignore", under="ignore"):
        if element == "fp16":
            return x.astype(np.float16).astype(np.float32)
        bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
        rounded = (bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))) & np.uint32(0xFFFF0000)
        return np.where(np.isnan(x), NAN, rounded).view(np.float32)


def _has_wide_blocks(fmt: BlockFormat, run: int) -> bool:
    return fmt.max_integer.bit_length() > span_budget(run)


def _wide_blocks(values: Array, axis: int, fmt: BlockFormat) -> NDArray[np.bool_] | None:
    """The elements of blocks that span more bits than a float64 sum has room for; None if there are none."""
    axis %= values.ndim
    starts = range(0, values.shape[axis], fmt.block)
    magnitudes = np.abs(values)
    top = np.maximum.reduceat(magnitudes, starts, axis)
    bottom = np.minimum.reduceat(np.where(magnitudes == 0, np.inf, magnitudes), starts, axis)
    # An element has at most so many significant bits, its block's factor multiplied in.
    precision = fmt.element.precision + fmt.scale.max_significand.bit_length() - 1
    span = np.frexp(top)[1] - np.frexp(bottom)[1] + precision
    found = (span > span_budget(min(fmt.block, values.shape[axis]))) & np.isfinite(bottom)
    if not found.any():
        return None
    return np.repeat(found, np.diff([*starts, values.shape[axis]]), axis)


def _finished(result: NDArray[np.float32], a: Converted, b: Converted, finite: bool) -> NDArray[np.float32]:
    """Tensor scales multiplied in, their product first, and NaN canonical where there may be any."""
    factors = [x.factor for x in (a, b) if x.factor is not None]
    if factors:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            result *= np.prod(factors, dtype=np.float32)
    if factors or a.poison or b.poison or not finite:
        result[np.isnan(result)] = NAN.view(np.float32)
    return result
