"""Command-line options of units, generated from their configurations; `synth` and `tb` take the same ones."""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from typing import Any, NoReturn

from golden.catalog import BFP_BLOCKS, BFP_EXPONENTS, BFP_MANTISSAS, bfp
from hdl.config import UnitConfig, flag_of, options
from hdl.registry import UNITS, make_config

__all__ = ["Parser", "UsageError", "add_unit_options", "read_config", "whole"]

_SHORT = {"mantissa": BFP_MANTISSAS, "block": BFP_BLOCKS, "exponent": BFP_EXPONENTS}


class UsageError(Exception):
    """A command line that cannot be meant, in one line."""


class Parser(ArgumentParser):
    """argparse whose errors are one line, left to the caller to print."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(allow_abbrev=False, **facts)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and exiting."""
        raise UsageError(message)


class _Given(Action):
    """Store the value and remember the flag: `given` tells a default from a choice."""

    def __call__(self, parser: Any, namespace: Namespace, value: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, value)
        namespace.given = [*namespace.given, option]


def add_unit_options(parser: Parser, words: Sequence[str]) -> None:
    """Add `--unit` and the options of the unit that `words` asks for; other units' options are told apart."""
    parser.set_defaults(given=[])
    parser.add_argument("--unit", default="dot", metavar="NAME", action=_Given, help="unit (default dot; see --list)")
    chosen = _chosen_unit(words)
    own = UNITS[chosen].config
    if "format" in own.__dataclass_fields__:
        _add_short(parser)
    else:
        for option in _SHORT:
            parser.add_argument(f"--{option}", type=_not_here(f"--{option}", chosen, "units of blocks"), help=SUPPRESS)
    group = parser.add_argument_group(f"options of {chosen}")
    for item in options(own):
        _add(group, item)
    for flag, option in own.aliases.items():
        group.add_argument(flag, dest=option, metavar="NAME", action=_Given, help=f"the same as {flag_of(option)}")
    taken = {flag_of(item.name) for item in fields(own)} | set(own.aliases)
    others = {flag_of(item.name): name for name, unit in UNITS.items() for item in fields(unit.config)}
    for flag, unit in others.items():
        if flag not in taken:
            parser.add_argument(flag, type=_not_here(flag, chosen, unit), help=SUPPRESS)


def _add_short(parser: Parser) -> None:
    short = parser.add_argument_group("short for --format bfpMxN[eW]")
    short.add_argument(
        "--mantissa",
        type=whole("--mantissa", BFP_MANTISSAS),
        metavar="M",
        action=_Given,
        help="mantissa bits, sign included, 2..16 (default 4)",
    )
    short.add_argument(
        "--block",
        type=whole("--block", BFP_BLOCKS),
        metavar="N",
        action=_Given,
        help="elements per block, 1..1024 (default 64)",
    )
    short.add_argument(
        "--exponent",
        type=whole("--exponent", BFP_EXPONENTS),
        metavar="W",
        action=_Given,
        help="shared exponent bits, 5..10 (default 10)",
    )


def _chosen_unit(words: Sequence[str]) -> str:
    probe = Parser(add_help=False)
    probe.add_argument("--unit", default="dot")
    unit = probe.parse_known_args(list(words))[0].unit
    if unit not in UNITS:
        raise UsageError(f"--unit {unit}: one of {', '.join(UNITS)}")
    return unit


def _add(group: Any, item: Field) -> None:
    facts = item.metadata
    legal = facts.get("legal")
    text = facts["help"]
    if item.default is not None:
        text += f" (default {item.default})"
    if "choices" in facts:
        text += ": " + ", ".join(facts["choices"])
    if legal is not None:
        text += f", {legal[0]}..{legal[-1]}"
    group.add_argument(
        flag_of(item.name),
        dest=item.name,
        metavar="N" if legal else "NAME",
        action=_Given,
        help=text,
        type=whole(flag_of(item.name), legal) if legal else str,
    )


def whole(flag: str, legal: range) -> Callable[[str], int]:
    """Reader of a flag's whole number; UsageError with the legal range for anything else."""

    def parse(word: str) -> int:
        try:
            value = int(word, 0)
        except ValueError:
            raise UsageError(f"{flag} {word}: a whole number in {legal[0]}..{legal[-1]}") from None
        if value not in legal:
            raise UsageError(f"{flag} {word}: {legal[0]}..{legal[-1]}")
        return value

    return parse


def _not_here(flag: str, chosen: str, owner: str) -> Callable[[str], Any]:
    def refuse(word: str) -> Any:
        raise UsageError(f"{flag} {word}: unit {chosen} has no such option; it belongs to {owner}")

    return refuse


def read_config(options: Namespace) -> UnitConfig:
    """The configuration that parsed options describe. Raises UsageError or ConfigError."""
    short = {key: getattr(options, key) for key in _SHORT if getattr(options, key) is not None}
    chosen = {
        item.name: getattr(options, item.name)
        for item in fields(UNITS[options.unit].config)
        if getattr(options, item.name) is not None
    }
    if short and "format" in chosen:
        raise UsageError(f"--format {chosen['format']}: not together with --{next(iter(short))}, which is short for it")
    if short:
        chosen["format"] = bfp(**{"mantissa": 4, "block": 64} | short).name
    return make_config(options.unit, **chosen)
