"""Area against pipeline stages, and area times delay at equal numbers of stages.

Priced are the ways from operands to the FP32 (or BF16) sum of N products: of blocks a core and the conversion of its
sum, of scalar floats N multipliers and a tree of adders. The accumulator behind it is left out: its loop takes no
stages. Parts are synthesised once each; `synth.density.cut` places the registers.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from golden.catalog import get_format
from hdl.registry import make_config
from hdl.yosys import ToolMissing
from synth import cache
from synth.cells import TRANSISTORS_PER_FLIP_FLOP
from synth.density import cut
from synth.density.cut import Bit, Network, pipelined
from synth.density.netlists import Mapper
from synth.density.parts import SumToFloat

__all__ = ["PIPELINES", "STAGES", "Pipeline", "best", "measure_pipeline"]

Record = dict[str, Any]

STAGES = range(1, 9)
_ARCHITECTURES = ("area", "speed")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A sum of `products`: `source` is a block format of that block, or a scalar float."""

    name: str
    source: str
    products: int
    is_float: bool = False

    @property
    def label(self) -> str:
        """On the page and in the picture."""
        return f"{self.name} x {self.products}"


PIPELINES: Sequence[Pipeline] = (
    Pipeline("HBFP4", "bfp4x64", 64),
    Pipeline("HBFP6", "bfp6x64", 64),
    Pipeline("MXINT8", "mxint8", 32),
    Pipeline("MXFP8 E4M3", "mxfp8_e4m3", 32),
    *(Pipeline("BF16", "bf16", n, is_float=True) for n in (32, 64)),
    *(Pipeline("FP32", "fp32", n, is_float=True) for n in (32, 64)),
)


def measure_pipeline(pipeline: Pipeline, mapper: Mapper) -> Record:
    """Transistors, flip-flops and period in every number of stages, of both architectures of the multiplications.

    Raises TimeoutError where a synthesis takes too long, ToolMissing without SciPy.
    """
    if not find_spec("scipy"):
        raise ToolMissing("SciPy, which finds the least cuts, is missing: pip install scipy")
    variants = []
    for arch in _ARCHITECTURES:
        network, logic = (_tree if pipeline.is_float else _block)(pipeline, arch, mapper)
        mapper.tell(f"{pipeline.label}, {arch}: {len(network.gates)} gates in up to {STAGES[-1]} stages ...")
        for stages, (period, flip_flops) in zip(STAGES, _cuts(network), strict=True):
            area = logic + flip_flops * TRANSISTORS_PER_FLIP_FLOP
            found = {"arch": arch, "stages": stages, "period": period, "flip_flops": flip_flops}
            variants.append(found | {"logic": logic, "transistors": area})
    return {"name": pipeline.name, "products": pipeline.products, "variants": variants}


def _cuts(network: Network) -> list[list[int]]:
    """Period and flip-flops in each number of stages. From the cache if the network and what cuts it are the same."""
    gates = [(gate.inputs, gate.output, gate.delay) for gate in network.gates]
    content = repr((gates, network.outputs, sorted(network.copies.items()), list(STAGES)))
    source = Path(cut.__file__).read_text(encoding="utf-8")
    key = cache.key_of("cuts-1", hashlib.sha256(content.encode()).hexdigest(), source)
    known = cache.load(key)
    if known is None:
        found = [pipelined(network, stages) for stages in STAGES]
        known = {"cuts": [[way.period, way.flip_flops] for way in found]}
        cache.store(key, known)
    return known["cuts"]


def best(record: Mapping[str, Any], stages: int) -> Mapping[str, Any]:
    """The variant of so many stages with the least product of area and period."""
    variants = [variant for variant in record["variants"] if variant["stages"] == stages]
    return min(variants, key=lambda variant: variant["transistors"] * variant["period"])


def _block(pipeline: Pipeline, arch: str, mapper: Mapper) -> tuple[Network, int]:
    """A core and the conversion of its sum. Shared exponents and what elements are no numbers go past the core."""
    fmt, network = get_format(pipeline.source), Network()
    core = mapper.unit(make_config("dot_core", format=fmt.name, arch=arch))
    to_float = mapper.part(f"sum_to_float_{fmt.name}", partial(SumToFloat, fmt, fmt))
    blocks = {
        name: [network.new_net() for _ in bits] for name, bits in to_float.netlist.inputs.items() if name != "sum"
    }
    # the shared exponent is on top of a packed block, and all that a core does not read
    operands = {name: nets[: len(core.netlist.inputs[name])] for name, nets in blocks.items()}
    sums = network.add(core.netlist, operands)
    network.give(network.add(to_float.netlist, {**blocks, **sums})["value"])
    return network, core.transistors + to_float.transistors


def _tree(pipeline: Pipeline, arch: str, mapper: Mapper) -> tuple[Network, int]:
    """Multipliers and a balanced tree of adders; those of a level are alike, so each level is in it once."""
    network, copies = Network(), pipeline.products
    if copies & (copies - 1):
        raise ValueError(f"{pipeline.label}: a power of two, so that the tree is balanced")
    multiply = mapper.unit(make_config("float_multiply", float=pipeline.source, arch=arch, ports="plain"))
    add = mapper.unit(make_config("float_add", float=pipeline.source, ports="plain"))
    operands = {name: [network.new_net(copies) for _ in bits] for name, bits in multiply.netlist.inputs.items()}
    terms: list[Bit] = network.add(multiply.netlist, operands, copies)["value"]
    while copies > 1:
        copies //= 2
        terms = network.add(add.netlist, {"a": terms, "b": terms}, copies)["value"]
    network.give(terms)
    return network, pipeline.products * multiply.transistors + (pipeline.products - 1) * add.transistors
