"""Which products compute a layer's operands: plain FP32 for cut values, block products where a policy names blocks."""

from typing import Any

from golden.catalog import bfp, get_format
from golden.formats import Rounding, ScaleEncoding
from golden.nn.layer import Array
from golden.nn.plain import PlainProducts
from golden.nn.precision import FP32, Operand, Precision, Product
from golden.nn.products import QuantisedProducts
from golden.policies import formats as policy

__all__ = ["LayerArithmetic", "layer_precision"]

_WIDE_MANTISSA = 16  # of stored weights under BFP (formats.md 1.5)
_PLAIN = PlainProducts()

Formats = tuple[policy.Precision, policy.Precision, policy.Precision]


def _operand(chosen: policy.Precision, usual: Operand, rounding: Rounding) -> Operand:
    """A policy's format with the run's rounding and scale rule (`rounding` where the run has no blocks)."""
    if isinstance(chosen, policy.Float):
        return Operand(element=chosen.name)
    if not isinstance(chosen, policy.Blocks):
        return FP32  # the values are cut already
    fmt = get_format(chosen.format)
    if usual.format is None:
        return Operand(fmt, rounding)
    return Operand(fmt, usual.rounding, usual.scale_rule, usual.random_bits)


def layer_precision(formats: Formats, run: Precision) -> Precision:
    """Weight, activation and gradient formats as the products of a layer; storage and block order are the run's."""
    weight = _operand(formats[0], run.forward.b, Rounding.RNE)
    activation = _operand(formats[1], run.forward.a, Rounding.RNE)
    gradient = _operand(formats[2], run.data.a, Rounding.SR)
    storage, fmt = FP32, weight.format
    keeps_fp32 = run.forward.b.format is not None and run.storage == FP32
    if fmt is not None and fmt.scale.encoding is ScaleEncoding.TWOS_COMPLEMENT and not keeps_fp32:
        storage = Operand(bfp(_WIDE_MANTISSA, fmt.block))
    return Precision(
        Product(activation, weight), Product(gradient, weight), Product(activation, gradient), storage, run.order
    )


class LayerArithmetic:
    """The products of one layer; their formats may change at any call."""

    def __init__(self, layer: str, run: Precision, seed: int) -> None:
        self._run = run
        self._quantised = QuantisedProducts(Precision(), name=layer, seed=seed)
        self._known: dict[Formats, Precision] = {}

    def begin_step(self, step: int) -> None:
        """A training step begins: random words are those of this step."""
        self._quantised.begin_step(step)

    def products(self, formats: Formats) -> Any:
        """Products for weight, activation and gradient in these formats."""
        if formats not in self._known:
            self._known[formats] = layer_precision(formats, self._run)
        if self._known[formats].forward == Product() == self._known[formats].data:
            return _PLAIN
        self._quantised.precision = self._known[formats]
        return self._quantised

    def store(self, formats: Formats, weights: Array) -> Array:
        """Weights as they are kept between steps."""
        products = self.products(formats)
        return products.store(weights) if products is self._quantised else weights
