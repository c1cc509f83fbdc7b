"""Unit configurations: frozen, validated, and the one source of command-line flags, module names and manifests.

A configuration says *what* a unit computes (formats, rounding, accumulation) apart from *how* (pipeline, lanes). Each
unit declares a dataclass of `option` fields; flags, help texts, legal ranges and name tokens all come from those.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, Self

from golden.catalog import get_format
from golden.formats import BlockFormat, ScaleEncoding

__all__ = [
    "MAX_PIPELINE",
    "ConfigError",
    "UnitConfig",
    "block_format",
    "describe_format",
    "integer",
    "named",
    "same_block",
]

MAX_PIPELINE = 8


class ConfigError(ValueError):
    """An option outside its legal range. `option` is the field's name, `legal` says what would be accepted."""

    def __init__(self, option: str, value: object, legal: str) -> None:
        super().__init__(f"{flag_of(option)} {value}: {legal}")
        self.option, self.value, self.legal = option, value, legal


def flag_of(option: str) -> str:
    """Command-line spelling of an option: `format_b` is `--format-b`; `source` is `--from`."""
    return "--from" if option == "source" else "--" + option.replace("_", "-")


def named(default: str, choices: tuple[str, ...], text: str, *, token: str = "{}") -> Any:
    """An option that takes one of a few names. `token` is its part of the module name when not the default."""
    return field(default=default, metadata={"help": text, "choices": choices, "token": token})


def integer(default: int | None, legal: range, text: str, *, token: str) -> Any:
    """An integer option with its legal range; None as default means that it follows from the other options."""
    return field(default=default, metadata={"help": text, "legal": legal, "token": token})


def block_format(text: str, *, default: str | None = None) -> Any:
    """A block format by catalogue name; None as default means that it follows from `--format`."""
    return field(default=default, metadata={"help": text, "format": True})


def format_token(fmt: BlockFormat) -> str:
    """A format's part of a module name: `bfp_m4_b64`, with `_e8` where the exponent is not the usual width."""
    if fmt.scale.encoding is ScaleEncoding.TWOS_COMPLEMENT:
        exponent = "" if fmt.scale.bits == 10 else f"_e{fmt.scale.bits}"
        return f"bfp_m{fmt.element.bits}_b{fmt.block}{exponent}"
    return fmt.name


def describe_format(fmt: BlockFormat) -> str:
    """A format in words: `BFP4: sign + 3 magnitude bits, 10-bit shared exponent, block 64`."""
    element = fmt.element
    widths = f"sign + {element.mantissa_bits} magnitude bits, {fmt.scale.bits}-bit shared exponent"
    return f"BFP{element.bits}: {widths}, block {fmt.block}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitConfig:
    """Base of every unit's configuration. Formats are kept as canonical catalogue names, so that it is plain JSON."""

    unit: ClassVar[str]

    format: str = block_format("block format of the operands", default="bfp4x64")
    pipeline: int = integer(
        1, range(MAX_PIPELINE + 1), "register stages inside; 0 = combinational up to the output register", token="p{}"
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) is None:
                object.__setattr__(self, item.name, self.default_of(item.name))
            self._check(item)
        self.validate()

    def _check(self, item: Field) -> None:
        value, facts = getattr(self, item.name), item.metadata
        if "format" in facts:
            try:
                object.__setattr__(self, item.name, get_format(value).name)
            except ValueError as error:
                raise ConfigError(item.name, value, str(error)) from None
        elif "choices" in facts and value not in facts["choices"]:
            raise ConfigError(item.name, value, "one of " + ", ".join(facts["choices"]))
        elif "legal" in facts and (type(value) is not int or value not in facts["legal"]):
            raise ConfigError(item.name, value, f"{facts['legal'][0]}..{facts['legal'][-1]}")

    def validate(self) -> None:
        """Rules between options; raises ConfigError."""

    def describe(self) -> str:
        """One line for a reader: what the unit computes, with every width spelt out."""
        raise NotImplementedError

    def derived(self, option: str) -> object:
        """What an option without a default of its own follows from: other formats are `--format` again."""
        return self.format

    @property
    def operand(self) -> BlockFormat:
        """The format object of `--format`."""
        return get_format(self.format)

    @property
    def name(self) -> str:
        """Canonical module and file name: the unit, the format, then every choice that is not the default."""
        parts = [self.unit, format_token(self.operand)]
        for item in fields(self):
            value, facts = getattr(self, item.name), item.metadata
            if item.name == "format" or value == self.default_of(item.name):
                continue
            parts.append(
                f"{item.name.removeprefix('format_')}_{format_token(get_format(value))}"
                if "format" in facts
                else facts["token"].format(value)
            )
        return "_".join(parts)

    def default_of(self, option: str) -> object:
        """Value an option takes when it is not given."""
        default = next(item.default for item in fields(self) if item.name == option)
        return self.derived(option) if default is None else default

    def to_dict(self) -> dict[str, str | int]:
        """Every option, JSON-ready; `hdl.registry.make_config(**d)` is the way back."""
        return {"unit": self.unit} | {item.name: getattr(self, item.name) for item in fields(self)}

    def command(self) -> str:
        """Canonical command line: the unit, the format and whatever is not the default."""
        words = ["python -m hdl.generate", f"--unit {self.unit}", f"--format {self.format}"]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "format" and value != self.default_of(item.name):
                words.append(f"{flag_of(item.name)} {value}")
        return " ".join(words)

    def with_options(self, **options: Any) -> Self:
        """A copy with some options changed."""
        return type(self)(**{k: v for k, v in (self.to_dict() | options).items() if k != "unit"})


def same_block(config: UnitConfig, option: str) -> None:
    """Both operands of a dot product share their block length."""
    other = get_format(getattr(config, option))
    if other.block != config.operand.block:
        raise ConfigError(
            option, other.name, f"a format of block {config.operand.block}, like --format {config.format}"
        )
