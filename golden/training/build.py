"""From a configuration to the parts of a run: model, precision, optimiser, schedule, policy session."""

from collections.abc import Callable
from math import isqrt
from typing import Any

from golden.catalog import get_format
from golden.command import Parser
from golden.data.sets import DataSet
from golden.nn.layer import Layer
from golden.nn.models import build
from golden.nn.optimiser import SGD, AdamW, Optimiser
from golden.nn.precision import Order, Precision
from golden.nn.products import quantise, wide_storage
from golden.nn.schedule import Constant, Cosine, Schedule, Steps, WarmUp
from golden.policies.base import Policy
from golden.policies.formats import Blocks, Role
from golden.policies.registry import add_policy_options, policy_names, read_policy
from golden.policies.session import Session
from golden.training.config import RECIPES, ConfigError, RunConfig
from golden.training.footprint import Format, stored_bits
from golden.training.session import FixedSession, SessionLike
from golden.training.tensors import Tensor

__all__ = ["build_model", "build_optimiser", "build_schedule", "build_session", "stored_formats"]


def build_model(config: RunConfig, data: DataSet) -> Layer:
    """The model with its initial weights. Raises ConfigError where it does not suit the data."""
    kinds = RECIPES[config.model].kinds
    if data.kind not in kinds:
        raise ConfigError(f"--model {config.model}: takes {' or '.join(kinds)}, {data.name} is {data.kind}")
    try:
        return build(config.model, data.input_shape, data.classes, config.seed, **config.sizes())
    except ValueError as error:
        raise ConfigError(f"--model {config.model} on {data.name}: {error}") from None


def build_optimiser(config: RunConfig, model: Layer, session: SessionLike) -> Optimiser:
    """SGD or AdamW over the model's and the policy's parameters; weights are stored as their products keep them."""
    storage = wide_storage(model)
    parameters = [*model.parameters(), *session.parameters()]
    if config.optimizer == "adamw":
        return AdamW(parameters, weight_decay=config.weight_decay, storage=storage)
    nesterov = config.nesterov == "on"
    return SGD(
        parameters,
        momentum=config.momentum,
        nesterov=nesterov,
        weight_decay=config.weight_decay,
        storage=storage,
    )


def build_schedule(config: RunConfig, steps_per_epoch: int) -> tuple[Schedule, frozenset[int]]:
    """The learning rate by step, and the steps before which it jumps."""
    total = config.epochs * steps_per_epoch
    jumps: frozenset[int] = frozenset()
    schedule: Schedule
    if config.schedule == "cosine":
        schedule = Cosine(config.lr, total)
    elif config.schedule == "step":
        milestones = tuple(steps_per_epoch * part for part in (config.epochs // 2, config.epochs * 3 // 4))
        schedule, jumps = Steps(config.lr, milestones), frozenset(milestones) - {0}
    else:
        schedule = Constant(config.lr)
    warmup = round(config.warmup * steps_per_epoch)
    return (WarmUp(schedule, warmup) if warmup else schedule), jumps


def _policy(config: RunConfig) -> Policy:
    """The policy with the hyperparameters that were given as flags."""
    try:
        parser = Parser(prog="python -m golden.train", add_help=False)
        add_policy_options(parser, policy_names(config.policy))
        words = [word for flag, value in config.policy_options for word in (f"--{flag}", str(value))]
        return read_policy(config.policy, parser.parse_args(words))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def build_session(config: RunConfig, model: Layer, example: Any, steps_per_epoch: int) -> SessionLike:
    """Put the run's precision on the model's products, and a policy in charge of it if there is one."""
    precision = config.precision()
    if config.policy == "none":
        return FixedSession([] if precision == Precision() else quantise(model, precision, seed=config.seed))
    return Session(
        _policy(config),
        model,
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        batch=example,
        seed=config.seed,
        precision=precision,
    )


def stored_formats(config: RunConfig, session: SessionLike) -> tuple[Callable[[Tensor], Format], str]:
    """What format a tensor has now, for the footprint; and the run's blocks in words."""
    precision = config.precision()
    policy = getattr(session, "policy", None)

    def fixed(tensor: Tensor) -> Format:
        if tensor.role == "weight":
            operand = precision.forward.b
        else:
            operand = precision.weight.a if tensor.role == "activation" else precision.forward.a
        return operand.format or operand.bits

    def decided(tensor: Tensor) -> Format:
        if policy is None:
            return fixed(tensor)
        role, _, part = tensor.role.partition(" ")  # attention's parts are tensors of their own to a policy
        now = policy.precision(f"{tensor.layer}.{part}" if part else tensor.layer, Role(role))
        fmt = get_format(now.format) if isinstance(now, Blocks) else float(now.bits)
        if tensor.role == Role.WEIGHT and policy.stored_share != 1:  # of the weights that are kept at all
            return stored_bits(tensor, fmt) / tensor.values * policy.stored_share
        return fmt

    return decided, _blocks(config)


def _blocks(config: RunConfig) -> str:
    """Block shape and order, which every result states."""
    fmt = config.precision().forward.a.format
    if fmt is None:
        return "none"
    shape = f"{isqrt(fmt.block)} x {isqrt(fmt.block)} tiles" if config.order == Order.TILE2D else f"{fmt.block} values"
    return f"{fmt.name}: {shape} share a scale, order {config.order}"
