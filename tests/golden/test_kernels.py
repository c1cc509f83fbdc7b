"""The compiled conversion against the NumPy definition and the plain-integer one: the same bits, whatever comes in."""

import sys
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from conftest import require
from formats_support import BLOCK_FORMATS, BLOCKS
from golden_support import CORNERS, NAN, ROUNDINGS, SCALE_RULES, blocks, floats, patterns
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from golden import Draws, fake_quantize, kernels, reference
from golden.catalog import get_format
from golden.kernels.plan import covers
from golden.words import counter_words

NAMES = [*(name for name in BLOCK_FORMATS if name != "nvfp4"), "bfp4x16", "bfp8x64", "bfp16x36", "bfp6x16e5"]
NAMES += ["mx_m5_k12_3_d6_2", "mx_m15_k8_8_d10_3", "mx_m3_k6_1_d2_2", "bm_e5m0x9", "bm_e1m6x5", "bm_e1m0x6", "bfp2x8"]


@pytest.fixture(scope="module", autouse=True)
def numba_is_there():
    require("numba", kernels.available(), "pip install numba, or make test")


def both(x, fmt, **options):
    """What the kernel makes, after it was found to be what the definition makes."""
    x = np.asarray(x)
    made, wanted = (fake_quantize(x, fmt, compiled=compiled, **options) for compiled in (True, False))
    assert made.dtype == np.float32
    assert made.shape == wanted.shape == x.shape
    differ = np.flatnonzero(made.view(np.uint32).ravel() != wanted.view(np.uint32).ravel())
    assert differ.size == 0, f"{x.ravel()[differ[:4]]}: {made.ravel()[differ[:4]]}, not {wanted.ravel()[differ[:4]]}"
    return made


def tensor(rng, shape, kind):
    """FP32 with a purpose: ordinary, sparse, with ties, at one end of the range, with corners, or any bits at all."""
    with np.errstate(all="ignore"):
        x = (rng.standard_normal(shape) * 2.0 ** rng.integers(-9, 3, shape)).astype(np.float32)
        if kind == "sparse":
            return x * (rng.random(shape) < 0.1)
        if kind == "ties":
            return (rng.integers(-64, 65, shape) * 2.0 ** rng.integers(-4, 4, shape) / 64).astype(np.float32)
        if kind == "ends":
            return x * np.float32(2.0) ** rng.choice([-140, -125, -116, -104, -90, 90, 102, 110, 124])
        if kind == "corners":
            corner = floats(rng.choice(CORNERS, shape)) * rng.choice(np.float32([-1, 1]), shape)
            return np.where(rng.random(shape) < 0.05, corner, x)
        return x if kind == "ordinary" else rng.integers(0, 1 << 32, shape, np.uint32).view(np.float32)


KINDS = ["ordinary", "sparse", "ties", "ends", "corners", "bits"]


@st.composite
def conversions(draw):
    """A tensor of one to four axes and the ways to convert it: ragged tails, short rows and few columns among them."""
    rounding, rng = draw(ROUNDINGS), np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = tuple(rng.integers(1, 14, draw(st.integers(1, 4))).tolist())  # hypothesis would rather have small ones
    options = {"axis": draw(st.integers(-len(shape), len(shape) - 1)), "rounding": rounding}
    if rounding == "sr":
        bits = draw(st.integers(1, 32))
        drawn = rng.integers(0, 1 << bits, shape, np.uint32), bits
        options |= draw(
            st.sampled_from(
                [
                    {"random": Draws("a/x", draw(st.integers(0, 9)), draw(st.integers(0, 9)), bits)},
                    dict(zip(("random", "random_bits"), drawn, strict=True)),
                ]
            )
        )
    return tensor(rng, shape, draw(st.sampled_from(KINDS))), options | {"scale_rule": draw(SCALE_RULES)}


@settings(max_examples=600)
@given(BLOCKS.filter(lambda fmt: not fmt.tensor_scale), conversions())
def test_equals_numpy(fmt, conversion):
    x, options = conversion
    both(x, fmt, **options)


