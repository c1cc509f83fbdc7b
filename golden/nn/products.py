"""A layer's products in narrow precision: what `PlainProducts` does in FP32, with the bits of the hardware.

`quantise` puts them into a model. Each of the three passes converts its own operands, once, and has its own formats;
biases, normalisation and activations stay in FP32. Where blocks lie is the precision's `order` (`Order`).
"""

from types import ModuleType
from typing import Any

from golden.kernels.fake import Draws
from golden.nn import products_channel
from golden.nn.backend import Backend, NumpyBackend
from golden.nn.engines import Engine, declared_engine
from golden.nn.layer import Array, Layer, Parameter
from golden.nn.optimiser import Storage
from golden.nn.plain import PlainProducts
from golden.nn.precision import Operand, Order, Precision, Product
from golden.nn.products_emulator import Reuse
from golden.nn.products_im2col import Unfolded
from golden.nn.products_pass import Pass, Record, along

__all__ = ["QuantisedProducts", "Record", "quantise", "wide_storage"]

_LOWERINGS: dict[Order, ModuleType | Unfolded] = {
    Order.CHANNEL: products_channel,
    Order.IM2COL: Unfolded.rows(),
    Order.TILE2D: Unfolded.tiles(),
    Order.EMULATOR: products_channel,
}
_FORWARD, _FIRST = ("forward", "scores", "context"), ("forward", "scores")
_OPERANDS = {"forward": "xw", "data": "gw", "weight": "xg", "storage": "w"}  # of a role; attention's are a and b
_PLAIN = PlainProducts()


