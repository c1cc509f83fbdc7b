"""Models of units against the scalar reference, transfer by transfer, and what they say about transfers."""

import ml_dtypes
import numpy as np
import pytest

from golden import reference
from golden.catalog import get_format
from golden.formats import Rounding
from hdl.registry import make_config
from tb.batches import length
from tb.manifest import Manifest
from tb.models import completing, expected, transfers
from tb.regression import emitted
from tb.stimulus import random_batch

SOURCES = {"fp32": np.float32, "bf16": ml_dtypes.bfloat16, "fp16": np.float16}
DOTS = [
    {"format": "bfp4x3"},
    {"format": "bfp2x1", "result": "fixed"},
    {"format": "bfp6x5", "format_b": "bfp3x5e7", "result": "fixed"},
    {"format": "bfp4x3", "accumulate": "fp32"},
    {"format": "bfp4x2e9", "accumulate": "fused"},
    {"format": "bfp3x2", "accumulate": "fp32", "contexts": 3},
    {"format": "bfp5x2", "accumulate": "fused", "contexts": 2},
]
CONVERTERS = [
    {"format": "bfp4x6"},
    {"format": "bfp4x6e5", "source": "fp16", "rounding": "rna", "lanes": 2},
    {"format": "bfp5x4", "source": "bf16", "rounding": "rtz", "scale_rule": "ceil"},
    {"format": "bfp3x6", "rounding": "sr", "random_bits": 5, "scale_rule": "even", "lanes": 3},
    {"format": "bfp3x6", "rounding": "sr", "random": "xorshift", "lanes": 2, "seed": 7},
    {"format": "bfp4x4", "source": "bf16", "subnormals": "flush", "scale_rule": "even"},
]
TILES = [
    {"format": "bfp4x3", "to": "bfp4x2"},
    {"format": "bfp4x3", "to": "bfp6x3", "accumulate": "fused", "contexts": 2, "activation": "none"},
    {"format": "bfp4x2", "to": "bfp3x4", "rounding": "sr", "random_bits": 6},
]


def drawn(unit, options, count):
    config = make_config(unit=unit, **options).to_dict()
    inputs = random_batch(config, count, np.random.default_rng(3))
    return config, inputs, expected(config, inputs)


def scalar_xorshift(seed, lanes):
    """formats.md 0.2: the generator inside a converter, one word a call."""
    mask, states = 0xFFFFFFFF, []

    def step(s):
        s ^= s << 13 & mask
        s ^= s >> 17
        return s ^ (s << 5 & mask)

    for lane in range(lanes):
        state = seed ^ (lane * 0x85EBCA6B & mask) or 0x6D2B79F5
        for _ in range(3):
            state = step(state)
        states.append(state)
    while True:
        for lane in range(lanes):
            states[lane] = step(states[lane])
            yield states[lane]


def scalar_blocks(config, inputs, k):
    """Both operands of a transfer."""
    for name, fmt in (("a", config["format"]), ("b", config["format_b"])):
        codes = [int(c) for c in inputs[f"{name}.mantissa"][k]]
        yield reference.Block(get_format(fmt), int(inputs[f"{name}.exponent"][k]), codes)


def scalar_sums(config, inputs):
    """The accumulator at each `last`, in order, one transfer at a time."""
    sums = [0] * config["contexts"]
    for k in range(length(inputs)):
        context = k % config["contexts"]
        if inputs["first"][k]:
            sums[context] = 0
        pair = list(scalar_blocks(config, inputs, k))
        if config["accumulate"] == "fused":
            sums[context] = reference.fused_add(sums[context], reference.block_sum(*pair))
        else:
            sums[context] = reference.fp32_add(sums[context], reference.block_dot(*pair))
        if inputs["last"][k]:
            yield sums[context]


@pytest.mark.parametrize("options", DOTS, ids=lambda o: "-".join(map(str, o.values())))
def test_dot_is_the_scalar_reference(options):
    config, inputs, outputs = drawn("dot", options, 300)
    if config["accumulate"] != "none":
        assert outputs["value"].tolist() == list(scalar_sums(config, inputs))
        return
    pairs = [list(scalar_blocks(config, inputs, k)) for k in range(length(inputs))]
    if config["result"] == "fp32":
        assert outputs["value"].tolist() == [reference.block_dot(*pair) for pair in pairs]
        return
    _, manifest = emitted(make_config(**config))
    widths = {name: group.width for name, group in Manifest.from_dict(manifest).outputs[0].payload.groups.items()}
    for field in ("sum", "exponent", "poison"):
        wanted = [getattr(reference.block_sum(*pair), field) % (1 << widths[field]) for pair in pairs]
        assert outputs[field].tolist() == wanted


