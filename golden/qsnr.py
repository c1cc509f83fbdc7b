"""Table and plot of the formats' signal to quantisation noise, beside the papers: `python -m golden.qsnr --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golden.command import Parser, add_common, run_command, silenced
from golden.files import write
from golden.noise import CASES, CHUNK, DELTAS, measure
from golden.provenance import to_json

__all__ = ["main"]


def _report(results: dict[str, float]) -> dict[str, Any]:
    rows = [
        {"format": case.name, "bits_per_element": round(case.bits, 4), "qsnr_db": round(results[case.name], 3)}
        | ({} if case.expected is None else {"expected_db": case.expected})
        for case in CASES
    ]
    deltas = [
        {"delta": d.name, "ours_db": round(results[d.better] - results[d.worse], 3), "paper_db": d.paper}
        for d in DELTAS
    ]
    per_bit = (results["msfp16"] - results["msfp14"]) / 2
    deltas.append({"delta": "MSFP per mantissa bit", "ours_db": round(per_bit, 3), "paper_db": 3.2})
    return {"qsnr": rows, "deltas": deltas}


def _table(report: dict[str, Any]) -> str:
    lines = [f"{'format':<24}{'bits':>7}{'dB':>8}{'spec':>8}{'differs':>9}"]
    for row in report["qsnr"]:
        line = f"{row['format']:<24}{row['bits_per_element']:>7.2f}{row['qsnr_db']:>8.2f}"
        if "expected_db" in row:
            line += f"{row['expected_db']:>8.2f}{row['qsnr_db'] - row['expected_db']:>+9.2f}"
        lines.append(line)
    lines += ["", f"{'difference in dB':<24}{'ours':>7}{'paper':>8}"]
    lines += [f"{row['delta']:<24}{row['ours_db']:>7.2f}{row['paper_db']:>8.1f}" for row in report["deltas"]]
    lines.append("MSFP's paper defines its figure without squares: 3.2 dB there are the 6.0 dB here.")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = Parser(prog="python -m golden.qsnr", description="QSNR of the block formats, beside the papers' figures.")
    parser.add_argument("--vectors", type=int, default=10_000, metavar="N", help="1..1000000; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures with their provenance")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot, .svg or .png")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the table there, not to stdout")
    add_common(parser)
    args = parser.parse_args(arguments)
    if not 1 <= args.vectors <= 1_000_000:
        parser.error(f"--vectors {args.vectors}: 1..1000000")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: not negative")
    if args.plot and args.plot.suffix not in (".svg", ".png"):
        parser.error(f"--plot {args.plot}: a name that ends in .svg or .png")
    return run_command("golden.qsnr", lambda: _run(args), {ImportError: 3, OSError: 2}, verbose=args.verbose)


def _run(args: argparse.Namespace) -> None:
    if args.plot:
        try:
            from golden.qsnr_plot import plot  # before the minute of work: without matplotlib it fails here
        except ImportError as error:
            raise ImportError(f"{error}; --plot needs it: pip install matplotlib") from None

    def progress(done: int) -> None:
        if args.vectors > 2 * CHUNK:
            end = "\n" if done == args.vectors else ""
            print(f"\r{done} of {args.vectors} vectors", end=end, file=sys.stderr, flush=True)

    with silenced(args.quiet):
        report = _report(measure(args.vectors, args.seed, progress))
    if args.json:
        command = f"python -m golden.qsnr --vectors {args.vectors} --seed {args.seed}"
        write(args.json, to_json(report, command, args.seed).encode())
    if args.plot:
        plot(report, args.plot)
    if args.output:
        write(args.output, _table(report).encode())
    else:
        sys.stdout.write(_table(report))


if __name__ == "__main__":
    sys.exit(main())
