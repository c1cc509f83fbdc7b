"""Products once more, naively: blocks as Python integers, one output at a time, straight from formats.md 1.4.

Tensors are converted as a whole along one axis by `golden.reference`; every output then collects the blocks that it
reduces and takes `reference.dot` of them. Nothing here is shared with `golden.nn`.
"""

from dataclasses import dataclass, replace
from itertools import product
from math import isqrt

import numpy as np
from hypothesis import strategies as st

from golden import reference
from golden.catalog import get_format
from golden.formats import BlockFormat, Rounding, ScaleRule
from golden.nn.backend import NumpyBackend
from golden.nn.precision import Operand
from golden.nn.precision import Product as Pair
from golden.words import counter_words

BACKENDS = (NumpyBackend(), NumpyBackend(compiled=False))

# Formats with small blocks, so that few elements make several of them; equal blocks stand together.
FAMILIES = (
    *(tuple(f"bfp{m}x{n}" for m in (2, 4, 8, 12, 16)) for n in (1, 2, 3, 5)),
    *(
        tuple(f"{n}x{b}" for n in ("mxfp8_e5m2", "mxfp8_e4m3", "mxfp6_e3m2", "mxfp4", "mxint8", "bm_e5m2"))
        for b in (2, 4)
    ),
    ("mx_m7_k4_2_d8_1", "mx_m4_k4_2_d8_1", "mx_m15_k4_2_d8_3", "msfp12x4", "bfp6x4e5"),
)


def patterns(values):
    return np.ravel(np.asarray(values, np.float32)).view(np.uint32).tolist()


def tensor(shape, seed, kind):
    """float32 of a kind that some engine or scale finds hard."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if kind == "wide":
        x = x * 2.0 ** rng.integers(-30, 30, shape)
    elif kind == "huge":
        x = x * 2.0 ** rng.integers(100, 127, shape)
    elif kind == "tiny":
        x = x * 2.0 ** rng.integers(-149, -120, shape)
    elif kind == "ties":
        x = rng.integers(-16, 17, shape) / 8
    elif kind == "sparse":
        x = np.where(rng.random(shape) < 0.7, 0, x)
    x = np.clip(x, -3.4e38, 3.4e38).astype(np.float32)
    if kind == "specials":
        x[rng.random(shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
    return x


KINDS = st.sampled_from(["gauss", "wide", "huge", "tiny", "ties", "sparse", "specials"])


@st.composite
def pairs(draw, families=FAMILIES):
    """Two operands with blocks of one size."""
    names = draw(st.sampled_from(families))
    made = []
    for _ in range(2):
        fmt = get_format(draw(st.sampled_from(names)))
        rounding, rule = draw(st.sampled_from(list(Rounding))), draw(st.sampled_from(list(ScaleRule)))
        made.append(Operand(fmt, rounding, rule, draw(st.sampled_from([1, 8, 16, 32]))))
    return Pair(*made)


@dataclass(frozen=True)
class Blocks:
    """A tensor in reference blocks: by the indices of all other axes, the list of blocks along the axis."""

    by_index: dict
    zeros: list  # what padding is made of

    def __getitem__(self, index):
        return self.by_index.get(index, self.zeros)

    def element(self, index, i):
        """Only element i of a list of blocks; all others are zeros."""
        found, fmt = self[index], self.zeros[0].format
        block = found[i // fmt.block]
        if reference.is_poison(block):
            return [block]
        return [block._replace(codes=[code if k == i % fmt.block else 0 for k, code in enumerate(block.codes)])]


def converted(x, axis, operand, tensor_name="", step=0, seed=0):
    """Reference blocks of a whole tensor along an axis; SR words by slot."""
    fmt = operand.format
    rows = np.moveaxis(x, axis, -1)
    count = -(-rows.shape[-1] // fmt.block)
    padded = np.zeros((*rows.shape[:-1], count * fmt.block), np.float32)
    padded[..., : rows.shape[-1]] = rows
    bits = padded.view(np.uint32).reshape(-1, fmt.block)
    words = counter_words(tensor_name, step, bits.size, seed) >> np.uint32(32 - operand.random_bits)
    words = words.reshape(bits.shape)
    options = {"rounding": operand.rounding, "scale_rule": operand.scale_rule, "word_bits": operand.random_bits}
    every = patterns(x)
    blocks = [
        reference.quantize(row, fmt, words=drawn, tensor=every, **options)
        for row, drawn in zip(bits.tolist(), words.tolist(), strict=True)
    ]
    indices = product(*map(range, rows.shape[:-1]))
    by_index = {index: blocks[i * count : (i + 1) * count] for i, index in enumerate(indices)}
    zero = reference.quantize([0] * fmt.block, fmt, tensor=every)
    return Blocks(by_index, [zero] * count)


def output(shape, dot):
    """Patterns of every output (index -> pattern), as an array."""
    made = [dot(*index) for index in product(*map(range, shape))]
    return np.array(made, np.uint32).reshape(shape)


def tiles(matrix, operand, run_axis):
    """(rows, columns) in square tiles -> index of the other axis -> runs along `run_axis`, as blocks of that length."""
    fmt: BlockFormat = operand.format
    size = isqrt(fmt.block)
    short = replace(fmt, block=size)
    rows, columns = (-(-n // size) for n in matrix.shape)
    padded = np.zeros((rows * size, columns * size), np.float32)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    made = {}
    for i, j in product(range(rows), range(columns)):
        tile = padded[i * size : (i + 1) * size, j * size : (j + 1) * size]
        block = reference.quantize(patterns(tile), fmt, rounding=operand.rounding, scale_rule=operand.scale_rule)
        codes = np.array(block.codes).reshape(size, size)
        for k in range(size):
            run = codes[k] if run_axis == 1 else codes[:, k]
            other, place = (i * size + k, j) if run_axis == 1 else (j * size + k, i)
            made.setdefault(other, {})[place] = reference.Block(short, block.scale, run.tolist())
    return {other: [runs[k] for k in sorted(runs)] for other, runs in made.items()}