@given(st.data(), BLOCKS.filter(lambda fmt: not fmt.tensor_scale), ROUNDINGS, SCALE_RULES)
def test_equals_scalar(data, fmt, rounding, scale_rule):
    """Without the NumPy definition in between: rows and columns of blocks in plain integers."""
    rows = [data.draw(blocks(fmt.block)) for _ in range(data.draw(st.integers(1, 3)))]
    bits, words = 0, np.zeros((len(rows), fmt.block), np.uint32)
    random = {}
    if rounding == "sr":
        bits = data.draw(st.sampled_from([1, 8, 16, 24, 32]))
        words = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 1 << bits, words.shape, np.uint32)
        random = {"random_bits": bits}
    expected = [
        reference.dequantize(reference.quantize(row, fmt, rounding, scale_rule, word, bits))
        for row, word in zip(rows, words.tolist(), strict=True)
    ]
    x, options = floats(rows), {"rounding": rounding, "scale_rule": scale_rule, "compiled": True, **random}
    along, across = ({"random": w} if random else {} for w in (words, words.T))
    assert fake_quantize(x, fmt, **options, **along).view(np.uint32).tolist() == expected
    assert fake_quantize(x.T, fmt, axis=0, **options, **across).view(np.uint32).T.tolist() == expected


def maxima(fmt, rule):
    """Blocks whose largest magnitudes walk through every exponent and threshold of the rule, small ones beside them."""
    largest = fmt.element.max_integer
    fractions = {0, 1, 0x400000, 0x7FFFFF, (largest << 24 >> largest.bit_length()) - (1 << 23)}
    fractions.add((1 << 23) - (1 << 23 - fmt.element.precision))
    tops = [e << 23 | f + d & 0x7FFFFF for e in range(255) for f in sorted(fractions) for d in (-1, 0, 1)]
    rng = np.random.default_rng(fmt.bits)
    top = np.array(tops, np.uint32)[:, np.newaxis]
    down = rng.integers(0, 1 << 25, (len(tops), fmt.block), np.uint32) & ~np.uint32(0xFFFF)  # ties among them
    x = np.where(top > down, top - np.minimum(down, top), rng.integers(0, 1 << 23, down.shape, np.uint32))
    x[:, 0] = top[:, 0]
    return (rng.permuted(x, axis=1) | rng.integers(0, 2, x.shape, np.uint32) << 31).view(np.float32)


@pytest.mark.parametrize("rule", ["floor", "ceil", "even"])
@pytest.mark.parametrize("name", NAMES)
def test_every_exponent_and_threshold(name, rule):
    fmt = get_format(name)
    x = maxima(fmt, rule)
    # One block after the other, and in columns: blocks that take the long way then turn whole neighbourhoods.
    for rounding in ("rne", "rna", "rtz", "sr"):
        random = {"random": Draws("t")} if rounding == "sr" else {}
        made = both(x, fmt, rounding=rounding, scale_rule=rule, **random)
        if rounding != "sr":
            columns = fake_quantize(x.T, fmt, axis=0, rounding=rounding, scale_rule=rule, compiled=True)
            assert np.array_equal(columns.T.view(np.uint32), made.view(np.uint32))
            one = np.concatenate([fake_quantize(row, fmt, rounding=rounding, scale_rule=rule) for row in x[::37]])
            assert patterns(one) == patterns(made[::37])


