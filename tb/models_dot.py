"""What a dot product answers to every transfer: the sum of a block or of a group of blocks, and its accumulation.

`sum_facts` derives what the sums can be from the formats alone: test points know from it what is within reach.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.block_array import BlockArray
from golden.catalog import get_format
from golden.f25 import align
from golden.formats import ElementEncoding
from golden.products import block_dot, block_specials, block_sums, fused_add, tensor_scaled
from golden.rounding import canonical_nan, to_fp32
from golden.sums import sum_bound
from tb.batches import (
    Batch,
    Config,
    as_blocks,
    chunked,
    group_blocks,
    length,
    prefixes,
    rows,
    stitch,
    tensor_scales,
    to_code,
)

__all__ = ["SumFacts", "accumulated", "dot_model", "fixed_widths", "operands", "sum_facts", "totals", "transfer_sums"]

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class SumFacts:
    """Exact sums of one pair of blocks: integers least..most, in units 2^lowest .. 2^highest."""

    least: int
    most: int
    lowest: int
    highest: int


def sum_facts(config: Config) -> SumFacts:
    """The range of a block's sum for any stored codes; two's complement reaches one further below zero."""
    a, b = get_format(config["format"]), get_format(config["format_b"])
    (low_a, high_a), (low_b, high_b) = (
        (f.element.largest_code_integer << f.max_microexponent, f.element.max_integer << f.max_microexponent)
        for f in (a, b)
    )
    unit = a.unit_exponent + b.unit_exponent
    first, second = a.scale.unit_exponents, b.scale.unit_exponents
    least, most = a.block * max(low_a * high_b, high_a * low_b), a.block * max(low_a * low_b, high_a * high_b)
    factor = a.scale.max_significand * b.scale.max_significand
    if factor > 1:  # a minifloat scale, which has a sign
        least = most = max(least, most) * factor
    return SumFacts(least=-least, most=most, lowest=first[0] + second[0] + unit, highest=first[-1] + second[-1] + unit)


def operands(config: Config, batch: Batch) -> tuple[BlockArray, BlockArray]:
    """Both operands of a dot product, (n, blocks of a transfer)."""
    return (
        as_blocks(get_format(config["format"]), batch, *prefixes(config, "a")),
        as_blocks(get_format(config["format_b"]), batch, *prefixes(config, "b")),
    )


def transfer_sums(config: Config, a: BlockArray, b: BlockArray) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Per transfer: integer sum, exponent of its LSB, and NaN, an infinity or, where the sum is finite, +0."""
    bare, exponents, _ = block_sums(a, b)
    special = block_specials(a, b)
    if config.get("mode") != "f25":
        return bare[:, 0], exponents[:, 0], special[:, 0]
    sums: NDArray[np.int64] = bare.astype(np.int64)  # narrow already: this mode's formats have short sums
    addends, units = align(sums, exponents, sum_bound(a.format, b.format).bit_length() + 1)
    # The formats of this mode have no infinities: any special is NaN.
    return addends.sum(axis=1), units, special.max(axis=1)


def _sums(config: Config, inputs: Batch) -> Columns:
    parts = []
    for chunk in chunked(inputs, get_format(config["format"]).block * group_blocks(config)):
        columns = transfer_sums(config, *operands(config, chunk))
        parts.append(dict(zip(("sum", "exponent", "special"), columns, strict=True)))
    return stitch(parts)


def _values(config: Config, inputs: Batch) -> NDArray[np.float32]:
    """FP32 result of every transfer by itself."""
    if config.get("mode") == "f25":
        group = _sums(config, inputs)
        return np.where(group["special"] != 0, group["special"], to_fp32(group["sum"], group["exponent"]))
    chunks = chunked(inputs, get_format(config["format"]).block)
    return np.concatenate([block_dot(*operands(config, chunk))[:, 0] for chunk in chunks])