def scalar_converted(patterns, fmt, config, words):
    """Codes and scales of consecutive blocks."""
    for start in range(0, len(patterns), fmt.block):
        values = patterns[start : start + fmt.block]
        chosen = [next(words) for _ in values] if config["rounding"] == "sr" else None
        rounding = Rounding(config["rounding"])
        rule, bits, flush = config["scale_rule"], config["random_bits"], config.get("subnormals") == "flush"
        yield reference.quantize(values, fmt, rounding, rule, chosen, bits, flush_subnormals=flush)


def scalar_words(config, inputs, lanes):
    if config.get("random") == "port":
        return iter([int(word) for word in inputs.get("random", np.zeros(0)).ravel()])
    return (word >> 32 - config["random_bits"] for word in scalar_xorshift(config["seed"], lanes))


@pytest.mark.parametrize("options", CONVERTERS, ids=lambda o: "-".join(map(str, o.values())))
def test_quantize_is_the_scalar_reference(options):
    config, inputs, outputs = drawn("quantize", options, 240)
    fmt = get_format(config["format"])
    codes, source = inputs["value"].ravel(), SOURCES[config["source"]]
    values = codes.astype(f"u{np.dtype(source).itemsize}").view(source).astype(np.float32)
    patterns = values.view(np.uint32).tolist()
    blocks = list(scalar_converted(patterns, fmt, config, scalar_words(config, inputs, config["lanes"])))
    assert outputs["mantissa"].tolist() == [block.codes for block in blocks]
    assert outputs["exponent"].tolist() == [block.scale for block in blocks]


@pytest.mark.parametrize("options", [{"format": "bfp4x6"}, {"format": "bfp12x6e9", "lanes": 2}], ids=str)
def test_dequantize_is_the_scalar_reference(options):
    config, inputs, outputs = drawn("dequantize", options, 200)
    fmt = get_format(config["format"])
    pairs = zip(inputs["exponent"].tolist(), inputs["mantissa"].tolist(), strict=True)
    wanted = [reference.dequantize(reference.Block(fmt, scale, codes)) for scale, codes in pairs]
    assert outputs["value"].reshape(-1, fmt.block).tolist() == wanted
    assert outputs["value"].shape[1] == config["lanes"]


@pytest.mark.parametrize("options", TILES, ids=lambda o: "-".join(map(str, o.values())))
def test_tile_is_the_scalar_reference(options):
    config, inputs, outputs = drawn("tile", options, 300)
    fmt, sums = get_format(config["to"]), list(scalar_sums(config, inputs))
    if config["activation"] == "relu":
        sums = [reference.relu(value) for value in sums]
    whole = sums[: len(sums) // fmt.block * fmt.block]
    blocks = list(scalar_converted(whole, fmt, config, scalar_words(config, inputs, 1)))
    assert len(blocks) > 10
    assert outputs["mantissa"].tolist() == [block.codes for block in blocks]
    assert outputs["exponent"].tolist() == [block.scale for block in blocks]


@pytest.mark.parametrize(
    ("unit", "options"),
    [*(("dot", o) for o in DOTS), *(("quantize", o) for o in CONVERTERS), *(("tile", o) for o in TILES)],
    ids=str,
)
def test_each_output_has_an_input_that_completes_it(unit, options):
    """Without what comes after that input the output is the same; without the input itself it is not there."""
    config, inputs, outputs = drawn(unit, options, 60)
    completes = completing(config, inputs)
    assert len(completes) == length(outputs) > 3
    at = len(completes) // 2
    step = transfers(config)[0]
    until = {name: values[: completes[at] + 1] for name, values in inputs.items()}
    before = {name: values[: completes[at] + 1 - step] for name, values in inputs.items()}
    sooner, shorter = expected(config, until), expected(config, before)
    assert length(sooner) == at + 1 > length(shorter)
    for name, values in sooner.items():
        assert (values == outputs[name][: at + 1]).all()
