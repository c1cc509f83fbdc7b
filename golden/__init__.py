"""Golden model: the bits that every unit of `hdl/` must produce, defined in NumPy and plain integers.

Attributes load lazily (PEP 562), so that `hdl` can read `golden.formats` without importing NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golden.block_array import BlockArray, from_bits
    from golden.blocks import quantize
    from golden.catalog import get_format, list_formats
    from golden.conversion import convert
    from golden.kernels.fake import Draws, fake_quantize
    from golden.products import block_dot, dot, matmul

__all__ = [
    "BlockArray",
    "Draws",
    "block_dot",
    "convert",
    "dot",
    "fake_quantize",
    "from_bits",
    "get_format",
    "list_formats",
    "matmul",
    "quantize",
]

_HOME = {
    "BlockArray": "block_array",
    "quantize": "blocks",
    "from_bits": "block_array",
    "Draws": "kernels.fake",
    "fake_quantize": "kernels.fake",
    "convert": "conversion",
    "block_dot": "products",
    "dot": "products",
    "matmul": "products",
    "get_format": "catalog",
    "list_formats": "catalog",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'golden' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"golden.{_HOME[name]}"), name)  # found at once the next time
    return value
