"""What the runs of Table I in miniature say: accuracies, paired differences, verdicts, distance against accuracy."""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.provenance import provenance
from golden.training.plots import figure
from golden.training.statistics import MARGIN, paired, r_squared, spread

__all__ = ["table1_figures", "table1_report"]

Final = Mapping[str, Any]
_COLUMNS = 3  # panels beside each other
Cell = tuple[str, int]  # format without its block, block


def _cell(config: Mapping[str, Any]) -> Cell:
    name, _, block = config["format"].partition("x")
    return name, int(block or 0)


def table1_report(finals: Sequence[Final], args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """(report, Markdown) of all runs at hand; a table per model, set and order."""
    plain: dict[tuple[str, str], dict[int, Final]] = defaultdict(dict)
    narrow: dict[tuple[str, str, str], dict[Cell, dict[int, Final]]] = defaultdict(lambda: defaultdict(dict))
    for final in finals:
        config = final["config"]
        model, data = config["model"], config["data"]
        if config["format"] == "fp32":
            plain[model, data][config["seed"]] = final
        else:
            narrow[model, data, config["order"]][_cell(config)][config["seed"]] = final
    tables = [
        _table(model, data, order, cells, plain[model, data])
        for (model, data, order), cells in narrow.items()
        if plain[model, data]
    ]
    report = {"provenance": provenance(args.line, None), "margin": MARGIN, "runs": len(finals), "tables": tables}
    return report, "\n\n".join(_markdown(table) for table in tables) + "\n"


def _table(
    model: str, data: str, order: str, cells: Mapping[Cell, Mapping[int, Final]], plain: Mapping[int, Final]
) -> dict[str, Any]:
    distances = _distances(plain, order)
    rows: list[dict[str, Any]] = []
    for (name, block), finals in cells.items():
        seeds = sorted(finals.keys() & plain.keys())
        if not seeds:
            continue
        accuracies = [finals[seed]["test_accuracy"] for seed in seeds]
        base = [plain[seed]["test_accuracy"] for seed in seeds]
        rows.append(
            {
                "format": name,
                "block": block,
                "seeds": seeds,
                "test_accuracy": spread(accuracies).as_dict(),
                "difference": paired(accuracies, base).as_dict(),
                "diverged": sum(finals[seed]["diverged_at_step"] is not None for seed in seeds),
                "wasserstein": distances.get(f"{name}x{block}"),
            }
        )
    seeds = sorted(plain)
    known = [(row["wasserstein"], row["test_accuracy"]["mean"]) for row in rows if row["wasserstein"] is not None]
    fp32 = spread([plain[seed]["test_accuracy"] for seed in seeds])
    return {
        "model": model,
        "data": data,
        "order": order,
        "n_test": plain[seeds[0]]["n_test"],
        "epochs": plain[seeds[0]]["config"]["epochs"],
        "fp32": {"seeds": seeds, "test_accuracy": fp32.as_dict()},
        "rows": rows,
        "r_squared": r_squared(*zip(*known, strict=True)) if len(known) > 2 else None,
    }


def _distances(plain: Mapping[int, Final], order: str) -> dict[str, float]:
    """Mean over seeds and layers of W1 of the FP32 weights, by format."""
    found = [final["wasserstein"][order] for final in plain.values() if order in final.get("wasserstein", {})]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]} if found else {}


def _markdown(table: Mapping[str, Any]) -> str:
    blocks = sorted({row["block"] for row in table["rows"]})
    fp32 = table["fp32"]["test_accuracy"]
    lines = [
        f"### {table['model']} on {table['data']}, order {table['order']}",
        "",
        f"{table['epochs']} epochs, {table['n_test']} test samples. FP32: {fp32['mean']:.2%} "
        f"({fp32['n']} seeds, {fp32['low']:.2%}..{fp32['high']:.2%}).",
        "",
        "| format | " + " | ".join(f"block {block}" for block in blocks) + " |",
        "|---" * (len(blocks) + 1) + "|",
    ]
    rows = {(row["format"], row["block"]): row for row in table["rows"]}
    for name in dict.fromkeys(row["format"] for row in table["rows"]):
        cells = [_text(rows.get((name, block))) for block in blocks]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if table["r_squared"] is not None:
        lines += ["", f"R^2 of accuracy against mean W1 of the weights: {table['r_squared']:.2f}."]
    return "\n".join(lines)


def _text(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    difference = row["difference"]
    text = f"{row['test_accuracy']['mean']:.2%}<br>{100 * difference['mean']:+.2f}"
    if difference["n"] > 1:
        text += f" [{100 * difference['low']:+.2f}, {100 * difference['high']:+.2f}]"
    text += f"<br>{difference['verdict']}, n = {difference['n']}"
    return text + (f", {row['diverged']} diverged" if row["diverged"] else "")


def table1_figures(report: Mapping[str, Any], out: Path) -> bool:
    """Difference to FP32 by block size, and accuracy against distance, per table; False without matplotlib."""
    tables = report["tables"]
    if not tables:
        return False
    formats = dict.fromkeys(row["format"] for table in tables for row in table["rows"])
    colours = {name: f"C{index}" for index, name in enumerate(formats)}
    for name, draw in (("table1", _draw_blocks), ("distance", _draw_distance)):
        columns = min(len(tables), _COLUMNS)
        rows = -(-len(tables) // columns)
        made = figure(3.6 * columns, 3.4 * rows, columns, rows)
        if made is None:
            return False
        drawing, panels = made
        for axes in panels[len(tables) :]:
            axes.remove()
        for axes, table in zip(panels[: len(tables)], tables, strict=True):
            draw(axes, table, colours)
            axes.set_title(f"{table['model']}, {table['data']}, {table['order']}", fontsize=9)
            axes.grid(alpha=0.3)
        panels[0].legend(frameon=False, fontsize=8)
        drawing.savefig(out / f"{name}.png", dpi=130)
    return True


def _by_format(table: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in sorted(table["rows"], key=lambda row: row["block"]):
        found[row["format"]].append(row)
    return found


def _draw_blocks(axes: Any, table: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    for name, rows in _by_format(table).items():
        middle = [100 * row["difference"]["mean"] for row in rows]
        bars = [100 * (row["difference"]["high"] - row["difference"]["mean"]) for row in rows]
        shown = [bar if np.isfinite(bar) else 0.0 for bar in bars]
        axes.errorbar(
            [row["block"] for row in rows],
            middle,
            yerr=shown,
            marker="o",
            markersize=3,
            color=colours[name],
            label=name,
            capsize=2,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axhline(-100 * MARGIN, color="black", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="block", ylabel="points of accuracy against FP32")
    blocks = sorted({row["block"] for row in table["rows"]})
    axes.set_xticks(blocks, [str(block) for block in blocks], fontsize=7)
    axes.minorticks_off()


def _draw_distance(axes: Any, table: Mapping[str, Any], colours: Mapping[str, str]) -> None:
    for name, rows in _by_format(table).items():
        known = [row for row in rows if row["wasserstein"] is not None]
        axes.plot(
            [1000 * row["wasserstein"] for row in known],
            [row["test_accuracy"]["mean"] for row in known],
            "o",
            color=colours[name],
            markersize=4,
            label=name,
        )
    axes.set(xlabel="W1 of the weights x 1000", ylabel="test accuracy")
