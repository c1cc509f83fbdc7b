"""Several runs beside each other: over seeds, and each format against FP32 with equal seeds."""

from collections.abc import Sequence
from typing import Any

from golden.training.config import RunConfig
from golden.training.statistics import paired, spread

__all__ = ["compare", "comparison_text"]

Result = tuple[RunConfig, dict[str, Any]]


def _kind(config: RunConfig) -> str:
    return config.format if config.policy == "none" else f"policy {config.policy}, format {config.format}"


def compare(results: Sequence[Result]) -> dict[str, Any]:
    """Per format: seeds, accuracies (mean, range), footprint; the paired difference to FP32 where that ran too."""
    by_kind: dict[str, dict[int, dict[str, Any]]] = {}
    for config, final in results:
        by_kind.setdefault(_kind(config), {})[config.seed] = final
    rows = {}
    for kind, finals in by_kind.items():
        accuracies = [final["test_accuracy"] for final in finals.values()]
        row: dict[str, Any] = {
            "seeds": list(finals),
            "n_test": next(iter(finals.values()))["n_test"],
            "test_accuracy": spread(accuracies).as_dict(),
            "val_accuracy": spread([final["val_accuracy"] for final in finals.values()]).as_dict(),
            "footprint_ratio": spread([final["footprint_ratio"] for final in finals.values()]).mean,
            "diverged": [seed for seed, final in finals.items() if final["diverged_at_step"] is not None],
        }
        if kind != "fp32" and "fp32" in by_kind:
            base = [by_kind["fp32"][seed]["test_accuracy"] for seed in finals]
            row["difference_to_fp32"] = paired(accuracies, base).as_dict()
        rows[kind] = row
    return {"model": results[0][0].model, "data": results[0][0].data, "formats": rows}


def comparison_text(summary: dict[str, Any]) -> str:
    """A line per format for people."""
    lines = []
    for kind, row in summary["formats"].items():
        accuracy, n = row["test_accuracy"], row["n_test"]
        line = f"{kind}: test accuracy {accuracy['mean']:.2%} of {n}"
        if accuracy["n"] > 1:
            line += f" ({accuracy['n']} seeds, {accuracy['low']:.2%}..{accuracy['high']:.2%})"
        line += f", weights and activations {row['footprint_ratio']:.2f}x smaller than FP32"
        if "difference_to_fp32" in row:
            difference = row["difference_to_fp32"]
            line += f"; to FP32 {difference['mean']:+.2%}"
            if difference["n"] > 1:
                line += f" [{difference['low']:+.2%}, {difference['high']:+.2%}]"
            line += f": {difference['verdict']}"
        if row["diverged"]:
            line += f"; diverged: seed {', '.join(map(str, row['diverged']))}"
        lines.append(line)
    return "\n".join(lines)
