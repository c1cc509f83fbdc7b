"""The plot of `golden.qsnr`; the one module of the golden model that needs matplotlib."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["plot"]

# family -> (how its names begin, marker, where labels stand: points right and up, alignment)
_FAMILIES: dict[str, tuple[tuple[str, ...], str, tuple[int, int], str]] = {
    "shared microexponents": (("mx9", "mx6", "mx4"), "o", (-5, 5), "right"),
    "other sizes of them": (("mx_",), "p", (7, -3), "left"),
    "MSFP": (("msfp",), "s", (0, 6), "center"),
    "BFP": (("bfp",), "D", (3, -13), "left"),
    "block minifloat": (("bm_",), "v", (2, 7), "right"),
    "OCP MX": (("mxfp", "mxint"), "^", (6, -9), "left"),
    "NVFP4": (("nvfp4",), "P", (7, -3), "left"),
    "FP8, one scale per vector": (("fp8",), "*", (-7, -3), "right"),
}


def plot(report: dict[str, Any], path: Path) -> None:
    """QSNR over bits per element, one mark per case that rounds to nearest; .svg or .png."""
    mpl.rcParams["svg.hashsalt"] = "qsnr"  # element ids that do not change from run to run
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot(xlabel="bits per element, scales included", ylabel="QSNR in dB, Gaussian vectors")
    for family, (begins, marker, offset, side) in _FAMILIES.items():
        members = [
            row for row in report["qsnr"] if row["format"].startswith(begins) and not row["format"].endswith("rtz")
        ]
        places = [(row["bits_per_element"], row["qsnr_db"]) for row in members]
        axes.plot(*zip(*places, strict=True), marker, linestyle="none", label=family)
        for row, place in zip(members, places, strict=True):
            crowded = any(0 < other[1] - place[1] < 0.5 and other[0] == place[0] for other in places)
            shift = (offset[0], offset[1] - 9 * crowded)
            text = row["format"].removesuffix(" vector scale")
            axes.annotate(text, place, textcoords="offset points", xytext=shift, ha=side, fontsize=7)
    axes.set_xlim(3.5, 10.5)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
