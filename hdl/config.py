"""Unit configurations: frozen, validated, and the one source of command-line flags, module names and manifests.

A configuration says *what* a unit computes (formats, rounding, accumulation) apart from *how* (pipeline, lanes). Each
unit declares a dataclass of `option` fields; flags, help texts, legal ranges and name tokens all come from those.
"""

from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar

from golden.catalog import get_format
from golden.formats import BlockFormat, ElementEncoding, ScaleEncoding

__all__ = [
    "MAX_PIPELINE",
    "BlockUnitConfig",
    "ConfigError",
    "UnitConfig",
    "block_format",
    "describe_format",
    "flag_of",
    "format_token",
    "integer",
    "named",
    "options",
    "power_of_two_scale",
    "same_block",
    "same_pairs",
    "whole_lanes",
]

MAX_PIPELINE = 8


class ConfigError(ValueError):
    """An option outside its legal range. `option` is the field's name, `legal` says what would be accepted."""

    def __init__(self, option: str, value: object, legal: str) -> None:
        super().__init__(f"{flag_of(option)} {value}: {legal}")
        self.option, self.value, self.legal = option, value, legal


def flag_of(option: str) -> str:
    """Command-line spelling of an option: `format_b` is `--format-b`; `source` is `--from` and `target` `--to`."""
    return {"source": "--from", "target": "--to"}.get(option, "--" + option.replace("_", "-"))


def named(default: str | None, choices: tuple[str, ...], text: str, *, token: str = "{}", silent: bool = False) -> Any:
    """An option that takes one of a few names; None as default means that it follows from the other options.

    `token` is its part of the module name when not the default.
    A `silent` one is not in `UnitConfig.to_dict` at its default: units that were made before it came keep their bytes.
    """
    return field(default=default, metadata={"help": text, "choices": choices, "token": token, "silent": silent})


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
    name = f"BFP{element.bits}" if fmt.scale.encoding is ScaleEncoding.TWOS_COMPLEMENT else fmt.name.upper()
    parts = {
        ElementEncoding.SIGN_MAGNITUDE: f"sign + {element.mantissa_bits} magnitude bits",
        ElementEncoding.TWOS_COMPLEMENT: f"{element.bits}-bit two's complement",
        ElementEncoding.FLOAT: f"sign + {element.exponent_bits} exponent + {element.mantissa_bits} mantissa bits",
    }[element.encoding]
    if fmt.microexponents:
        parts += f", {fmt.microexponent_bits}-bit microexponent per {fmt.subblock}"
    scale = f"{fmt.scale.bits}-bit shared exponent"
    if fmt.scale.minifloat is not None:
        scale = f"E{fmt.scale.minifloat.exponent_bits}M{fmt.scale.minifloat.mantissa_bits} scale, FP32 tensor scale"
    return f"{name}: {parts}, {scale}, block {fmt.block}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitConfig(ABC):
    """Base of every unit's configuration. Formats are kept as canonical catalogue names, so that it is plain JSON."""

    unit: ClassVar[str]
    aliases: ClassVar[dict[str, str]] = {}  # other flags of an option
    in_stem: ClassVar[tuple[str, ...]] = ("format",)  # options that are always part of the module name

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

    def validate(self) -> None:  # noqa: B027 (a hook: most units have none)
        """Rules between options; raises ConfigError."""

    @abstractmethod
    def describe(self) -> str:
        """One line for a reader: what the unit computes, with every width spelt out."""

    def derived(self, option: str) -> object:
        """What an option without a default of its own follows from; units that have such an option say it here."""
        raise NotImplementedError(f"{type(self).__name__}.derived: nothing for {option}, whose default is None")

    @property
    def stem(self) -> str:
        """What the module name begins with."""
        return self.unit

    @property
    def name(self) -> str:
        """Canonical module and file name: the unit, its format if any, then every choice that is not the default."""
        parts = [self.stem]
        for item in (item for item in self._chosen() if item.name not in self.in_stem):
            value, facts = getattr(self, item.name), item.metadata
            parts.append(
                f"{item.name.removeprefix('format_')}_{format_token(get_format(value))}"
                if "format" in facts
                else facts["token"].format(value)
            )
        return "_".join(parts)

    def _chosen(self) -> list[Field]:
        """Options that are not at their default; `format` is never one, it is always spelt out."""
        return [
            o for o in options(type(self)) if o.name != "format" and getattr(self, o.name) != self.default_of(o.name)
        ]

    def default_of(self, option: str) -> object:
        """Value an option takes when it is not given."""
        default = next(item.default for item in fields(self) if item.name == option)
        return self.derived(option) if default is None else default

    def to_dict(self) -> dict[str, str | int]:
        """Every option but the `silent` ones at their default, JSON-ready; `hdl.registry.make_config(**d)` reads it."""
        said = [o for o in options(type(self)) if not o.metadata.get("silent") or getattr(self, o.name) != o.default]
        return {"unit": self.unit} | {item.name: getattr(self, item.name) for item in said}

    def command(self) -> str:
        """Canonical command line: the unit, the format if it has one, and whatever is not the default."""
        words = ["python -m hdl.generate", f"--unit {self.unit}"]
        words += [f"--format {self.format}"] if isinstance(self, BlockUnitConfig) else []
        words += [f"{flag_of(item.name)} {getattr(self, item.name)}" for item in self._chosen()]
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockUnitConfig(UnitConfig):
    """Base of the units whose operands are blocks."""

    format: str = block_format("block format of the operands", default="bfp4x64")

    @property
    def operand(self) -> BlockFormat:
        """The format object of `--format`."""
        return get_format(self.format)

    @property
    def stem(self) -> str:
        """The unit and its format."""
        return f"{self.unit}_{format_token(self.operand)}"

    def derived(self, option: str) -> object:
        """Other formats are `--format` again."""
        return self.format


def options(config: type[UnitConfig]) -> list[Field]:
    """Options of a unit in the order that users see: its format, what every unit has, then its own."""
    return sorted(fields(config), key=lambda item: item.name != "format")


def same_block(config: BlockUnitConfig, option: str) -> None:
    """Both operands of a dot product share their block length."""
    other = get_format(getattr(config, option))
    if other.block != config.operand.block:
        raise ConfigError(
            option, other.name, f"a format of block {config.operand.block}, like --format {config.format}"
        )


def power_of_two_scale(config: BlockUnitConfig, option: str) -> None:
    """Only such a scale is an addition in the exponent."""
    fmt = get_format(getattr(config, option))
    if fmt.scale.encoding is ScaleEncoding.FLOAT:
        legal = (
            f"a format whose scale is a power of two; {fmt.name} goes into --unit dot, golden.quantize converts to it"
        )
        raise ConfigError(option, fmt.name, legal)


def same_pairs(config: BlockUnitConfig, option: str) -> None:
    """Where both operands have microexponents, the same elements share one."""
    own, other = config.operand, get_format(getattr(config, option))
    if own.microexponents and other.microexponents and own.subblock != other.subblock:
        legal = f"a format with a microexponent per {own.subblock} elements, like --format {own.name}"
        raise ConfigError(option, other.name, legal)


def whole_lanes(fmt: BlockFormat, lanes: int) -> None:
    """The lanes of a converter divide the block, and the elements of one microexponent stay together."""
    step = fmt.subblock if fmt.microexponents else 1
    if fmt.block % lanes or lanes % step:
        multiple = f" and a multiple of {step}" if step > 1 else ""
        raise ConfigError("lanes", lanes, f"a divisor of the block, {fmt.block}{multiple}")
