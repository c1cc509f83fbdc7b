"""What a run is: a frozen description that determines every bit of it, with the legal range of each part."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from golden.formats import Rounding, ScaleRule
from golden.nn.models import MODELS
from golden.nn.precision import Order, Precision
from golden.scales import EMULATOR

__all__ = ["OPTIMIZERS", "ORDERS", "RECIPES", "ROUNDINGS", "SCALE_RULES", "SCHEDULES", "ConfigError"]
__all__ += ["Recipe", "RunConfig", "legal"]

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "step", "constant")
ROUNDINGS = tuple(Rounding)
SCALE_RULES = (*ScaleRule, EMULATOR)
ORDERS = tuple(Order)


class ConfigError(ValueError):
    """A part of a configuration out of range; the message names the flag, the value and what is legal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained unless flags say otherwise; chosen for FP32 on validation parts, docs/training.md."""

    optimizer: str = "sgd"
    lr: float = 0.1
    batch: int = 64
    weight_decay: float = 1e-4
    warmup: float = 0.0  # epochs
    smoothing: float = 0.0
    kinds: tuple[str, ...] = ("images",)


_TRANSFORMER = Recipe(optimizer="adamw", lr=1e-3, batch=32, weight_decay=0.01, warmup=0.5)
RECIPES: dict[str, Recipe] = {
    "mlp": Recipe(lr=0.2),
    "lenet300": Recipe(lr=0.2),
    "lenet5": Recipe(lr=0.02),
    "resnet8": Recipe(),
    "resnet20": Recipe(warmup=1.0),
    "resnet74": Recipe(warmup=2.0),
    "densenet40": Recipe(),
    "transformer_lm": Recipe(**asdict(_TRANSFORMER) | {"kinds": ("text",)}),
    "transformer_seq2seq": Recipe(**asdict(_TRANSFORMER) | {"kinds": ("pairs",), "smoothing": 0.1, "warmup": 1.0}),
}


def legal(facts: Mapping[str, Any]) -> str:
    """What a field's metadata admits, in words: names, or a range; empty if it does not say."""
    if "choices" in facts:
        return ", ".join(facts["choices"])
    ends = (facts.get(end) for end in ("low", "high"))
    return "..".join(str(end) if isinstance(end, int) else f"{end:g}" for end in ends if end is not None)


def _number(default: Any, low: float, high: float, text: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "help": text})


