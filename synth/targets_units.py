"""Targets beyond the cores: converters, FP32 units and complete units, all at the prices of `synth.density`.

Converters are combinational: one lane per value, to nearest even, `floor` scale. Peers' flip-flops are left out where
they have any, ours have none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from golden.catalog import get_format
from hdl.yosys import Engine
from synth.command import Tell
from synth.density.model import PEER_FP32, PUBLISHED
from synth.density.rows import ROWS, float_parts, measure_row

__all__ = ["DENSITIES", "PARTS", "DensityGoal", "PartGoal", "measure_units", "render_units", "shortfall"]

Record = dict[str, Any]

_CONVERTERS = {"mxint8": 51_196, "mxfp4": 77_214, "mxfp8_e4m3": 88_772}  # MX-for-FPGA, from BF16, 32 lanes
_ACCUMULATE = 11_978  # HardFloat's, with a recoded register
_UNIT = ROWS["HBFP4x64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartGoal:
    """A circuit: transistors of the best public one, of ours at most, and its entry in a density record."""

    name: str
    peer: str
    peer_transistors: int
    target: int
    price: Callable[[Any], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityGoal:
    """A complete BFP4 unit of 64 products: its gain over FP32 with what counts as the converter, at least `target`."""

    name: str
    gain: str
    converter: str
    target: float


def _converter(name: str, pricer: Any) -> Record:
    return pricer.block_converter(get_format(name), "bf16").to_dict()


def _float(role: str, pricer: Any) -> Record:
    return next(part for part in float_parts("fp32", _UNIT.block, pricer) if part["role"] == role)


PARTS: Mapping[str, PartGoal] = {
    goal.name: goal
    for goal in (
        *(
            PartGoal(
                name=f"bf16_to_{name}",
                peer=f"MX-for-FPGA, {get_format(name).block} lanes",
                peer_transistors=peer,
                target=peer * 65 // 100,
                price=partial(_converter, name),
            )
            for name, peer in _CONVERTERS.items()
        ),
        *(
            PartGoal(
                name=f"fp32_{role}", peer="HardFloat", peer_transistors=peer, target=peer, price=partial(_float, role)
            )
            for role, peer in {**PEER_FP32, "accumulate": _ACCUMULATE}.items()
        ),
    )
}

DENSITIES: Mapping[str, DensityGoal] = {
    goal.name: goal
    for goal in (
        DensityGoal(name="density_parallel", gain="parallel", converter="64 lanes, FP32", target=25),
        DensityGoal(
            name="density_flushed", gain="parallel_flushed", converter="64 lanes, FP32, subnormals flushed", target=25
        ),
        DensityGoal(name="density_matched", gain="matched", converter="one lane, without its buffer", target=35),
    )
}


def measure_units(names: Iterable[str], engine: Engine, timeout: float, tell: Tell) -> dict[str, list[Record]]:
    """Records of the goals of these names: "parts" and "densities"; figures None where a synthesis took too long."""
    from synth.density.price import Pricer  # Amaranth: wrong options should not wait for it

    pricer = Pricer(engine, timeout, tell)
    found: dict[str, list[Record]] = {"parts": [], "densities": []}
    unit: Record | None = None
    for name in names:
        if name in PARTS:
            found["parts"].append(_measure_part(PARTS[name], pricer))
        elif name in DENSITIES:
            unit = unit or measure_row(_UNIT, pricer)
            found["densities"].append(_density(DENSITIES[name], unit))
    return found


def _measure_part(goal: PartGoal, pricer: Any) -> Record:
    record: Record = {"name": goal.name, "peer": {"what": goal.peer, "transistors": goal.peer_transistors}}
    record |= {"target_transistors": goal.target, "transistors": None, "status": {"cmos": "ok"}}
    try:
        price = goal.price(pricer)
    except (TimeoutError, RuntimeError) as error:
        return record | {"status": {"cmos": str(error)}}
    return record | {key: price[key] for key in ("transistors", "checked_by", "what")}


def _density(goal: DensityGoal, unit: Record) -> Record:
    return {
        "name": goal.name,
        "converter": goal.converter,
        "published": PUBLISHED[_UNIT.name, _UNIT.block],
        "target_gain": goal.target,
        "gain": unit["gain"].get(goal.gain),
        "status": {"cmos": unit["status"]},
    }


def render_units(found: Mapping[str, Sequence[Record]]) -> list[str]:
    """The tables, as lines of Markdown; none where nothing was asked for."""
    lines: list[str] = []
    if found.get("parts"):
        lines += ["", "| circuit | best peer | T | target, T | ours, T | to peer | target |", "|---|---|" + "---:|" * 4]
        lines[-1] += "---|"
    for record in found.get("parts", ()):
        peer, target, own = record["peer"]["transistors"], record["target_transistors"], record["transistors"]
        figures = f"{own:,} | {own / peer:.3f}" if own else "- | -"
        verdict = "not measured" if own is None else shortfall(own / target - 1)
        lines.append(f"| {record['name']} | {record['peer']['what']} | {peer:,} | {target:,} | {figures} | {verdict} |")
    if found.get("densities"):
        lines += ["", "| BFP4 x 64 unit over FP32 | converter | published | target | ours | target |"]
        lines.append("|---|---|---:|---:|---:|---|")
    for record in found.get("densities", ()):
        gain, least = record["gain"], record["target_gain"]
        verdict = "not measured" if gain is None else shortfall(1 - gain / least)
        shown = f"{gain:.1f}" if gain else "-"
        lines.append(
            f"| {record['name']} | {record['converter']} | {record['published']} | {least:g} | {shown} | {verdict} |"
        )
    return lines


def shortfall(short: float) -> str:
    """`short` is what is missing, as a share of the target."""
    return "met" if short <= 0 else f"missed by {short:.1%}" if short >= 0.0005 else f"missed by {short:.2%}"
