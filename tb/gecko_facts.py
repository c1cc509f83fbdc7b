"""What a tensor of a Gecko unit is like: the view that test points look at."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.gecko.container import lane_major
from golden.gecko.descriptor import GROUP, ROWS, Mode
from golden.gecko.rows import Rows, code_rows
from golden.gecko.values import codes_of
from tb.gecko_tensors import Config, Streams, Tensor, group_errors, legal, row_bits, tensors, violations

__all__ = ["Facts", "GeckoView"]


class Facts:
    """What one tensor is like; arrays of rows are (groups, 8), of values (8 lanes, groups, 8 rows)."""

    def __init__(self, config: Config, tensor: Tensor) -> None:
        self.config, self.d, self.inputs = config, tensor.d, tensor.inputs

    @cached_property
    def bits(self) -> NDArray[Any]:
        """The values of a packer."""
        return self.inputs["i"]["value"].reshape(-1)[: self.d.length]

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Exponent codes of a coder's tensor."""
        if "value" in self.inputs["i"]:
            flat = codes_of(legal(self.bits, self.d), self.d)
        else:
            top = np.uint8((1 << self.d.exponent_bits) - 1)
            flat = self.inputs["i"]["exponent"].reshape(-1)[: self.d.length] & top
        return lane_major(flat)

    @cached_property
    def exists(self) -> NDArray[np.bool_]:
        """Which places hold a value."""
        return lane_major(np.arange(self.d.groups * GROUP) < self.d.length)

    @cached_property
    def coder(self) -> Rows:
        """The golden row code."""
        return code_rows(self.codes, self.d, self.d.length)

    @cached_property
    def widths(self) -> NDArray[np.uint8]:
        """Width fields of rows that hold differences; 255 elsewhere."""
        widths = np.where(self.exists.any(axis=0), self.coder.fields, np.uint8(255))
        if self.d.mode is Mode.RAW:
            widths[:] = 255
        if self.d.mode is Mode.DELTA:
            widths[:, 0] = 255
        return widths

    @cached_property
    def minus_zero(self) -> NDArray[np.bool_]:
        """Differences of -H."""
        return (self.coder.codes == 1) & (self.widths != 255)

    @cached_property
    def wraps(self) -> NDArray[np.bool_]:
        """Codes that lie beyond half the range from their base, but whose difference is short."""
        base = self.coder.codes[:, :, :1] if self.d.mode is Mode.DELTA else np.uint8(self.d.bias)
        far = np.abs(self.codes.astype(np.int16) - base.astype(np.int16)) > 1 << self.d.exponent_bits - 1
        return far & (self.widths != 255) & self.exists & ~self.zero

    @cached_property
    def zero(self) -> NDArray[np.bool_]:
        """Values that a mask covers."""
        return (self.codes == 0) & self.exists & self.d.zero_mask

    @cached_property
    def row_bits(self) -> NDArray[np.int64]:
        """Bits of each row of a packer in a lane, masks with row 0."""
        bits = self.coder.code_bits.astype(np.int64) + self.d.tail_bits
        bits[:, 0] += self.coder.mask_bits
        return bits.reshape(-1)[: self.d.rows]

    @property
    def fields(self) -> NDArray[np.int64]:
        """Metadata fields as a decoder gets them."""
        return self.inputs["meta"]["word"].astype(np.int64)[:, np.newaxis] >> 3 * np.arange(ROWS) & 7

    @property
    def beats(self) -> int:
        """How many beats too many a tensor has (negative: too few)."""
        asked = int(row_bits(self.d, group_errors(self.inputs["meta"]["word"], self.d)[0]).sum())
        return len(self.inputs["data"]["word"]) - -(-asked // self.d.source.bits)

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Which groups have an illegal field."""
        return group_errors(self.inputs["meta"]["word"], self.d)[1]

    @cached_property
    def differences(self) -> NDArray[np.bool_]:
        """Which metadata fields are widths of rows that exist."""
        widths = np.arange(len(self.fields) * ROWS).reshape(-1, ROWS) < self.d.rows
        if self.d.mode is Mode.DELTA:
            widths[:, 0] = False
        return widths

    @cached_property
    def field(self) -> NDArray[Any]:
        """Exponent fields of a packer's values."""
        return self.bits >> self.d.source.mantissa_bits & 255

    @cached_property
    def fraction(self) -> NDArray[Any]:
        """And their fractions."""
        return self.bits & ((1 << self.d.source.mantissa_bits) - 1)

    @property
    def subnormal(self) -> NDArray[np.bool_]:
        """Values below the normal range."""
        return (self.field == 0) & (self.fraction != 0)

    @property
    def minus(self) -> NDArray[np.bool_]:
        """Minus zeros."""
        return (self.bits << 1 & (1 << self.word) - 1 == 0) & (self.bits != 0)

    @property
    def quieted(self) -> NDArray[np.bool_]:
        """NaNs that only their quiet bit tells from an infinity."""
        kept = self.fraction >> self.d.source.mantissa_bits - self.d.mantissa_bits
        return (self.field == 255) & (self.fraction != 0) & (kept == 0) & ~violations(self.bits, self.d)["window"]

    @property
    def word(self) -> int:
        """Bits of a lane in a beat."""
        return self.d.source.bits


class GeckoView:
    """The tensors of a batch."""

    def __init__(self, config: Config, inputs: Streams, outputs: Streams) -> None:
        self.tensors = [Facts(config, tensor) for tensor in tensors(config, inputs)]
