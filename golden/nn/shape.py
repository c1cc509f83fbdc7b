"""Changes of shape without arithmetic."""

from golden.nn.layer import Array, Layer

__all__ = ["Flatten"]


class Flatten(Layer):
    """(N, ...) -> (N, features)."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Array, *, training: bool) -> Array:
        """(N, ...) -> (N, features)."""
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, g: Array) -> Array:
        """(N, features) -> (N, ...)."""
        return g.reshape(self._shape)
