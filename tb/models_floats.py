"""Golden models of the float units: `golden.floats` on their operands."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from golden import floats
from golden.catalog import get_float
from tb.batches import Batch, Config

__all__ = ["FLOAT_MODELS", "FLOAT_OPERANDS"]

Columns = dict[str, NDArray[Any]]

FLOAT_OPERANDS = {"float_multiply": "ab", "float_add": "ab", "float_fma": "abc", "float_dot": "ab"}  # of the cores


def _core_model(config: Config, inputs: Batch) -> Columns:
    fmt, operands = get_float(config["float"]), [inputs[name] for name in FLOAT_OPERANDS[config["unit"]]]
    name = config["unit"].removeprefix("float_")
    if name == "dot" and config["rounded"] == "once":
        name = "dot_fused"
    function = getattr(floats, name)
    return {"value": function(*operands, fmt)}


def _accumulate_model(config: Config, inputs: Batch) -> Columns:
    return {"value": floats.accumulate(inputs["value"], inputs["first"], get_float(config["float"]))}


FLOAT_MODELS: dict[str, Callable[[Config, Any], Columns]] = {
    **dict.fromkeys(FLOAT_OPERANDS, _core_model),
    "float_accumulate": _accumulate_model,
}
