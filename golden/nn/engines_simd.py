"""Vectors of floats in numba: what the compiled products keep in registers.

numba knows scalars and arrays; loops over a handful of columns cost more in bookkeeping than in arithmetic. `Vector`
adds LLVM's fixed vectors with the few operations that a matrix product needs. Offsets count elements, unchecked.
"""

from pathlib import Path
from typing import Any
from zlib import crc32

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

__all__ = ["SOURCE", "Vector", "accumulate", "at", "load", "multiply_add", "store", "zeros"]

SOURCE = crc32(Path(__file__).read_bytes()) | 1 << 32
"""Another number for another version of this file, never 0: kernels that are cached elsewhere depend on it."""

_INDEX = ir.IntType(32)


class Vector(types.Type):
    """`lanes` floats of one type."""

    def __init__(self, lanes: int, element: types.Float) -> None:
        self.lanes, self.element = lanes, element
        super().__init__(f"vector({lanes} x {element})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        element = ir.FloatType() if vector.element == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def _address(context: Any, builder: ir.IRBuilder, array_type: types.Array, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [offset])


def _extended(builder: ir.IRBuilder, value: Any, wanted: ir.Type) -> Any:
    return value if value.type == wanted else builder.fpext(value, wanted)


@intrinsic(prefer_literal=True)
def zeros(typing: Any, lanes: Any, element: Any) -> Any:
    """Vector of `lanes` zeros of a float type; both literal."""
    if not isinstance(lanes, types.IntegerLiteral):
        return None
    made = Vector(lanes.literal_value, element.dtype)
    return made(lanes, element), lambda context, builder, call, args: ir.Constant(context.get_value_type(made), None)


@intrinsic(prefer_literal=True)
def load(typing: Any, lanes: Any, array: Any, offset: Any) -> Any:
    """Vector of the elements offset .. offset + lanes - 1 of a contiguous array, at any alignment."""
    if not isinstance(lanes, types.IntegerLiteral):
        return None
    made = Vector(lanes.literal_value, array.dtype)

    def generate(context: Any, builder: ir.IRBuilder, call: Any, args: Any) -> Any:
        address = _address(context, builder, array, args[1], args[2])
        value = builder.load(builder.bitcast(address, context.get_value_type(made).as_pointer()))
        value.align = array.dtype.bitwidth // 8
        return value

    return made(lanes, array, offset), generate


@intrinsic
def store(typing: Any, array: Any, offset: Any, vector: Any) -> Any:
    """Write a vector to elements offset .. offset + lanes - 1."""

    def generate(context: Any, builder: ir.IRBuilder, call: Any, args: Any) -> Any:
        address = _address(context, builder, array, args[0], args[1])
        builder.store(args[2], builder.bitcast(address, args[2].type.as_pointer())).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, offset, vector), generate


@intrinsic
def at(typing: Any, array: Any, offset: Any) -> Any:
    """One element, without the test for a negative index."""

    def generate(context: Any, builder: ir.IRBuilder, call: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, array, *args))

    return array.dtype(array, offset), generate


@intrinsic
def multiply_add(typing: Any, scalar: Any, vector: Any, total: Any) -> Any:
    """total + scalar * vector in the type of total.

    The two operations may become one that rounds once: callers make sure that neither rounds at all.
    """

    def generate(context: Any, builder: ir.IRBuilder, call: Any, args: Any) -> Any:
        wanted = args[2].type
        one = _extended(builder, args[0], wanted.element)
        single = builder.insert_element(ir.Constant(wanted, ir.Undefined), one, ir.Constant(_INDEX, 0))
        broadcast = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(_INDEX, wanted.count), None))
        product = builder.fmul(broadcast, _extended(builder, args[1], wanted), flags=("contract",))
        return builder.fadd(args[2], product, flags=("contract",))

    return total(scalar, vector, total), generate


@intrinsic
def accumulate(typing: Any, total: Any, term: Any) -> Any:
    """total + term, the term first rounded to total's type: both roundings to nearest even, as in IEEE 754."""

    def generate(context: Any, builder: ir.IRBuilder, call: Any, args: Any) -> Any:
        rounded = args[1] if args[1].type == args[0].type else builder.fptrunc(args[1], args[0].type)
        return builder.fadd(args[0], rounded)

    return total(total, term), generate
