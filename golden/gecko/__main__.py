"""Pack, unpack and measure tensors from the command line: `python -m golden.gecko --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from golden.command import Parser, add_common, command_line, run_command, silenced
from golden.files import write
from golden.gecko.descriptor import GeckoError, Mode
from golden.gecko.file import pack_npy, unpack_npy
from golden.gecko.npy import array_of
from golden.gecko.ratios import ratio_table, ratios
from golden.gecko.stat import stat, stat_file, table
from golden.gecko.study import exponent_study, footprint_study, study_table, tensors_of
from golden.gecko.values import as_bits
from golden.provenance import to_json

_SWITCH = {"off": False, "on": True, "auto": None}
_LONG = 40_000_000  # bytes beyond which packing takes some seconds


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m golden.gecko", description="Lossless exponent coding of float tensors.")
    add_common(parser)
    commands = parser.add_subparsers(
        parser_class=Parser, dest="command", required=True, metavar="{pack,unpack,stat,ratios,study}"
    )

    facts = Parser(add_help=False)
    facts.add_argument("--mode", choices=["auto", *(m.name.lower() for m in Mode)], help="default: auto, the cheapest")
    facts.add_argument("--bias", type=int, metavar="B", help="code that fixed mode refers to; default: the cheapest")
    facts.add_argument("--mantissa-bits", type=int, metavar="N", help="cut mantissas to N bits; default: keep all")
    facts.add_argument("--exponent-bits", type=int, metavar="N", help="1..8; default: 8, the whole field")
    facts.add_argument("--offset", type=int, metavar="N", help="exponent field of code 0 where N < 8; default: 0")
    facts.add_argument("--zero-mask", choices=_SWITCH, help="mark zeros in a mask; default: off (stat: auto)")
    facts.add_argument("--elide-sign", choices=_SWITCH, help="drop the sign bit where none is set; default: off")

    pack = commands.add_parser("pack", parents=[facts], help="x.npy -> x.gck, lossless unless bits are cut")
    pack.add_argument("npy", type=Path, help="float32, bfloat16, or uint16/uint32 bit patterns")
    pack.add_argument("gck", type=Path)
    unpack = commands.add_parser("unpack", help="x.gck -> y.npy, the file that was packed")
    unpack.add_argument("gck", type=Path)
    unpack.add_argument("npy", type=Path)
    stat = commands.add_parser("stat", parents=[facts], help="bits by part and mode of a .npy or .gck file")
    stat.add_argument("file", type=Path)
    table = commands.add_parser("ratios", help="the table of gecko.md 6 on synthetic data, measured")
    table.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    table.add_argument("--values", type=int, default=1 << 18, metavar="N", help="per tensor; default: %(default)s")
    study = commands.add_parser("study", help="real tensors: ratios by mode, footprints after trimming")
    study.add_argument(
        "npz",
        type=Path,
        nargs="+",
        help="a network each: float32 arrays w1, x1, g1, ...: weights, activations, gradients",
    )
    for command in (stat, table, study):
        command.add_argument("--json", action="store_true", help="machine-readable, with provenance")
        command.add_argument("-o", "--output", type=Path, help="write to a file instead of standard output")
    return parser


def _facts(args: argparse.Namespace) -> dict[str, Any]:
    """The format flags that were given, as arguments of `size.candidates`."""
    names = ("mode", "bias", "mantissa_bits", "exponent_bits", "offset", "zero_mask", "elide_sign")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if "mode" in given:
        given["mode"] = None if given["mode"] == "auto" else Mode[given["mode"].upper()]
    if "zero_mask" in given:
        given["zero_mask"] = _SWITCH[given["zero_mask"]]
    if "elide_sign" in given:
        given["sign_elided"] = _SWITCH[given.pop("elide_sign")]
    return given


def _pack(args: argparse.Namespace) -> None:
    npy = args.npy.read_bytes()
    if len(npy) > _LONG:
        print(f"packing {len(npy) >> 20} MiB, a few seconds per 100 MiB ...", file=sys.stderr)
    gck = pack_npy(npy, **_facts(args))
    write(args.gck, gck)
    print(f"{args.gck}: {len(gck)} bytes, {len(gck) / len(npy):.3f} of {args.npy}", file=sys.stderr)


def _unpack(args: argparse.Namespace) -> None:
    write(args.npy, unpack_npy(args.gck.read_bytes()))


def _stat(args: argparse.Namespace) -> str:
    facts, data = _facts(args), args.file.read_bytes()
    if data.startswith(b"\x93NUMPY"):
        bits, source = as_bits(array_of(data))
        report = stat(bits, source, **{"zero_mask": None} | facts)
    elif facts:
        raise GeckoError("a .gck file states its own format: give no format flags")
    else:
        report = stat_file(data)
    return to_json(report, args.line) if args.json else table(report) + "\n"


def _ratios(args: argparse.Namespace) -> str:
    if args.seed < 0:
        raise GeckoError(f"--seed {args.seed}: 0 or more")
    if not 64 <= args.values <= 1 << 26:
        raise GeckoError(f"--values {args.values}: 64..{1 << 26}")
    rows = ratios(args.seed, args.values)
    if args.json:
        return to_json({"values": args.values, "rows": rows}, args.line, args.seed)
    return ratio_table(rows) + "\n"


def _study(args: argparse.Namespace) -> str:
    networks = {}
    for path in args.npz:
        try:
            with np.load(path) as arrays:
                networks[path.stem] = tensors_of(arrays)
        except (ValueError, EOFError, BadZipFile) as error:
            raise GeckoError(f"{path}: not an .npz of real tensors: {error}") from None
    exponents, footprints = exponent_study(networks), footprint_study(networks)
    if args.json:
        return to_json({"exponents": exponents, "footprints": footprints}, args.line)
    synthetic = f"## Synthetic data\n\n```text\n{ratio_table(ratios())}\n```"
    title = f"# What Gecko saves\n\nGenerated by `{args.line}`; areas of its units are in [area.md](area.md)."
    return "\n\n".join([title, synthetic, study_table(exponents, footprints)]) + "\n"


def _explain(error: GeckoError, args: argparse.Namespace) -> str:
    """One line that names the file or the flag at fault."""
    name, _, rest = str(error).partition(" ")
    if getattr(args, name, None) is not None:
        return f"--{name.replace('_', '-')} {rest}"
    file = {"pack": "npy", "unpack": "gck", "stat": "file"}.get(args.command)
    return f"{getattr(args, file)}: {error}" if file else str(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 2 bad flags or a bad file, 1 unexpected."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(words)
    args.line = command_line("golden.gecko", words)
    return run_command(
        f"golden.gecko {args.command}", lambda: _run(args), {GeckoError: 2, OSError: 2}, verbose=args.verbose
    )


def _run(args: argparse.Namespace) -> None:
    run = {"pack": _pack, "unpack": _unpack, "stat": _stat, "ratios": _ratios, "study": _study}[args.command]
    try:
        with silenced(args.quiet):
            text = run(args)
    except GeckoError as error:
        raise GeckoError(_explain(error, args)) from error
    if text is not None and args.output:
        write(args.output, text.encode())
    elif text is not None:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