class QuantisedProducts:
    """The products of the layer `name` (`golden.nn.plain.Products`), in a `precision` that may be replaced at any time.

    Stochastic rounding draws from the counter (seed, step, "name/role.operand", slot): role forward, data, weight or
    one of attention's, operand x, w, g, or a and b in attention. Call `begin_step` before each step.
    """

    def __init__(self, precision: Precision, *, name: str = "", backend: Backend | None = None, seed: int = 0) -> None:
        self.precision, self.name, self.seed, self.step = precision, name, seed, 0
        self.backend: Backend = NumpyBackend() if backend is None else backend
        self._records: dict[str, Record] = {}
        self._reuse = Reuse()

    def begin_step(self, step: int) -> None:
        """Number of the step that follows, for the random words; what `records` counts begins anew."""
        self.step = step
        self._records.clear()
        self._reuse.clear()

    @property
    def records(self) -> tuple[Record, ...]:
        """What has been computed since `begin_step`, one record a role: formats, blocks, engine, counts."""
        return tuple(self._records.values())

    def describe(self) -> str:
        """The same in words, one line a role."""
        return "\n".join(f"{self.name} {record}".strip() for record in self._records.values())

    def store(self, weights: Array) -> Array:
        """Weights as the precision's `storage` keeps them, in blocks along their forward reduction."""
        wide, axis = self.precision.storage, 0 if weights.ndim == 2 else 2
        return self.backend.convert(weights, axis, wide, self._draws(wide, "storage", 0)).dequantized()

    def linear_forward(self, x: Array, w: Array) -> Array:
        """See `Products`; so for all others."""
        return self._compute("linear", "forward", x, w)

    def linear_data(self, g: Array, w: Array) -> Array:
        """(M, out) x (in, out) -> dx (M, in)."""
        return self._compute("linear", "data", g, w)

    def linear_weight(self, x: Array, g: Array) -> Array:
        """(M, in) x (M, out) -> dw (in, out)."""
        return self._compute("linear", "weight", x, g)

    def conv_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N, H, W, C) x (kh, kw, C, out) -> (N, H', W', out)."""
        return self._compute("conv", "forward", x, w, stride, padding)

    def conv_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N, H', W', out) x (kh, kw, C, out) -> dx of shape `x_shape`."""
        return self._compute("conv", "data", g, w, stride, padding, x_shape)

    def conv_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(N, H, W, C) x (N, H', W', out) -> dw of shape `w_shape`."""
        return self._compute("conv", "weight", x, g, stride, padding, w_shape)

    def depthwise_forward(self, x: Array, w: Array, stride: int, padding: int) -> Array:
        """(N, H, W, C) x (kh, kw, C) -> (N, H', W', C)."""
        return self._compute("depthwise", "forward", x, w, stride, padding)

    def depthwise_data(self, g: Array, w: Array, stride: int, padding: int, x_shape: tuple[int, ...]) -> Array:
        """(N, H', W', C) x (kh, kw, C) -> dx of shape `x_shape`."""
        return self._compute("depthwise", "data", g, w, stride, padding, x_shape)

    def depthwise_weight(self, x: Array, g: Array, stride: int, padding: int, w_shape: tuple[int, ...]) -> Array:
        """(N, H, W, C) x (N, H', W', C) -> dw of shape `w_shape`."""
        return self._compute("depthwise", "weight", x, g, stride, padding, w_shape)

    def batched(self, a: Array, b: Array, role: str) -> Array:
        """(..., M, K) x (..., K, N) -> (..., M, N); roles beyond the first two work in the precision of `data`."""
        return self._compute("batched", role, a, b)

    def _compute(self, kind: str, role: str, a: Array, b: Array, *geometry: Any) -> Array:
        order, method = self.precision.order, kind if kind == "batched" else f"{kind}_{role}"
        product = self._product(role)
        reuse = self._reuse if order is Order.EMULATOR else None
        if role in _FIRST:
            self._reuse.clear()
        one = Pass(product, self.backend, lambda operand, which: self._draws(operand, role, which), reuse)
        if product.blocked and (reuse is None or role in _FORWARD):
            result = getattr(_LOWERINGS[order], method)(one, a, b, *geometry)
            engine, where = declared_engine(product.a.format, product.b.format, one.block), along(order, method)
        else:
            operands = one.values(a, b, _axes(kind, role, reused=reuse is not None))
            result = getattr(_PLAIN, method)(*operands, *((role,) if kind == "batched" else geometry))
            engine, where = Engine.PLAIN, "FP32 sums" + (" of blocks that lie otherwise" if product.blocked else "")
        record = Record(
            kind=kind,
            role=role,
            order=order,
            a=product.a.name,
            b=product.b.name,
            block=one.block,
            along=where,
            engine=engine,
            conversions=(one.conversions[0], one.conversions[1]),
            macs=_macs(kind, role, a, b, result),
        )
        self._records[role] = self._records[role] + record if role in self._records else record
        return result

    def _product(self, role: str) -> Product:
        precision = self.precision
        if role in _FORWARD:
            return precision.forward
        return precision.weight if role == "weight" else precision.data

    def _draws(self, operand: Operand, role: str, which: int) -> Draws:
        tensor = f"{self.name}/{role}.{_OPERANDS.get(role, 'ab')[which]}"
        return Draws(tensor, self.step, self.seed, operand.random_bits)


def _axes(kind: str, role: str, reused: bool) -> tuple[int, int]:
    """Axes of the blocks of both operands where they are not reduced block by block."""
    if reused and role == "weight":  # x as the forward pass has it, g as the data gradient
        return products_channel.AXES[f"{kind}_forward"][0], products_channel.AXES[f"{kind}_data"][0]
    return products_channel.AXES[kind if kind == "batched" else f"{kind}_{role}"]


def _macs(kind: str, role: str, a: Array, b: Array, result: Array) -> int:
    """Multiplications of a pass, the same in all three: outputs times the weights that each of them has."""
    if kind == "batched":
        return result.size * a.shape[-1]
    weights = result if role == "weight" else b
    outputs = {"forward": result, "data": a, "weight": b}[role]
    return outputs.size * (weights.size // weights.shape[-1])


def quantise(
    model: Layer, precision: Precision, *, backend: Backend | None = None, seed: int = 0
) -> list[QuantisedProducts]:
    """Give every matmul layer of a model its own products in this precision, in order of execution.

    Their weights move to the precision's storage. Call `begin_step` of each before a training step.
    """
    backend = NumpyBackend() if backend is None else backend
    made = []
    for layer in model.matmul_layers():
        products = QuantisedProducts(precision, name=layer.name, backend=backend, seed=seed)
        layer.products = products  # type: ignore[attr-defined]
        made.append(products)
    keep = wide_storage(model)
    for parameter in model.parameters():
        if parameter.quantised:
            parameter.value[...] = keep(parameter, parameter.value)
    return made


def wide_storage(model: Layer) -> Storage:
    """The optimiser's hook: each weight as the products of its layer store it, at the time of the call."""
    owners = {
        id(parameter): layer
        for layer in model.matmul_layers()
        for parameter in layer.own_parameters().values()
        if parameter.quantised
    }

    def keep(parameter: Parameter, value: Array) -> Array:
        store = getattr(getattr(owners.get(id(parameter)), "products", None), "store", None)
        return value if store is None else store(value)

    return keep
