"""From the folders of finished runs to the rows of the comparison: numbers, text table, JSON."""

import json
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any

from golden.training.log import read_log
from golden.training.statistics import paired, spread

__all__ = ["row_of", "run_facts", "stage_starts", "table"]


def run_facts(folder: Path) -> dict[str, Any]:
    """What a finished run says: `final.json`, and its log's epochs with what the policy reported."""
    final = json.loads((folder / "final.json").read_text(encoding="utf-8"))
    epochs = [entry for entry in read_log(folder / "log.jsonl") if "epoch" in entry]
    return {"final": final, "epochs": epochs}


def _lengths(report: Mapping[str, Any]) -> dict[str, float]:
    """Learned or network-wide lengths of the last epoch: "layer/role/m" -> bits."""
    if "lengths" in report:
        return dict(report["lengths"])
    if "m" in report:
        return {"network/m": report["m"], "network/k": report["k"]}
    parts = [value for value in report.values() if isinstance(value, Mapping) and "lengths" in value]
    return dict(parts[0]["lengths"]) if parts else {}


def stage_starts(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """First epoch (from 0) of each PFQ stage but the first, the mean over runs; the run's length if it never came."""
    stages = [[entry["policy"]["stage"] for entry in run["epochs"]] for run in runs]
    count = len(runs[0]["final"]["config"]["policy_options"].get("pfq-forward", "3,4,6,8").split(","))
    starts = []
    for stage in range(1, count):
        first = [next((e for e, now in enumerate(seen) if now >= stage), len(seen)) for seen in stages]
        starts.append(round(sum(first) / len(first)))
    return starts


def _final(runs: Sequence[Mapping[str, Any]], part: str) -> dict[str, float] | None:
    """Least, mean and largest final length over tensors and seeds."""
    values = [
        value
        for run in runs
        for key, value in _lengths(run["epochs"][-1].get("policy", {})).items()
        if key.endswith(f"/{part}")
    ]
    return {"low": min(values), "mean": sum(values) / len(values), "high": max(values)} if values else None


def _to_best(run: Mapping[str, Any]) -> float:
    """Multiplication cost up to the epoch of the best validation accuracy, over that of the whole run in FP32."""
    best = max(run["epochs"], key=lambda entry: entry["val_accuracy"])
    return float(best["policy"]["multiply_cost"] * best["epoch"] / len(run["epochs"]))


def row_of(
    runs: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]] | None, part: str = "test"
) -> dict[str, Any]:
    """One row out of the runs of all seeds; `base` are those of FP32 with the same seeds; `part` test or val."""
    finals = [run["final"] for run in runs]
    done = [run for run in runs if run["epochs"] and run["final"]["diverged_at_step"] is None]
    row: dict[str, Any] = {"seeds": [final["config"]["seed"] for final in finals], "diverged": len(runs) - len(done)}
    for name in (f"{part}_accuracy", f"{part}_loss"):
        row[name] = spread([final[name] for final in finals]).as_dict()
    if base:
        own = {run["final"]["config"]["seed"]: run["final"][f"{part}_accuracy"] for run in base}
        accuracy = [final[f"{part}_accuracy"] for final in finals]
        difference = paired(accuracy, [own[seed] for seed in row["seeds"]]).as_dict()
        if len(runs) == 1:
            del difference["low"], difference["high"]  # no interval: JSON has no infinity
        row["difference_to_fp32"] = difference
    if not done:
        return row
    reports = [run["epochs"][-1]["policy"] for run in done]

    def mean(name: str) -> float:
        return float(sum(report[name] for report in reports) / len(reports))

    row |= {
        name: mean(name)
        for name in ("footprint_ratio", "gecko_ratio", "gecko_bits_per_value", "final_bits_per_value", "multiply_cost")
    }
    row["bits_per_value"] = {
        role: sum(report["bits_per_value"][role] for report in reports) / len(reports)
        for role in reports[0]["bits_per_value"]
    }
    counts = finals[0]["footprint"]
    row["share_of_weights"] = counts["weights"]["values_per_step"] / counts["total"]["values_per_step"]
    if all("stage" in report for report in reports):
        row["stage_starts"] = stage_starts(done)
    row["multiply_cost_to_best"] = sum(map(_to_best, done)) / len(done)
    row |= {f"final_{part}": _final(done, part) for part in "mk"}
    return row


def _range(value: Mapping[str, float] | None) -> str:
    if value is None:
        return ""
    return f"{value['low']:.0f}..{value['high']:.0f}, mean {value['mean']:.1f}"


def _difference(name: str, row: Mapping[str, Any]) -> str:
    """To FP32 in points, with the 95 % interval and what it says where there are several seeds."""
    found = row.get("difference_to_fp32")
    if found is None or name == "fp32":
        return ""
    mean = f"{100 * found['mean']:+.2f}"
    if "low" not in found:
        return mean
    return f"{mean} [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}] {found['verdict']}"


def table(rows: Mapping[str, Mapping[str, Any]], part: str = "test", perplexity: bool = False) -> str:
    """Markdown; `perplexity` for text."""
    what = {"test": "accuracy %", "val": "validation accuracy %"}[part]
    columns = f"policy | {what} (range) |{' perplexity |' if perplexity else ''} to FP32 | W bits | A bits | last bits"
    columns += " | footprint | + Gecko | multiply cost | to best | last mantissas | last exponents"
    lines = [f"| {columns} |", "|---" * (columns.count("|") + 1) + "|"]
    for name, row in rows.items():
        a = row[f"{part}_accuracy"]
        first = [name, f"{100 * a['mean']:.2f} ({100 * a['low']:.1f}..{100 * a['high']:.1f})"]
        if perplexity:
            first.append(f"{exp(row[f'{part}_loss']['mean']):.3f}")
        first.append(_difference(name, row))
        if "multiply_cost" not in row:
            lines.append("| " + " | ".join([*first, "diverged"]) + " |" + " |" * 8)
            continue
        bits = row["bits_per_value"]
        cells = [
            *first,
            f"{bits['weight']:.2f}",
            f"{bits['activation']:.2f}",
            f"{row['final_bits_per_value']:.2f}",
            f"{row['footprint_ratio']:.2f}x",
            f"{row['gecko_ratio']:.2f}x",
            f"{row['multiply_cost']:.4f}",
            f"{row['multiply_cost_to_best']:.4f}",
            _range(row["final_m"]),
            _range(row["final_k"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
