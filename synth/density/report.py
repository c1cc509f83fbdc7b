"""The density tables as Markdown, and the picture of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.density.stages import STAGES, best
from synth.density.tables import render_opponents, render_shared, render_stages

__all__ = ["draw", "render"]

Record = Mapping[str, Any]

_KINDS = ("bare", "matched", "buffered", "parallel", "parallel_flushed", "parallel_bf16", "operands")
_ROLES = (
    "core",
    "to FP32",
    "accumulate",
    "activate",
    "converter, one lane",
    "converter, all lanes",
    "converter, all lanes, flushed",
    "converter, all lanes, BF16",
    "buffer",
)
# How a netlist was checked: against the golden model, against its Verilog; or priced by two smaller ones.
_CHECKS = ("simulated", "proved", "on a line", "unchecked")


def render(found: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """The text of each kind of records: "records" are the rows, the others have tables of their own."""
    tables = {"records": _rows, "opponents": render_opponents, "stages": render_stages, "shared": render_shared}
    return {kind: tables[kind](records) for kind, records in found.items()}


def _rows(records: Sequence[Record]) -> str:
    """Gains, then transistors part by part, and how many of the parts' netlists were checked."""
    tables = (_gain_lines, _part_lines, _float_lines, _check_lines)
    return "\n\n".join("\n".join(table(records)) for table in tables)


def _gain_lines(records: Sequence[Record]) -> list[str]:
    lines = [
        "| unit | products | without converter | one lane | one lane, buffer | all lanes | "
        "all lanes, flushed | all lanes, BF16 | all lanes, three | "
        "published | fitted model | component model | one lane, HardFloat |",
        "|---|" + "---:|" * 12,
    ]
    for record in records:
        gain = record["gain"]
        own = [gain.get(kind, gain.get("plain") if kind == "bare" else None) for kind in _KINDS]
        others = [record[name] for name in ("published", "paper_model", "component_model")]
        over_peer = record["gain_over_peer"]
        others.append(over_peer.get("matched", over_peer.get("plain")))
        note = "" if record["status"] == "ok" else " (not measured)"
        lines.append(
            f"| {record['name']}{note} | {record['block']} | " + " | ".join(_number(x) for x in [*own, *others]) + " |"
        )
    return lines


def _part_lines(records: Sequence[Record]) -> list[str]:
    lines = ["| unit | products | " + " | ".join(_ROLES) + " |", "|---|" + "---:|" * (len(_ROLES) + 1)]
    for record in records:
        prices = {part["role"]: part["transistors"] for part in record["parts"].get("own", ())}
        if "core" in prices:
            cells = [f"{prices[role]:,}" for role in _ROLES]
            lines.append(f"| {record['name']} | {record['block']} | " + " | ".join(cells) + " |")
    return lines


def _float_lines(records: Sequence[Record]) -> list[str]:
    roles = ("multiply", "add", "accumulate", "activate")
    lines = ["| scalar float | " + " | ".join(roles) + " |", "|---|" + "---:|" * len(roles)]
    found = {}
    for record in records:
        for name, side in (("FP32", "fp32"), (record["name"], "own")):
            prices = {part["role"]: part["transistors"] for part in record["parts"].get(side, ())}
            if "multiply" in prices:
                found[name] = [f"{prices[role]:,}" for role in roles]
    return lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in found.items()]


def _check_lines(records: Sequence[Record]) -> list[str]:
    """Different circuits by part and by how the netlist was checked."""
    found: dict[str, dict[str, set[str]]] = {}
    for record in records:
        for part in (*record["parts"].get("fp32", ()), *record["parts"].get("own", ())):
            if part["checked_by"] != "arithmetic":
                kinds = found.setdefault(part["role"], {kind: set() for kind in _CHECKS})
                kinds[_check(part)].add(part["what"])
    lines = ["| part | " + " | ".join(_CHECKS) + " |", "|---|" + "---:|" * len(_CHECKS)]
    return lines + [
        f"| {role} | " + " | ".join(str(len(kinds[kind])) for kind in _CHECKS) + " |" for role, kinds in found.items()
    ]


def _check(part: Record) -> str:
    if "the line through" in part["what"]:
        return "on a line"
    return {"bulk": "simulated", "proof": "proved"}.get(part["checked_by"].partition(":")[0], "unchecked")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def draw(found: Mapping[str, Sequence[Record]], path: Path) -> None:
    """Gains as horizontal bars, and area against stages: as much of it as has been measured."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "narrowgauge"  # the same picture, the same bytes
    from matplotlib import pyplot as plt

    shown = [record for record in found.get("records", ()) if record["gain"]]
    pipelines = [record for record in found.get("stages", ()) if record["status"] == "ok"]
    panels: list[tuple[float, Any, list[Record]]] = [(0.42 * len(shown) + 1.2, _draw_gains, shown)] * bool(shown)
    panels += [(3.6, _draw_stages, pipelines)] * bool(pipelines)
    heights = [height for height, _, _ in panels] or [1.0]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(7.5, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for (place,), (_, fill, records) in zip(axes, panels, strict=False):
        fill(place, records)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _draw_gains(axes: Any, shown: Sequence[Record]) -> None:
    """Bars, the papers' figure as a mark on them."""
    places = range(len(shown))
    bars = (("one lane of a converter", "matched", -0.2), ("a lane per value", "parallel", 0.2))
    for label, kind, shift in bars:
        lengths = [record["gain"].get(kind, 0.0) for record in shown]
        axes.barh([place + shift for place in places], lengths, height=0.38, label=label)
    plain = [(place, record["gain"]["plain"]) for place, record in enumerate(shown) if "plain" in record["gain"]]
    axes.barh([place for place, _ in plain], [gain for _, gain in plain], height=0.38, color="grey")
    published = [(record["published"], place) for place, record in enumerate(shown) if record["published"]]
    xs, ys = [x for x, _ in published], [y for _, y in published]
    axes.scatter(xs, ys, marker="|", s=180, color="black", label="HBFP paper")
    axes.set_yticks(list(places), [f"{record['name']} x {record['block']}" for record in shown], fontsize=8)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("transistors of an FP32 unit over those of this one, same number of products")
    axes.grid(visible=True, axis="x", alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)


def _draw_stages(axes: Any, pipelines: Sequence[Record]) -> None:
    """Transistors per product against the period that so many stages allow, both logarithmic."""
    for record in pipelines:
        points = [best(record, stages) for stages in STAGES]
        areas = [point["transistors"] / record["products"] for point in points]
        style = {"linestyle": "--", "color": "grey"} if record["name"] in ("FP32", "BF16") else {}
        if style and record["products"] != 64:
            continue
        axes.plot([point["period"] for point in points], areas, marker="o", markersize=3, **style)
        axes.annotate(
            f"{record['name']} x {record['products']}",
            (points[-1]["period"], areas[-1]),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left=8)
    axes.set_xlabel(f"period in unit gates; {STAGES[-1]} stages at the left end of a line, 1 at the right")
    axes.set_ylabel("transistors per product")
    axes.grid(visible=True, which="both", alpha=0.25)
