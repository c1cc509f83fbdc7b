"""What a policy decides and about what: formats of tensors, their roles, the network and run that it is told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FP32", "Affine", "Blocks", "Container", "Float", "Network", "Precision", "Product", "Role", "Tensor"]


class Role(StrEnum):
    """What a tensor is to its layer: the weight, the input that backward reads again, the gradient of the output."""

    WEIGHT = "weight"
    ACTIVATION = "activation"
    GRADIENT = "gradient"


@dataclass(frozen=True, slots=True)
class Float:
    """A scalar float type: fp32, bf16 or fp16. It is computed on as FP32."""

    name: str = "fp32"

    @property
    def bits(self) -> float:
        """Bits per stored value."""
        return 32.0 if self.name == "fp32" else 16.0


FP32 = Float()


@dataclass(frozen=True, slots=True)
class Container:
    """FP32 cut to sign, `exponent_bits` and `mantissa_bits`; `offset` is gecko.md 1's `off`. Computed on as FP32."""

    mantissa_bits: int
    exponent_bits: int = 8
    offset: int = 0

    @property
    def bits(self) -> float:
        """Bits per stored value before Gecko."""
        return 1.0 + self.exponent_bits + self.mantissa_bits


@dataclass(frozen=True, slots=True)
class Affine:
    """An unsigned integer of `bits` over the tensor's own range (FracTrain's quantiser)."""

    bits: float


@dataclass(frozen=True, slots=True)
class Blocks:
    """A block format of the catalogue, by name: its products are computed as `golden.products` defines them."""

    format: str
    bits: float  # per element, its share of the scale included


Precision = Float | Container | Affine | Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of one layer. `values` is its length (of an activation or gradient: for one batch).

    Attention has several activations and two gradients: `layer` is the core's name with ".q" or the like behind it.
    """

    layer: str
    role: Role
    values: int

    @property
    def key(self) -> str:
        """Name that random words, state and logs go by: "layer/role"."""
        return f"{self.layer}/{self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A forward product, which stands for the two of its backward pass too: they multiply as often.

    `operands` are the keys of its weight, activation and output gradient; in attention the second operand counts as the
    weight. `macs`: multiply-accumulates of one of the three.
    """

    name: str
    operands: tuple[str, str, str]
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a policy is told at the start: the layers with a matrix product, in order, their tensors, and the run.

    `embedded`: an embedding, which is a look-up without a product, comes before them.
    """

    layers: Sequence[str]
    tensors: Sequence[Tensor]
    epochs: int
    steps_per_epoch: int
    seed: int = 0
    embedded: bool = False

    def __post_init__(self) -> None:
        if not self.layers or self.epochs < 1 or self.steps_per_epoch < 1:
            raise ValueError("network: at least 1 layer, 1 epoch and 1 step per epoch")

    @property
    def edges(self) -> tuple[str, ...]:
        """The first and the last layer; the first is none of `layers` where it is an embedding (policies.md 4)."""
        return (self.layers[-1],) if self.embedded else (self.layers[0], self.layers[-1])

    def depth(self, layer: str) -> float:
        """How far through the network a layer, or the layer whose part it is, stands: 0 first, 1 last."""
        owner = layer
        while owner not in self.layers:
            owner, dot, _ = owner.rpartition(".")
            if not dot:
                raise ValueError(f"{layer}: one of {', '.join(self.layers)}, or a part of one")
        return self.layers.index(owner) / max(len(self.layers) - 1, 1)

    def shares(self) -> dict[str, float]:
        """Each weight's and activation's part of what is stashed, by key; they sum to 1."""
        stashed = {tensor.key: tensor.values for tensor in self.tensors if tensor.role is not Role.GRADIENT}
        return {key: values / sum(stashed.values()) for key, values in stashed.items()}
