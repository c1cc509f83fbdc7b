"""Every policy by name, their flags, and policies put together out of several: `dropback+hbfp6`."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from golden.catalog import get_format
from golden.policies.base import Policy
from golden.policies.bitwave import BitChop, BitWave
from golden.policies.boosters import Boosters
from golden.policies.composite import Composite
from golden.policies.cpt import CPT
from golden.policies.dfq import DFQ, FracTrain
from golden.policies.dropback import DropBack
from golden.policies.fast import Fast
from golden.policies.fixed import FLOATS, Fixed, fixed
from golden.policies.flexpoint import Flexpoint
from golden.policies.fractional import Static
from golden.policies.hyper import Hyper, flag_name
from golden.policies.pfq import PFQ
from golden.policies.quantum import QuantumBoth, QuantumExponent, QuantumMantissa

__all__ = ["POLICIES", "add_policy_options", "make_policy", "policy_names", "read_policy"]

POLICIES: dict[str, type[Policy]] = {
    policy.name: policy
    for policy in (
        Fixed,
        QuantumMantissa,
        QuantumExponent,
        QuantumBoth,
        BitWave,
        BitChop,
        Boosters,
        Static,
        PFQ,
        DFQ,
        FracTrain,
        CPT,
        Fast,
        Flexpoint,
        DropBack,
    )
}
"""Name -> class. A format's name is a policy too: that format throughout."""


def policy_names(text: str) -> list[str]:
    """The parts of "dropback+hbfp6"; ValueError with the legal names."""
    names = [part.strip() for part in text.split("+")]
    for name in names:
        if name in POLICIES or name in FLOATS:
            continue
        try:
            get_format(name)
        except ValueError:
            raise ValueError(
                f"--policy {name}: one of {', '.join(POLICIES)}, or a format (fp32, bf16, fp16, hbfp6, mx6, ...)"
            ) from None
    if len(set(names)) < len(names):
        raise ValueError(f"--policy {text}: each part once")
    return names


def make_policy(text: str, hyper: Mapping[str, Mapping[str, Any]] | None = None) -> Policy:
    """The policy of a name, or of several joined by "+"; `hyper` holds keyword arguments per name."""
    parts = []
    for name in policy_names(text):
        if name in POLICIES:
            cls = POLICIES[name]
            parts.append(cls(cls.hyper_type(**(hyper or {}).get(name, {}))))
        else:
            parts.append(fixed(name))
    return parts[0] if len(parts) == 1 else Composite(parts)


def add_policy_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """A group of flags for each of these policies, from its hyperparameters."""
    for name in names:
        if name not in POLICIES:
            continue
        hyper = POLICIES[name].hyper_type
        group = parser.add_argument_group(f"policy {name}", POLICIES[name].summary)
        for item in fields(hyper):
            facts = item.metadata
            legal = f" ({facts['low']:g}..{facts['high']:g})" if "low" in facts else ""
            group.add_argument(
                flag_name(hyper.prefix, item.name),
                dest=_destination(hyper, item.name),
                type=str if isinstance(item.default, bool) else type(item.default),
                default=_shown(item.default) if isinstance(item.default, bool) else item.default,
                choices=("on", "off") if isinstance(item.default, bool) else facts.get("choices"),
                metavar=None if "choices" in facts or isinstance(item.default, bool) else item.name.upper(),
                help=f"{facts['help']}{legal}; default {_shown(item.default)}".replace("%", "%%"),
            )


def read_policy(text: str, options: argparse.Namespace) -> Policy:
    """The policy that the flags of `add_policy_options` ask for."""
    hyper = {}
    for name in policy_names(text):
        if name in POLICIES:
            cls = POLICIES[name].hyper_type
            given = {item.name: getattr(options, _destination(cls, item.name)) for item in fields(cls)}
            switches = {item.name for item in fields(cls) if isinstance(item.default, bool)}
            hyper[name] = {key: value == "on" if key in switches else value for key, value in given.items()}
    return make_policy(text, hyper)


def _destination(hyper: type[Hyper], name: str) -> str:
    return f"policy_{hyper.prefix.replace('-', '_')}_{name}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
