"""Run the proofs: `python -m tb.formal [--list] [--only PATTERN] [--json FILE] [--docs FILE] [--timeout S] [-q] [-v]`.

The table goes to stdout, progress to stderr. Exit status: 0 every proof holds and every planted bug was found; 1 one
did not, or anything unexpected; 2 a wrong option; 3 Yosys is missing or failed.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hdl.cli import UsageError
from hdl.yosys import Engine, find_engine
from tb.command import command_parser, run_command, spelt
from tb.formal.proof import Outcome, Proof, run_proof
from tb.formal.registry import select
from tb.formal.report import markdown, table, to_json

__all__ = ["main"]

# What the documentation keeps above and below the table.
_BEGIN, _END = "<!-- table: python -m tb.formal --docs docs/formal.md -->\n", "<!-- end of table -->\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_command(lambda words: _run(_parse(words), words), arguments)


def _parse(words: list[str]) -> Namespace:
    parser = command_parser("tb.formal", "Prove claims about the generated hardware.")
    parser.add_argument("--list", action="store_true", help="list proofs with their claims, and stop")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these; shell pattern; repeatable")
    parser.add_argument("--timeout", type=float, default=900.0, metavar="S", help="seconds for each run (default 900)")
    parser.add_argument("--json", metavar="FILE", help="write every verdict and its time, with provenance; - is stdout")
    parser.add_argument("--docs", metavar="FILE", help="renew the table in this Markdown file")
    parser.add_argument("--waves", metavar="DIR", help="write every counterexample here as VCD")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("-v", "--verbose", action="store_true", help="Yosys's log of whatever went wrong; tracebacks")
    options = parser.parse_args(words)
    if options.timeout < 1:
        raise UsageError(f"--timeout {options.timeout:g}: 1 or more")
    if options.docs and options.only:
        raise UsageError("--docs: not together with --only; the documentation lists every proof")
    return options


def _run(options: Namespace, words: list[str]) -> int:
    try:
        proofs = select(options.only)
    except ValueError as error:
        raise UsageError(f"--only {error}") from None
    if options.list:
        for proof in proofs:
            print(f"{proof.name}: {proof.claim} ({proof.method.words})")
        return 0
    page = _Page(options.docs) if options.docs else None
    engine = find_engine()
    outcomes = [_prove(proof, engine, options, f"[{k}/{len(proofs)}]") for k, proof in enumerate(proofs, 1)]
    if options.json != "-":
        print(table(outcomes))
    if options.json:
        _write(options.json, to_json(outcomes, spelt("tb.formal", words), engine))
    if page:
        page.renew(markdown(outcomes))
    return 0 if all(outcome.holds for outcome in outcomes) else 1


class _Page:
    """A Markdown file with a place for the table; read before the proofs run, so that a wrong name costs no minutes."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._head, begun, rest = self._path.read_text().partition(_BEGIN)
        _, ended, self._tail = rest.partition(_END)
        if not (begun and ended):
            raise UsageError(f"--docs {path}: no table between {_BEGIN.strip()} and {_END.strip()}")

    def renew(self, table: str) -> None:
        """Put `table` in its place."""
        self._path.write_text(self._head + _BEGIN + table + _END + self._tail)


def _prove(proof: Proof, engine: Engine, options: Namespace, place: str) -> Outcome:
    if not options.quiet:
        print(f"{place} {proof.name} ... ", end="", file=sys.stderr, flush=True)
    waves = Path(options.waves) if options.waves else None
    outcome = run_proof(proof, engine, timeout=options.timeout, waves=waves)
    if not options.quiet:
        print(f"{outcome.words}, {outcome.seconds:.1f} s", file=sys.stderr)
    if options.verbose:
        for run in outcome.runs:
            if not run.expected:
                print(f"{proof.name}, planted bug: {run.bug}\n{run.log}", file=sys.stderr)
    return outcome


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text)


if __name__ == "__main__":
    sys.exit(main())