def accumulated(config: Config, inputs: Batch) -> NDArray[np.float32]:
    """Accumulator after every transfer: FP32 (RNE after each block), in the contexts' own order.

    A context's transfers are cut into runs that begin at +0 (`first`, or the reset); step k of all runs is one
    vectorised addition.
    """
    fused, contexts = config["accumulate"] == "fused", config["contexts"]
    results = _sums(config, inputs) if fused else {"value": _values(config, inputs)}
    n = np.arange(length(inputs))
    order = np.lexsort((n, n % contexts))  # context by context, each in its own order
    begins = (inputs["first"][order] == 1) | (n[order] < contexts)
    run = np.cumsum(begins) - 1
    step = np.arange(len(n)) - np.flatnonzero(begins)[run]
    sums = np.zeros(run[-1] + 1, np.float32)
    after = np.empty(len(n), np.float32)
    by_step = np.argsort(step, kind="stable")
    for group in np.split(by_step, np.cumsum(np.bincount(step))[:-1]):
        term = rows(results, order[group])
        sums[run[group]] = after[order[group]] = _add(sums[run[group]], term)
    return after


def totals(config: Config, inputs: Batch) -> NDArray[np.float32]:
    """What the transfers with `last` show: the accumulator, times the tensors' scales where there are such."""
    shown = inputs["last"] == 1
    scales = [inputs[name][shown].astype(np.uint32).view(np.float32) for name in tensor_scales(config)]
    return tensor_scaled(accumulated(config, inputs)[shown], *scales)


def _add(accumulator: NDArray[np.float32], term: Batch) -> NDArray[np.float32]:
    if "sum" in term:
        return fused_add(accumulator, term["sum"], term["exponent"], term["special"])
    with np.errstate(over="ignore", invalid="ignore"):
        return canonical_nan(accumulator + term["value"])


def dot_model(config: Config, inputs: Batch) -> Columns:
    """Output transfers of the unit `dot`."""
    if config["accumulate"] != "none":
        return {"value": to_code(totals(config, inputs))}
    if config["result"] == "fp32":
        return {"value": to_code(_values(config, inputs))}
    bare = _sums(config, inputs)
    poison = bare["special"] != 0
    sum_bits, exponent_bits = fixed_widths(config)
    return {
        "sum": _twos_complement(np.where(poison, 0, bare["sum"]), sum_bits),
        "exponent": _twos_complement(np.where(poison, 0, bare["exponent"]), exponent_bits),
        "poison": poison.astype(np.uint8),
    }


def fixed_widths(config: Config) -> tuple[int, int]:
    """Bits of the fixed-point result's sum (formats.md 1.6, 2.5, 3.3) and of the exponent of its LSB.

    The sum has ma + mb + ceil(log2 N) + 1 bits for plain sign-magnitude mantissas, else those of its largest magnitude
    and a sign. The exponent has those of its range, 0 (of a poisoned block) included.
    """
    a, b, facts = get_format(config["format"]), get_format(config["format_b"]), sum_facts(config)
    plain = all(f.element.encoding is ElementEncoding.SIGN_MAGNITUDE and not f.microexponents for f in (a, b))
    sum_bits = max(facts.most, -facts.least).bit_length() + 1
    if plain:
        sum_bits = a.element.mantissa_bits + b.element.mantissa_bits + (a.block - 1).bit_length() + 1
    low, high = min(facts.lowest, 0), max(facts.highest, 0)
    return sum_bits, max((~low).bit_length(), high.bit_length()) + 1


def _twos_complement(values: NDArray[Any], width: int) -> NDArray[Any]:
    if not -(1 << width - 1) <= values.min() <= values.max() < 1 << width - 1:
        raise OverflowError(f"{values.min()}..{values.max()} leaves {width} bits: the documented width is too small")
    if width > 64:
        return values.astype(object) & ((1 << width) - 1)
    return values.astype(np.uint64) & np.uint64((1 << width) - 1)
