"""Accuracy of each format against the area of its dot product: `python -m synth.picture QSNR.json AREA.json ...`.

QSNR.json is what `python -m golden.qsnr --json` writes, AREA.json what `python -m synth --json` does; the picture has
one point per format that both know. Figures come from those files alone, and only from netlists that were checked.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from golden.catalog import get_format
from hdl.cli import Parser, UsageError
from synth.command import add_voices, run_command, speaker

__all__ = ["main", "points"]

_FAMILIES = {
    "bfp": "BFP",
    "bm": "block minifloat",
    "mx": "shared microexponents",
    "ocp": "OCP MX",
    "msfp": "MSFP",
    "nvfp": "NVFP4",
}

# Where a point's name may stand: offset in points, and which end of the name is there.
_SIDES = (((0, 5), "center"), ((0, -13), "center"), ((6, -2), "left"), ((-6, -2), "right"))


def points(noise: dict[str, Any], records: Iterable[dict[str, Any]]) -> list[tuple[str, str, float, float]]:
    """(family, format, transistors per multiply-accumulate, dB), of checked dot products with default options."""
    from hdl.units.dot import DotConfig

    decibels = {row["format"]: row["qsnr_db"] for row in noise["qsnr"]}
    found = []
    for record in records:
        name = record["config"].get("format")
        if record["unit"] != "dot" or name not in decibels or record["config"] != DotConfig(format=name).to_dict():
            continue
        if record["checked_by"] and record["transistors"] is not None:
            found.append((_family(name), name, record["transistors"] / get_format(name).block, decibels[name]))
    return sorted(found)


def _family(name: str) -> str:
    if name.startswith(("mxfp", "mxint")):
        return _FAMILIES["ocp"]
    return next(label for start, label in _FAMILIES.items() if name.startswith(start))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 done, 2 for unusable files."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    return run_command(lambda: _run(words), verbose="-v" in words)


def _run(words: Sequence[str]) -> int:
    parser = Parser(prog="python -m synth.picture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("qsnr", type=Path)
    parser.add_argument("area", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/accuracy-area.svg"), metavar="FILE")
    add_voices(parser)
    options = parser.parse_args(list(words))
    try:
        noise = json.loads(options.qsnr.read_text())
        records = [record for path in options.area for record in json.loads(path.read_text())["records"]]
        shown = points(noise, records)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{error}: not a file of golden.qsnr and files of synth") from None
    if not shown:
        raise UsageError("no format stands in both the QSNR file and the area files")
    _draw(shown, options.output)
    speaker(options.quiet)(f"{options.output}: {len(shown)} formats")
    return 0


def _draw(shown: Sequence[tuple[str, str, float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "narrowgauge"  # the same picture, the same bytes
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.0, 5.0))
    for family in dict.fromkeys(point[0] for point in shown):
        own = [point for point in shown if point[0] == family]
        axes.scatter([point[2] for point in own], [point[3] for point in own], label=family, s=36)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(0.08)
    axes.set_xlabel("transistors per multiply-accumulate, complete dot-product unit with FP32 result")
    axes.set_ylabel("QSNR, dB (Gaussian data)")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(loc="upper left")
    figure.tight_layout()
    figure.draw_without_rendering()  # places are known then
    _name(axes, shown)
    figure.savefig(path, metadata={"Date": None})


def _name(axes: Any, shown: Sequence[tuple[str, str, float, float]]) -> None:
    """Each point's name on the first side where it hides neither a point nor another name, in pixels."""
    scale = axes.figure.dpi / 72
    points = [tuple(axes.transData.transform(point[2:])) for point in shown]
    taken = [(x - 3 * scale, y - 3 * scale, x + 3 * scale, y + 3 * scale) for x, y in points]
    for (_, name, *at), (x, y) in zip(shown, points, strict=True):
        width, height = 4.9 * len(name) * scale, 8 * scale
        places: list[tuple[int, int, tuple[float, float, float, float]]] = []
        for (right, up), side in _SIDES:
            left = x + right * scale - {"left": 0, "center": width / 2, "right": width}[side]
            box = (left, y + up * scale, left + width, y + up * scale + height)
            meets = sum(box[0] < c and a < box[2] and box[1] < d and b < box[3] for a, b, c, d in taken)
            places.append((meets, len(places), box))
        _, chosen, box = min(places)
        taken.append(box)
        offset, side = _SIDES[chosen]
        axes.annotate(name, at, xytext=offset, ha=side, textcoords="offset points", fontsize=7)


if __name__ == "__main__":
    sys.exit(main())
