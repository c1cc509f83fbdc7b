"""Gecko: lossless exponent coding, the container that carries it, and its file (gecko.md).

    from golden import gecko
    blob = gecko.pack(array)                    # a float32 or bfloat16 array -> the contents of a .gck file
    array = gecko.unpack(blob)
    d = gecko.choose(bits, gecko.Source.BF16)   # the cheapest descriptor for flat uint16 bit patterns
    gecko.measure(bits, d).total                # its footprint in bits, exact, without packing
    gecko.decode(gecko.encode(bits, d)).bits    # the two streams of the hardware, and back

`python -m golden.gecko` packs, unpacks and reports. Attributes load lazily (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golden.gecko.container import Container, Decoded, decode, encode
    from golden.gecko.descriptor import Descriptor, GeckoError, Mode, Source
    from golden.gecko.file import pack, unpack
    from golden.gecko.size import Size, choose, measure
    from golden.gecko.values import as_bits

__all__ = [
    "Container",
    "Decoded",
    "Descriptor",
    "GeckoError",
    "Mode",
    "Size",
    "Source",
    "as_bits",
    "choose",
    "decode",
    "encode",
    "measure",
    "pack",
    "unpack",
]

_HOME = {
    "Container": "container",
    "Decoded": "container",
    "encode": "container",
    "decode": "container",
    "Descriptor": "descriptor",
    "GeckoError": "descriptor",
    "Mode": "descriptor",
    "Source": "descriptor",
    "pack": "file",
    "unpack": "file",
    "Size": "size",
    "choose": "size",
    "measure": "size",
    "as_bits": "values",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'golden.gecko' has no attribute {name!r}")
    return getattr(import_module(f"golden.gecko.{_HOME[name]}"), name)