def _name(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"choices": choices, "help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One run. Fields are the flags of `python -m golden.train`; None is filled in from the model's recipe.

    `format` names the products' format (any name of the catalogue, or fp32 or bf16); `rounding` rounds weights and
    activations, `gradient_rounding` gradients; `order` says what shares a block (formats.md 1.4); `storage` is the
    weights' own format between steps (formats.md 1.5).
    """

    model: str = _name("resnet8", tuple(MODELS), "what is trained")
    data: str = field(default="digits", metadata={"help": "a set of `python -m golden.data list`, or files"})
    format: str = field(default="hbfp4", metadata={"help": "of the dot products' operands; block 64: hbfp4x64"})
    epochs: int = _number(20, 1, 10_000, "passes over the training part")
    seed: int = _number(0, 0, 2**32 - 1, "of weights, data order and random words")
    batch: int = _number(None, 1, 65_536, "samples a step")
    optimizer: str = _name(None, OPTIMIZERS, "update rule")  # type: ignore[arg-type]
    lr: float = _number(None, 0.0, 100.0, "peak learning rate")
    momentum: float = _number(0.9, 0.0, 0.9999, "of SGD")
    nesterov: str = _name("on", ("on", "off"), "SGD looks ahead")
    weight_decay: float = _number(None, 0.0, 1.0, "on weights, not on biases and norms")
    schedule: str = _name("cosine", SCHEDULES, "step: a tenth after 1/2 and 3/4 of the run")
    warmup: float = _number(None, 0.0, 1000.0, "epochs of rising learning rate")
    smoothing: float = _number(None, 0.0, 0.99, "of the labels")
    rounding: str = _name("rne", ROUNDINGS, "of weights and activations")
    gradient_rounding: str = _name("sr", ROUNDINGS, "of gradients")
    scale_rule: str = _name("floor", SCALE_RULES, "of the shared scale")
    order: str = _name("channel", ORDERS, "what shares a block in convolutions")
    storage: str = field(
        default="wide",
        metadata={"help": "weights between steps: a format, or wide, that is 16-bit BFP for BFP formats, else fp32"},
    )
    width: float = _number(None, 0.05, 4096.0, "of the model: channels or features, or a factor on LeNet's")
    depth: int = _number(None, 1, 100, "blocks of a Transformer")
    context: int = _number(64, 8, 1024, "tokens of a language model's window")
    train_samples: int = _number(None, 1, 10_000_000, "use only so many of the training part, else all")
    policy: str = field(default="none", metadata={"help": "decides formats during the run"})
    policy_options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            self._check(item.name, getattr(self, item.name), item.metadata, item.type)
        self.precision()
        recipe = RECIPES[self.model]
        for name in ("optimizer", "lr", "batch", "weight_decay", "warmup", "smoothing"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(recipe, name))
        legal = _sizes_of(self.model)
        for name in ("width", "depth"):
            value = getattr(self, name)
            if value is None:
                continue
            if name not in legal:
                raise ConfigError(f"--{name} {value}: {self.model} has no such size")
            if legal[name] is int and value != int(value):
                raise ConfigError(f"--{name} {value}: an integer for {self.model}")

    @staticmethod
    def _check(name: str, value: Any, facts: Mapping[str, Any], kind: Any) -> None:
        flag = f"--{name.replace('_', '-')}"
        if value is None:
            return
        if "choices" in facts and value not in facts["choices"]:
            raise ConfigError(f"{flag} {value}: one of {legal(facts)}")
        if "low" in facts:
            whole = kind in (int, "int")
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise ConfigError(f"{flag} {value}: {'an integer' if whole else 'a number'}")
            if not facts["low"] <= value <= facts["high"]:
                raise ConfigError(f"{flag} {value}: {legal(facts)}")

    def precision(self) -> Precision:
        """The formats of all products. Raises ConfigError for names and combinations that do not exist."""
        storage = None if self.storage == "wide" else self.storage
        try:
            return Precision.named(
                self.format,
                rounding=self.rounding,
                gradient_rounding=self.gradient_rounding,
                scale_rule=self.scale_rule,
                order=self.order,
                storage=storage,
            )
        except ValueError as error:
            flag = next((name for name in ("order", "scale_rule") if str(error).startswith(name)), "format")
            raise ConfigError(f"--{flag.replace('_', '-')} {getattr(self, flag)}: {error}") from None

    def sizes(self) -> dict[str, Any]:
        """Keywords for the model's constructor."""
        legal = _sizes_of(self.model)
        given = {name: getattr(self, name) for name in ("width", "depth")}
        return {name: legal[name](value) for name, value in given.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, everything filled in."""
        return asdict(self) | {"policy_options": dict(self.policy_options)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "RunConfig":
        """The run of an `as_dict`. Raises ConfigError for unknown parts."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(facts.keys() - known):
            raise ConfigError(f"configuration has {', '.join(unknown)}: of a newer version?")
        return cls(**dict(facts) | {"policy_options": tuple(sorted(dict(facts.get("policy_options", {})).items()))})

    def command(self) -> str:
        """The command line that makes this run anew, its output folder left out; flags at their default too."""
        given = {
            name: value for name, value in self.as_dict().items() if value is not None and name != "policy_options"
        }
        options = {name.replace("_", "-"): value for name, value in (given | dict(self.policy_options)).items()}
        if self.policy == "none":
            del options["policy"]
        return " ".join(["python -m golden.train", *(f"--{name} {value}" for name, value in options.items())])


def _sizes_of(model: str) -> dict[str, type]:
    """Sizes that a model's constructor takes and has not bound: name -> int or float."""
    maker: Any = MODELS[model]
    bound = getattr(maker, "keywords", {})
    parameters = inspect.signature(getattr(maker, "func", maker)).parameters
    return {
        name: float if parameters[name].annotation is float else int
        for name in ("width", "depth")
        if name in parameters and name not in bound
    }
