"""Hyperparameters of policies: frozen dataclasses whose fields carry ranges and texts, the source of all flags."""

from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar

__all__ = ["Hyper", "choice", "flag", "flag_name", "number", "words"]


def number(default: float, low: float, high: float, text: str) -> Any:
    """A hyperparameter in low..high; an integer if its default is one."""
    return field(default=default, metadata={"low": low, "high": high, "help": text})


def choice(default: str, choices: tuple[str, ...], text: str) -> Any:
    """A hyperparameter that takes one of a few names."""
    return field(default=default, metadata={"choices": choices, "help": text})


def words(default: str, text: str) -> Any:
    """A hyperparameter in words, which its policy reads."""
    return field(default=default, metadata={"help": text})


def flag(default: bool, text: str) -> Any:
    """A hyperparameter that is on or off."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Base of a policy's hyperparameters: frozen, in range, and the source of its command-line flags."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in fields(self):
            self._check(item, getattr(self, item.name))

    def _check(self, item: Field, value: Any) -> None:
        facts, wanted = item.metadata, type(item.default)
        name = flag_name(self.prefix, item.name)
        if "choices" in facts:
            if value not in facts["choices"]:
                raise ValueError(f"{name} {value}: one of {', '.join(facts['choices'])}")
        elif "low" in facts:
            legal = f"{facts['low']}..{facts['high']}"
            if isinstance(value, bool) or not isinstance(value, (int,) if wanted is int else (int, float)):
                raise ValueError(f"{name} {value!r}: {'an integer' if wanted is int else 'a number'} in {legal}")
            if not facts["low"] <= value <= facts["high"]:
                raise ValueError(f"{name} {value}: {legal}")
        elif wanted is bool and not isinstance(value, bool):
            raise ValueError(f"{name} {value!r}: on or off")


def flag_name(prefix: str, name: str) -> str:
    """Command-line spelling of a hyperparameter: `--bitwave-alpha`."""
    return "--" + "-".join(part for part in (prefix, name.replace("_", "-")) if part)
