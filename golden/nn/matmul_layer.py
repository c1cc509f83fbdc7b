"""A layer with dot products of its own: what precision is set on."""

from golden.nn.layer import Layer
from golden.nn.plain import PlainProducts, Products

__all__ = ["MatmulLayer"]


class MatmulLayer(Layer):
    """Takes every dot product from `products`: plain ones until somebody sets others."""

    def __init__(self) -> None:
        super().__init__()
        self.products: Products = PlainProducts()
