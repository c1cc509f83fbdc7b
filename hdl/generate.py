"""Command line that emits Verilog: `python -m hdl.generate --mantissa 4 --block 64`.

Verilog goes to stdout or to `-o`, everything else to stderr. Exit status: 0 done; 2 a wrong option, named in one line
with its legal values; 3 a tool that is missing or failed; 1 anything unexpected (`-v` shows where).
"""

import json
import sys
import tempfile
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hdl.cli import Parser, UsageError, add_unit_options, read_config
from hdl.config import ConfigError, UnitConfig
from hdl.listing import render_list
from hdl.yosys import ToolMissing, YosysError

__all__ = ["main"]

_PATIENCE = 10.0  # seconds


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = sys.argv[1:] if argv is None else argv
    verbose = "-v" in words or "--verbose" in words
    try:
        return _run(_parse(words))
    except (UsageError, ConfigError) as error:
        return _fail(2, f"{error}", verbose)
    except (ToolMissing, YosysError) as error:
        return _fail(3, f"{error}", verbose)
    except OSError as error:
        return _fail(2, f"-o {error.filename}: {error.strerror}", verbose)
    except Exception as error:
        return _fail(1, f"unexpected {type(error).__name__}: {error} (-v shows where)", verbose)


def _parse(words: list[str]) -> Namespace:
    parser = Parser(prog="python -m hdl.generate", description="Emit the Verilog of a narrow-precision unit.")
    add_unit_options(parser, words)
    parser.add_argument("--list", action="store_true", help="list units with their options and latency, and stop")
    parser.add_argument("--config", metavar="FILE", help="regenerate what this manifest describes")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR|FILE|-",
        default="-",
        help="folder for <name>.v and <name>.json, or a .v file, or - for stdout (default)",
    )
    parser.add_argument("--yosys", metavar="PROGRAM", help="use this Yosys instead of the pinned one")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on stderr but errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="engine and configuration; tracebacks on errors")
    return parser.parse_args(words)


def _run(options: Namespace) -> int:
    # These import Amaranth: options that need none of it should not wait for it.
    from hdl.emit import emit, manifest_text, project_version
    from hdl.yosys import find_engine

    if options.version:
        print(f"narrowgauge {project_version()}")
        return 0
    if options.list:
        print(render_list())
        return 0
    config = _from_manifest(options) if options.config else read_config(options)
    engine = find_engine(options.yosys)
    with _told_to_wait(config.name, quiet=options.quiet):
        made = emit(config, engine)
    where = _write(options.output, made.name, made.verilog, manifest_text(made.manifest))
    if not options.quiet:
        _tell(options, config, engine.name, where, made.bench)
    return 0


@contextmanager
def _told_to_wait(name: str, *, quiet: bool) -> Iterator[None]:
    """Says every ten seconds that a large unit is still being made."""
    done, start = threading.Event(), time.monotonic()

    def tell() -> None:
        while not done.wait(_PATIENCE):
            print(f"{name}: generating for {time.monotonic() - start:.0f} s ...", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    if not quiet:
        teller.start()
    try:
        yield
    finally:
        done.set()


def _from_manifest(options: Namespace) -> UnitConfig:
    from hdl.registry import make_config

    if options.given:
        raise UsageError(f"--config {options.config}: no other unit option goes with it ({options.given[0]} was given)")
    try:
        facts = json.loads(Path(options.config).read_text())["config"]
        return make_config(**facts)
    except ConfigError as error:
        raise UsageError(f"--config {options.config}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--config {options.config}: not a manifest of this generator ({error})") from None


def _write(output: str, name: str, verilog: str, manifest: str) -> str:
    """Write what was asked for and return the words for it; a file that would not change is left alone."""
    if output == "-":
        sys.stdout.write(verilog)
        return "to stdout"
    target = Path(output)
    if target.suffix == ".v" and not target.is_dir():
        files = {target: verilog, target.with_suffix(".json"): manifest}
    else:
        files = {target / f"{name}.v": verilog, target / f"{name}.json": manifest}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            _replace(path, text)
    return "to " + " and ".join(map(str, files))


def _replace(path: Path, text: str) -> None:
    """Write beside the file, then rename: nobody ever sees half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        aside.write(text)
    Path(aside.name).chmod(0o644)
    Path(aside.name).replace(path)


def _tell(options: Namespace, config: UnitConfig, engine: str, where: str, bench: str) -> None:
    flags = config.command().removeprefix("python -m hdl.generate ")
    print(f"{config.name} {where}: {config.describe()}", file=sys.stderr)
    # The protocol bench is for streams; a unit without them is simulated from its files.
    simulate = f"tb.simulate {flags}" if bench == "tb.bulk" else f"{bench} {config.name}.json {config.name}.v"
    print(f"simulate: python -m {simulate}    price: python -m synth {flags}", file=sys.stderr)
    if options.verbose:
        print(f"{engine}; config {json.dumps(config.to_dict())}", file=sys.stderr)


def _fail(status: int, message: str, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
