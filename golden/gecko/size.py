"""How many bits a container takes, part by part, counted without packing it; and the cheapest way to code a tensor."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from golden.gecko.bias import cheapest_bias
from golden.gecko.container import chunks, lane_major
from golden.gecko.descriptor import LANES, Descriptor, GeckoError, Mode, Source
from golden.gecko.rows import code_rows
from golden.gecko.values import codes_of

__all__ = ["Size", "candidates", "choose", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bits of one container by part. `padding` is what missing lanes and the last beat are filled up with."""

    values: int
    sign: int
    mantissa: int
    exponent: int
    mask: int
    metadata: int
    padding: int
    descriptor: int = 256

    @property
    def coded(self) -> int:
        """Bits of the two streams, data beats and metadata: what modes are compared by."""
        return self.sign + self.mantissa + self.exponent + self.mask + self.padding + self.metadata

    @property
    def total(self) -> int:
        """Bits of the whole container, the descriptor included."""
        return self.coded + self.descriptor

    @property
    def exponent_cost(self) -> int:
        """All that the exponents cost: codes, zero masks and width metadata."""
        return self.exponent + self.mask + self.metadata

    def exponent_ratio(self, exponent_bits: int) -> float:
        """The cost of the exponents over their uncompressed field of ne bits; 1.0 for an empty tensor."""
        return self.exponent_cost / (self.values * exponent_bits) if self.values else 1.0

    def as_dict(self) -> dict[str, int]:
        """The parts and the total, for reports."""
        return asdict(self) | {"total": self.total}


def measure(bits: np.ndarray, d: Descriptor) -> Size:
    """Size of `encode(bits, d)`, exact to the bit, where that does not refuse; takes less than half its time.

    Of the encoder's refusals only that of exponents outside the window is made here: mantissas and signs are not read.
    """
    if bits.shape != (d.length,):
        raise GeckoError(f"bits of shape {bits.shape}: ({d.length},) by the descriptor")
    exponent = mask = lane_bits = 0
    for part in chunks(bits):
        rows = code_rows(lane_major(codes_of(part, d)), d, part.size)
        widths = rows.code_bits.reshape(-1)
        last = -(-part.size // LANES) - 1
        lane_code, lane_mask = int(widths.sum(dtype=np.int64)), int(rows.mask_bits.sum(dtype=np.int64))
        exponent += LANES * lane_code - int(widths[last]) * (LANES * (last + 1) - part.size)
        mask += LANES * lane_mask
        lane_bits += lane_code + lane_mask
    lane_bits += d.rows * d.tail_bits
    beats = -(-lane_bits // d.source.bits)
    sign, mantissa = 0 if d.sign_elided else d.length, d.length * d.mantissa_bits
    return Size(
        values=d.length,
        sign=sign,
        mantissa=mantissa,
        exponent=exponent,
        mask=mask,
        metadata=8 * d.metadata_bytes,
        padding=8 * beats * d.beat_bytes - sign - mantissa - exponent - mask,
    )


def candidates(
    bits: np.ndarray,
    source: Source,
    *,
    mode: Mode | None = None,
    bias: int | None = None,
    zero_mask: bool | None = False,
    exponent_bits: int = 8,
    offset: int = 0,
    mantissa_bits: int | None = None,
    sign_elided: bool | None = False,
) -> list[Descriptor]:
    """The descriptors that the given facts leave open, in the order that settles ties: raw, fixed, delta, masked last.

    Open are the mode (None: all), the bias (None: each mode's cheapest; 127, which gecko.md 2 presets at 8 exponent
    bits, has to be asked for), the zero mask (None: both) and sign elision (None: where no sign bit is set).
    `mantissa_bits` None keeps all. With `mode` open, raw (which has no mask) is always a candidate, and the only one at
    1 exponent bit.
    """
    if sign_elided is None:
        sign_elided = not (bits >> (source.bits - 1)).any()
    start = Descriptor(
        source=source,
        length=bits.size,
        exponent_bits=exponent_bits,
        mantissa_bits=source.mantissa_bits if mantissa_bits is None else mantissa_bits,
        offset=offset,
        sign_elided=sign_elided,
    )
    masks = (False, True) if zero_mask is None else (zero_mask,)
    if mode is None:
        coded = (Mode.FIXED, Mode.DELTA) if exponent_bits > 1 else ()
        ways = [(Mode.RAW, False), *((m, masked) for masked in masks for m in coded)]
    else:
        ways = [(mode, masked) for masked in (masks[:1] if mode is Mode.RAW else masks)]
    found = []
    for m, masked in ways:
        d = replace(start, mode=m, zero_mask=masked, bias=bias or 0)
        if bias is None and (m is Mode.FIXED or masked):
            d = replace(d, bias=cheapest_bias(bits, d))
        found.append(d)
    return found


def choose(bits: np.ndarray, source: Source, **facts: Any) -> Descriptor:
    """The cheapest of `candidates` (same arguments) by beats and metadata; never above raw unless raw is excluded."""
    return min(candidates(bits, source, **facts), key=lambda d: measure(bits, d).coded)
