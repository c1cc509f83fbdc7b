"""`python -m tb.mutants`: plants deliberate bugs in emitted Verilog and reports what catches each of them."""

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from hdl.cli import Parser, UsageError
from hdl.registry import make_config
from tb.build import build_bulk
from tb.command import add_number, add_record, command_parser, run_command, speaker
from tb.manifest import Manifest
from tb.mutants.catalogue import MUTANTS
from tb.mutants.hunt import Catch, bench, hunt, prepare
from tb.mutants.plant import Mutant, plant, selectable
from tb.mutants.scatter import UNITS, scatter
from tb.regression import emitted
from tb.report import provenance, write_json

__all__ = ["campaign", "main"]

Say = Callable[[str], None]


def campaign(mutants: Sequence[Mutant], vectors: int, seed: int, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """One record per mutant, in order: the mutant, and its `caught` (None: it survived everything)."""
    records = []
    for config, group in groupby(sorted(mutants, key=_configuration), _configuration):
        listed = list(group)
        verilog, data = emitted(make_config(**listed[0].unit))
        manifest = Manifest.from_dict(data)
        planted = [plant(mutant, verilog, manifest.top) for mutant in listed]
        stages = prepare(manifest, vectors, seed)
        model = build_bulk(*selectable([verilog, *planted], manifest), optimize=False)
        unharmed = hunt(model, 0, stages)
        if unharmed:
            raise AssertionError(f"{config} is wrong without any mutant: {unharmed}")
        for select, (mutant, text) in enumerate(zip(listed, planted, strict=True), 1):
            catch = hunt(model, select, stages) or bench(text, data, seed)
            say(_line(mutant.name, catch))
            entry = {key: getattr(mutant, key) for key in ("name", "story", "module", "old", "new")}
            records.append({"configuration": config, **entry, "caught": catch.record() if catch else None})
    order = [mutant.name for mutant in mutants]
    return sorted(records, key=lambda record: order.index(record["name"]))


def _configuration(mutant: Mutant) -> str:
    return make_config(**mutant.unit).name


def _line(name: str, catch: Catch | None) -> str:
    if catch is None:
        return f"SURVIVED  {name}"
    point = f" at {catch.point!r}" if catch.point else ""
    return f"caught    {name}: {catch.symptom} in {catch.check}{point}, vector {catch.vectors:,}"


def _parser() -> Parser:
    parser = command_parser("tb.mutants", __doc__)
    parser.add_argument("--list", action="store_true", help="list the bugs and stop")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this bug; may be repeated")
    add_number(parser, "--random", about="N bugs by Yosys in each of some units instead", low=1)
    add_number(parser, "--vectors", about="input transfers", default=20_000, low=1)
    add_number(parser, "--seed", about="of stimulus and random bugs", default=1, low=1, metavar="S")
    add_record(parser)
    return parser


def _command(options: Namespace) -> str:
    """What decides a record's contents, without where it was written to."""
    only = [f"--only {shlex.quote(name)}" for name in options.only or []]
    count = [f"--random {options.random}"] if options.random else only
    return " ".join(["python -m tb.mutants", *count, f"--vectors {options.vectors}", f"--seed {options.seed}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit 0 if every listed bug is caught, 1 if not, 2 for a usage error, 3 for a missing tool.

    Random bugs that survive are for a person to judge: some change nothing. Those proved to be such are not counted.
    """
    return run_command(_run, arguments)


def _run(words: list[str]) -> int:
    options = _parser().parse_args(words)
    names = [mutant.name for mutant in MUTANTS]
    for name in options.only or []:
        if name not in names:
            raise UsageError(f"--only {name!r}: one of {', '.join(names)}")
    chosen = [mutant for mutant in MUTANTS if not options.only or mutant.name in options.only]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:{max(map(len, names))}}  {_configuration(mutant)}: {mutant.story}")
        return 0
    say = speaker(options.quiet)
    head = {"schema": "narrowgauge-mutants-1", **provenance(_command(options))}
    head |= {"seed": options.seed, "vectors": options.vectors}
    if options.random:
        units = [scatter(unit, options.random, options.vectors, options.seed, say) for unit in UNITS]
        body, total = {"units": units}, sum(unit["mutants"] - unit["unchanged"] for unit in units)
        survivors = sum(len(unit["survivors"]) for unit in units)
    else:
        records = campaign(chosen, options.vectors, options.seed, say)
        body, total = {"mutants": records}, len(records)
        survivors = sum(record["caught"] is None for record in records)
    if options.json:
        write_json(options.json, head | body)
    print(f"{total - survivors} of {total} mutants caught")
    return 1 if survivors and not options.random else 0


if __name__ == "__main__":
    sys.exit(main())