@pytest.mark.parametrize("name", ["bfp4x64", "bfp8x16", "mx9", "mx_m7_k16_4_d8_1", "mxfp8_e4m3", "mxfp4", "mxint8"])
def test_large_tensors(name):
    """Beyond every chunk: whole rows, ragged ones, rows of less than a block; columns by the thousand and by few."""
    rng = np.random.default_rng(3)
    shapes = [((64, 192), -1), ((9, 1111), -1), ((2000, 7), -1), ((5000,), 0), ((100, 2500), 0), ((4, 70, 5), 1)]
    shapes += [((2, 6, 5, 48), -1), ((3, 40, 4, 16), 0), ((2, 20, 3, 1), 1)]  # NHWC along C and N; a last axis of one
    for shape, axis in shapes:
        x = tensor(rng, shape, "ordinary")
        both(x, name, axis=axis)
        both(x, name, axis=axis, rounding="sr", random=Draws("w", 5))
        x.flat[:: x.size // 3] = np.nan
        both(x, name, axis=axis, rounding="rna")


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, None), (np.uint16, None), (np.uint32, None), (np.uint32, 20)])
def test_given_words(dtype, bits):
    """Words that are all zeros and all ones among them: truncation, and up wherever anything is left."""
    rng = np.random.default_rng(4)
    x = tensor(rng, (20, 48), "ordinary")
    top = (1 << (bits or np.dtype(dtype).itemsize * 8)) - 1
    for words in (rng.integers(0, top, x.shape, dtype), np.zeros(x.shape, dtype), np.full(x.shape, top, dtype)):
        for axis, name in product((0, 1), ("bfp8x16", "mx9", "mxfp8_e5m2")):
            both(x, name, axis=axis, rounding="sr", random=words, random_bits=bits)
    truncated = both(x, "bfp4x16", rounding="rtz")
    assert np.array_equal(both(x, "bfp4x16", rounding="sr", random=np.zeros(x.shape, dtype)), truncated)


def test_draws_are_the_words_of_the_slots():
    """formats.md 0.2: block order, element order, pads included, whatever the axis."""
    draws, fmt = Draws("conv1/x", 1, 0, 32), get_format("bfp4x4")
    words = counter_words("conv1/x", 1, 3 * 2 * 8).reshape(3, 2, 8)  # tensors (3, 2, 6), blocks of 4: rows of 8 slots
    assert draws.words((3, 2, 6), fmt).tolist() == words[..., :6].tolist()
    assert draws.words((3, 6, 2), fmt, 1).tolist() == words[..., :6].transpose(0, 2, 1).tolist()
    x = np.random.default_rng(5).standard_normal((3, 2, 6)).astype(np.float32)
    for axis in (0, 1, 2):
        made = fake_quantize(x, fmt, axis=axis, rounding="sr", random=draws, compiled=True)
        given = fake_quantize(x, fmt, axis=axis, rounding="sr", random=draws.words(x.shape, fmt, axis), compiled=True)
        assert np.array_equal(made, given)
    first = f"{words.ravel()[0]:08X}"
    assert first == "36028BAF"  # the specification's


@pytest.mark.parametrize("compiled", [True, False])
def test_draws_of_a_part(compiled):
    """A tensor converted part by part takes the words that it takes as a whole, ragged rows and all axes included."""
    x = np.random.default_rng(6).standard_normal((6, 7, 5)).astype(np.float32)
    options = {"fmt": "bfp4x4", "rounding": "sr", "compiled": compiled}
    for axis, slots in ((2, 7 * 8), (1, 5 * 8)):  # of one x[i]
        whole = fake_quantize(x, axis=axis, random=Draws("a", 3, 1, 20), **options)
        draws = Draws("a", 3, 1, 20, first=2 * slots)
        part = fake_quantize(x[2:], axis=axis, random=draws, **options)
        assert np.array_equal(part, whole[2:])
        assert not np.array_equal(part, fake_quantize(x[2:], axis=axis, random=Draws("a", 3, 1, 20), **options))
    far = Draws("a", first=(1 << 32) - 3)  # slots count modulo 2^32
    assert far.words((8,), "bfp4x4").tolist()[3:] == Draws("a").words((5,), "bfp4x4").tolist()
    x = x.reshape(-1)[:8]
    made = fake_quantize(x, random=far, **options)
    assert np.array_equal(made[4:], fake_quantize(x[4:], random=Draws("a", first=1), **options))


def test_bits_of_draws_are_checked():
    with pytest.raises(ValueError, match=r"bits 33: 1\.\.32"):
        Draws("x", bits=33)


# How it is called


