"""One pass of one layer: its operands on the way to the backend, and what is reported of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isqrt

from golden.kernels.fake import Draws
from golden.nn.backend import Backend, Converted
from golden.nn.engines import Engine
from golden.nn.layer import Array
from golden.nn.precision import Operand, Order, Product
from golden.nn.products_emulator import Reuse
from golden.nn.unfold import Grid

__all__ = ["Pass", "Record", "along"]


_CHANNEL = {
    "linear_forward": "input features",
    "linear_data": "output features",
    "linear_weight": "the batch",
    "conv_forward": "input channels at each tap",
    "conv_data": "output channels at each tap",
    "conv_weight": "the batch at each pixel",
    "depthwise_forward": "the channel at each tap (exponents shared along channels)",
    "depthwise_data": "the channel at each tap (exponents shared along channels)",
    "depthwise_weight": "the batch at each pixel",
    "batched": "the common axis",
}


def along(order: Order, method: str) -> str:
    """What the blocks of a product run along, in words."""
    if order is Order.TILE2D:
        return "the reduction, in square tiles"
    if order is Order.IM2COL and method.partition("_")[0] in ("conv", "depthwise"):
        return "images and pixels" if method.endswith("weight") else "channel, kh, kw of unfolded windows"
    return _CHANNEL[method]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a role did in one step, for reports and for the cost of a policy.

    `role` is forward, data, weight or a role of attention; a and b are operand names. `block` is how many elements
    along the reduction share an exponent, at most, `along` what they lie along, `engine` what summed inside blocks;
    block 0: plain products, which no dot unit makes. `conversions` counts the elements converted, of a and of b,
    `macs` multiplications, those with padding included.
    """

    kind: str
    role: str
    order: Order
    a: str
    b: str
    block: int
    along: str
    engine: Engine
    conversions: tuple[int, int] = (0, 0)
    macs: int = 0

    @property
    def realisable(self) -> bool:
        """Whether a dot unit can compute it, to the bit."""
        return self.engine is not Engine.PLAIN

    def __add__(self, other: "Record") -> "Record":
        """Once more the same role: counts add up, all else is the later one's."""
        conversions = self.conversions[0] + other.conversions[0], self.conversions[1] + other.conversions[1]
        return replace(other, conversions=conversions, macs=self.macs + other.macs)

    def __str__(self) -> str:
        blocks = f"blocks of {self.block} along {self.along}, {self.engine}" if self.realisable else self.along
        return f"{self.kind} {self.role}: {self.a} x {self.b}, {blocks}"


class Pass:
    """Converts a and b by the pass's formats and multiplies them; counts conversions and notes the block."""

    def __init__(
        self,
        product: Product,
        backend: Backend,
        draws: Callable[[Operand, int], Draws],
        reuse: Reuse | None = None,
    ) -> None:
        self.product, self._backend, self._draws, self._reuse = product, backend, draws, reuse
        self.conversions, self.block = [0, 0], 0

    def a(self, x: Array, axis: int, first: int = 0) -> Converted:
        """First operand, in blocks along `axis`; of a part of it, `first` is the slot of the part's first element."""
        return self._convert(0, x, axis, first)

    def b(self, x: Array, axis: int) -> Converted:
        """Second operand, in blocks along `axis`."""
        return self._convert(1, x, axis)

    @property
    def shared(self) -> int:
        """Elements that share an exponent, at most: the block, which both operands have in common."""
        assert self.product.a.format is not None
        return self.product.a.format.block

    @property
    def tile(self) -> int:
        """Rows and columns of a square tile: the root of the block."""
        return isqrt(self.shared)

    def tiled(self, which: int, grid: Grid, first: int = 0) -> Converted:
        """Operand 0 (a) or 1 (b) in square tiles: views (T, down, tile, across, tile).

        Tiles go row by row, elements within a tile too; edges are filled up with zeros. `first` as for `a`.
        """
        size = self.tile
        converted = self._convert(which, grid.tiles(size), 3, first)
        split = (*converted.values.shape[:3], size, size)
        return replace(converted.map(lambda v: v.reshape(split).transpose(0, 1, 3, 2, 4)), run=size)

    def multiply(self, a: Converted, b: Converted) -> Array:
        """`Backend.product`, its block noted."""
        self.block = a.run
        return self._backend.product(a, b)

    def values(self, a: Array, b: Array, axes: tuple[int, int]) -> tuple[Array, Array]:
        """Both operands converted along these axes, as FP32 arrays."""
        return self.a(a, axes[0]).dequantized(), self.b(b, axes[1]).dequantized()

    def _convert(self, which: int, x: Array, axis: int, first: int = 0) -> Converted:
        operand = (self.product.a, self.product.b)[which]
        draws, made = replace(self._draws(operand, which), first=first), True
        if self._reuse is None:
            converted = self._backend.convert(x, axis, operand, draws)
        else:
            converted, made = self._reuse.convert(self._backend, x, axis, operand, draws)
        self.conversions[which] += x.size if made else 0
        return converted
