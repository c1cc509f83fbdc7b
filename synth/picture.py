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

_FAMILIES = {"bfp": "BFP", "mx": "shared microexponents", "ocp": "OCP MX", "msfp": "MSFP"}


def points(noise: dict[str, Any], records: Iterable[dict[str, Any]]) -> list[tuple[str, str, float, float]]:
    """(family, format, transistors per multiply-accumulate, dB), of checked dot products with default options."""
    decibels = {row["format"]: row["qsnr_db"] for row in noise["qsnr"]}
    found = []
    for record in records:
        config = record["config"]
        name = config.get("format")
        plain = record["unit"] == "dot" and config["accumulate"] == "none" and config["mode"] == "exact"
        if (
            plain
            and config["format_b"] == name
            and name in decibels
            and record["checked_by"]
            and record["transistors"] is not None
        ):
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

    figure, axes = plt.subplots(figsize=(7.5, 4.6))
    for family in dict.fromkeys(point[0] for point in shown):
        own = [point for point in shown if point[0] == family]
        axes.scatter([point[2] for point in own], [point[3] for point in own], label=family, s=36)
    # Neighbours in area get their names above and below in turn.
    for rank, (_, name, area, noise) in enumerate(sorted(shown, key=lambda point: point[2])):
        offset = (0, -13 if rank % 2 else 6)
        axes.annotate(name, (area, noise), xytext=offset, ha="center", textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(0.08)
    axes.set_xlabel("transistors per multiply-accumulate, complete dot-product unit with FP32 result")
    axes.set_ylabel("QSNR, dB (Gaussian data)")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