def test_inputs():
    """Other dtypes, strided and read-only tensors, lists; and what is no tensor at all."""
    x = np.random.default_rng(6).standard_normal((12, 40)).astype(np.float32)
    for dtype in (np.float16, np.float64, ml_dtypes.bfloat16):
        both(x.astype(dtype), "mx9", axis=0)
    both(x.astype(np.float64) * 1e300, "mx9")  # past FLT_MAX: poison
    both(x[:, ::3], "mxfp4")
    both(np.asfortranarray(x), "mxfp4", axis=0)
    both([[1.0, 2.0, 3.0]], "bfp4x2")
    x.flags.writeable = False
    both(x, "mxfp4")
    for compiled in (True, False):
        with pytest.raises(TypeError, match="x has dtype int64"):
            fake_quantize([1, 2], "mx9", compiled=compiled)
        with pytest.raises(ValueError, match="at least one axis"):
            fake_quantize(np.float32(1), "mx9", compiled=compiled)
        with pytest.raises(ValueError, match="axis 2"):
            fake_quantize(x, "mx9", axis=2, compiled=compiled)
        with pytest.raises(ValueError, match="needs random"):
            fake_quantize(x, "mx9", rounding="sr", compiled=compiled)
        with pytest.raises(ValueError, match="'up' is not a valid Rounding"):
            fake_quantize(x, "mx9", rounding="up", compiled=compiled)
        with pytest.raises(ValueError, match="'most' is not a valid ScaleRule"):
            fake_quantize(x, "mx9", scale_rule="most")


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_out(axis, compiled):
    """A given array takes the result, the tensor itself included, poison or not."""
    x = np.random.default_rng(7).standard_normal((33, 21)).astype(np.float32)
    x[20, 20] = np.inf
    wanted = fake_quantize(x, "mx9", axis=axis)
    out = np.empty_like(x)
    assert fake_quantize(x, "mx9", axis=axis, out=out, compiled=compiled) is out
    assert patterns(out) == patterns(wanted)
    assert fake_quantize(x, "mx9", axis=axis, out=x, compiled=compiled) is x
    assert patterns(x) == patterns(wanted)
    for wrong in (np.empty(3, np.float32), np.empty((33, 21)), np.empty((21, 33), np.float32).T):
        with pytest.raises(ValueError, match=r"C-contiguous float32 \(33, 21\) wanted"):
            fake_quantize(x, "mx9", out=wrong, compiled=compiled)


def test_what_no_kernel_covers_takes_the_definition():
    x = np.random.default_rng(8).standard_normal((4, 32)).astype(np.float32)
    words = np.zeros(x.shape, np.uint64)
    for name, options in (
        ("nvfp4", {}),
        ("bfp4x16", {"scale_rule": "emulator"}),
        ("mx9", {"rounding": "sr", "random": words}),
    ):
        wanted = golden.quantize(x, name, **options).dequantize()
        assert np.array_equal(fake_quantize(x, name, **options), wanted)
        with pytest.raises(ValueError, match=f"compiled: no kernel for {name} by"):
            fake_quantize(x, name, compiled=True, **options)
    assert [covers(get_format(name), "floor") for name in ("nvfp4", "mxfp4")] == [False, True]


def test_without_numba(monkeypatch):
    """The definition steps in, and says so when the kernel is insisted on."""
    x = np.random.default_rng(9).standard_normal((4, 32)).astype(np.float32)
    made = fake_quantize(x, "mx9", compiled=True)
    monkeypatch.setitem(sys.modules, "numba", None)
    kernels.available.cache_clear()
    try:
        assert not kernels.available()
        assert np.array_equal(fake_quantize(x, "mx9"), made)
        with pytest.raises(ValueError, match="numba is missing: pip install numba"):
            fake_quantize(x, "mx9", compiled=True)
    finally:
        monkeypatch.undo()
        kernels.available.cache_clear()
    assert kernels.available()


def test_poison_is_the_one_nan():
    for special in (np.nan, -np.inf, floats([0xFFFFFFFF])[0]):
        made = fake_quantize(np.array([1, special, 2, 3], np.float32), "bfp4x2", compiled=True)
        assert patterns(made)[:2] == [NAN, NAN]
        assert np.isfinite(made[2:]).all()


def test_compiling_is_announced_once_and_cached_kernels_are_not():
    from numba import njit

    twice, told = njit(lambda value: value + value), []
    with kernels.before_compiling(lambda: told.append(True)):
        assert (twice(1), twice(1.5)) == (2, 3.0)  # two types: two compilations
    assert told == [True]
    with kernels.before_compiling(lambda: told.append(True)):
        assert (twice(2), twice(2.5)) == (4, 5.0)
    twice(1j)
    assert told == [True]
