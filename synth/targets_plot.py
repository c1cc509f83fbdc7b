"""The picture of the targets: each core's area over its best public peer's, and what it was to reach."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw"]

_BARS = (("dissolved", "dissolved_transistors", -0.2), ("adders kept", "kept_transistors", 0.2))


def draw(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Horizontal bars, the peer at 1, a mark at the target; SVG, equal records giving equal bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "narrowgauge"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 0.5 * len(records) + 1.2))
    peers = [record["peer"]["transistors"] for record in records]
    places = range(len(records))
    for label, key, shift in _BARS:
        lengths = [(record[key] or 0) / peer for record, peer in zip(records, peers, strict=True)]
        axes.barh([place + shift for place in places], lengths, height=0.38, label=label)
    targets = [record["target_transistors"] / peer for record, peer in zip(records, peers, strict=True)]
    axes.scatter(targets, places, marker="|", s=420, linewidths=2, color="black", label="target", zorder=3)
    axes.axvline(1.0, color="grey", linestyle="--", label="best public peer")
    axes.set_yticks(list(places), [record["name"] for record in records], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set_xlabel("transistors over those of the best public peer, same flow")
    axes.grid(visible=True, axis="x", alpha=0.25)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=4, fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
